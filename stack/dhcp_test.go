package stack

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/faketime"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

var (
	serverMAC  = tcpip.LinkAddress("\x02\x00\x00\x00\x00\xfe")
	serverIP   = netip.MustParseAddr("10.0.2.2")
	leasedIP   = netip.MustParseAddr("10.0.2.15")
	leasedNet  = netip.MustParsePrefix("10.0.2.15/24")
	someServer = dhcpv4.OptServerIdentifier(serverIP.AsSlice())
)

// bench is a client under test, the wire it is on, and its time. The test is
// the server.
type bench struct {
	*testing.T
	*node
	clock *faketime.ManualClock
	wire  chan []byte
	quit  context.CancelFunc
	sent  int // DHCP messages seen
}

func newBench(t *testing.T) *bench {
	b := &bench{T: t, clock: faketime.NewManualClock(), wire: make(chan []byte, 1000)}
	b.node = newNode(t, "client", 1, b.clock)
	b.out = func(frame []byte) {
		select {
		case b.wire <- frame:
		default:
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	b.quit = cancel
	if err := b.port.dev.Open(); err != nil {
		t.Fatal(err)
	}
	if err := b.Configure(ctx, IPConfig{DHCP: true}); err != nil {
		t.Fatal(err)
	}
	return b
}

// request is a message of the client and how it came.
type request struct {
	*dhcpv4.DHCPv4
	src, dst netip.Addr
}

// receive returns the next DHCP message among what is on the wire within the
// (real) time, answering ARP on the way.
func (b *bench) receive(within time.Duration) (r request, ok bool) {
	limit := time.After(within)
	for {
		var f []byte
		select {
		case f = <-b.wire:
		case <-limit:
			return r, false
		}
		switch header.Ethernet(f).Type() {
		case header.ARPProtocolNumber:
			b.answerARP(header.ARP(f[14:]))
		case header.IPv4ProtocolNumber:
			ip := header.IPv4(f[14:])
			if ip.TransportProtocol() != header.UDPProtocolNumber {
				continue
			}
			u := header.UDP(ip.Payload())
			if u.DestinationPort() != 67 {
				continue
			}
			if u.SourcePort() != 68 || !ip.IsChecksumValid() ||
				!u.IsChecksumValid(ip.SourceAddress(), ip.DestinationAddress(), checksum.Checksum(u.Payload(), 0)) {
				b.Fatalf("bad frame %x", f)
			}
			m, err := dhcpv4.FromBytes(u.Payload())
			if err != nil {
				b.Fatal(err)
			}
			b.sent++
			return request{m, fromAddress(ip.SourceAddress()), fromAddress(ip.DestinationAddress())}, true
		}
	}
}

func (b *bench) answerARP(q header.ARP) {
	if q.Op() != header.ARPRequest || netip.AddrFrom4([4]byte(q.ProtocolAddressTarget())) != serverIP {
		return
	}
	f := make([]byte, 60)
	header.Ethernet(f).Encode(&header.EthernetFields{
		SrcAddr: serverMAC, DstAddr: tcpip.LinkAddress(q.HardwareAddressSender()), Type: header.ARPProtocolNumber,
	})
	r := header.ARP(f[14:])
	r.SetIPv4OverEthernet()
	r.SetOp(header.ARPReply)
	copy(r.HardwareAddressSender(), serverMAC)
	copy(r.ProtocolAddressSender(), q.ProtocolAddressTarget())
	copy(r.HardwareAddressTarget(), q.HardwareAddressSender())
	copy(r.ProtocolAddressTarget(), q.ProtocolAddressSender())
	b.inject(f)
}

// expect lets (fake) time pass, in steps, until the client sends a message of
// type typ, at most for the given time; 0: no time may pass. The client runs
// beside us and may see time pass faster than the steps, so the bounds on its
// times in these tests are wide.
func (b *bench) expect(typ dhcpv4.MessageType, step, most time.Duration) request {
	b.Helper()
	patience := 20 * time.Millisecond
	if most == 0 {
		patience = 10 * time.Second
	}
	for passed := time.Duration(0); ; passed += step {
		if r, ok := b.receive(patience); ok {
			if r.MessageType() != typ {
				b.Fatalf("got %v, want %v", r.MessageType(), typ)
			}
			return r
		}
		if passed >= most {
			b.Fatalf("no %v within %v", typ, most)
		}
		b.clock.Advance(step)
	}
}

// reply sends m to the client in the way a server does.
func (b *bench) reply(m *dhcpv4.DHCPv4) { b.inject(replyFrame(m.ToBytes(), net.IPv4bcast)) }

func replyFrame(payload []byte, to net.IP) []byte {
	// The client's own function builds the frame; only the ends differ.
	f := dhcpFrame([6]byte([]byte(serverMAC)), serverIP, payload)
	dst := tcpip.AddrFrom4Slice(to.To4())
	ip := header.IPv4(f[14:])
	ip.SetDestinationAddress(dst)
	ip.SetChecksum(0)
	ip.SetChecksum(^ip.CalculateChecksum())
	u := header.UDP(ip.Payload())
	u.SetSourcePort(67)
	u.SetDestinationPort(68)
	u.SetChecksum(0)
	sum := header.PseudoHeaderChecksum(header.UDPProtocolNumber, ip.SourceAddress(), dst, uint16(len(u)))
	u.SetChecksum(^u.CalculateChecksum(checksum.Checksum(u.Payload(), sum)))
	return f
}

// answer is a good answer to r, changed by opts.
func (b *bench) answer(r request, typ dhcpv4.MessageType, opts ...dhcpv4.Modifier) *dhcpv4.DHCPv4 {
	b.Helper()
	m, err := dhcpv4.NewReplyFromRequest(r.DHCPv4, append([]dhcpv4.Modifier{
		dhcpv4.WithMessageType(typ),
		dhcpv4.WithYourIP(leasedIP.AsSlice()),
		dhcpv4.WithOption(someServer),
		dhcpv4.WithNetmask(net.CIDRMask(24, 32)),
		dhcpv4.WithRouter(serverIP.AsSlice()),
		dhcpv4.WithDNS(net.IPv4(10, 0, 2, 3)),
		dhcpv4.WithLeaseTime(3600),
	}, opts...)...)
	if err != nil {
		b.Fatal(err)
	}
	return m
}

// lease takes the client through to a lease.
func (b *bench) lease(opts ...dhcpv4.Modifier) {
	b.Helper()
	d := b.expect(dhcpv4.MessageTypeDiscover, time.Second, 2*time.Minute)
	b.reply(b.answer(d, dhcpv4.MessageTypeOffer, opts...))
	r := b.expect(dhcpv4.MessageTypeRequest, time.Second, 0)
	b.reply(b.answer(r, dhcpv4.MessageTypeAck, opts...))
	b.await(b.T, "lease", func(a AddrInfo) bool { return a.IPv4.IsValid() })
}

func (b *bench) awaitNoAddress() {
	b.Helper()
	b.await(b.T, "address removed", func(a AddrInfo) bool { return !a.IPv4.IsValid() && !a.Gateway.IsValid() })
}

func TestDHCPLease(t *testing.T) {
	b := newBench(t)
	d := b.expect(dhcpv4.MessageTypeDiscover, time.Second, 0)
	if d.src != netip.IPv4Unspecified() || !d.IsBroadcast() || d.HostName() != "client" || len(d.ToBytes()) < 300 {
		t.Errorf("discover from %v: %v", d.src, d.Summary())
	}
	b.reply(b.answer(d, dhcpv4.MessageTypeOffer))
	r := b.expect(dhcpv4.MessageTypeRequest, time.Second, 0)
	if fromIP(r.RequestedIPAddress()) != leasedIP || fromIP(r.ServerIdentifier()) != serverIP || r.src != netip.IPv4Unspecified() {
		t.Errorf("request: %v", r.Summary())
	}
	ack := b.answer(r, dhcpv4.MessageTypeAck, dhcpv4.WithOption(dhcpv4.OptDomainName("example.org")))
	// To the address just given, as servers do that disregard the flag.
	b.inject(func() []byte {
		f := replyFrame(ack.ToBytes(), leasedIP.AsSlice())
		mac := b.port.dev.MAC()
		copy(f, mac[:])
		return f
	}())
	got := b.await(t, "lease", func(a AddrInfo) bool { return a.IPv4.IsValid() })
	want := AddrInfo{
		IPv4: leasedNet, Gateway: serverIP, DNS: []netip.Addr{netip.MustParseAddr("10.0.2.3")},
		Hostname: "client", Domain: "example.org", Search: []string{"example.org"},
	}
	got.IPv6 = nil
	if !got.equal(&want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	b.quit()
	b.awaitNoAddress()
}

func TestDHCPRenewsAndRebindsAndExpires(t *testing.T) {
	b := newBench(t)
	b.lease()
	start := b.clock.NowMonotonic()
	since := func() time.Duration { return b.clock.NowMonotonic().Sub(start) }

	r := b.expect(dhcpv4.MessageTypeRequest, time.Minute, time.Hour)
	if at := since(); at < 29*time.Minute || at > 50*time.Minute {
		t.Errorf("renewal after %v", at)
	}
	if fromIP(r.ClientIPAddr) != leasedIP || r.dst != serverIP || r.src != leasedIP || r.ServerIdentifier() != nil {
		t.Errorf("renewal from %v to %v: %v", r.src, r.dst, r.Summary())
	}
	b.reply(b.answer(r, dhcpv4.MessageTypeAck))

	// The server falls silent: it is asked again, then everybody.
	start = b.clock.NowMonotonic()
	unicasts, broadcasts := 0, 0
	for since() < time.Hour-time.Minute {
		r, ok := b.receive(20 * time.Millisecond)
		switch {
		case !ok:
			b.clock.Advance(time.Minute)
		case r.dst == serverIP:
			unicasts++
		case r.MessageType() == dhcpv4.MessageTypeRequest && r.src == leasedIP:
			broadcasts++
			if at := since(); at < 52*time.Minute {
				t.Errorf("rebinding after %v", at)
			}
		}
	}
	if unicasts < 1 || unicasts > 20 || broadcasts < 1 || broadcasts > 20 {
		t.Errorf("%d renewals, %d rebindings", unicasts, broadcasts)
	}
	if !b.Addresses().IPv4.IsValid() {
		t.Error("address removed before it expired")
	}
	for b.Addresses().IPv4.IsValid() && since() < 3*time.Hour {
		b.clock.Advance(time.Minute)
		b.receive(20 * time.Millisecond)
	}
	b.awaitNoAddress()
	b.lease() // and it starts again
}

func TestDHCPRefusal(t *testing.T) {
	b := newBench(t)
	// At first, in reply to the request: the client begins again, but slowly.
	for range 5 {
		d := b.expect(dhcpv4.MessageTypeDiscover, time.Second, 2*time.Minute)
		b.reply(b.answer(d, dhcpv4.MessageTypeOffer))
		r := b.expect(dhcpv4.MessageTypeRequest, time.Second, 0)
		b.reply(b.answer(r, dhcpv4.MessageTypeNak))
		if _, ok := b.receive(30 * time.Millisecond); ok {
			t.Error("asked again at once")
		}
	}
	b.lease()
	// Then at renewal: the address is gone.
	r := b.expect(dhcpv4.MessageTypeRequest, time.Minute, time.Hour)
	b.reply(b.answer(r, dhcpv4.MessageTypeNak))
	b.awaitNoAddress()
	b.lease()
}

func TestDHCPAsksInModeration(t *testing.T) {
	b := newBench(t)
	for range 10 * 60 {
		b.clock.Advance(time.Second)
		b.receive(time.Millisecond)
	}
	if b.sent < 5 || b.sent > 20 {
		t.Errorf("%d messages in ten minutes", b.sent)
	}
}

func TestDHCPIgnoresBadAnswers(t *testing.T) {
	b := newBench(t)
	d := b.expect(dhcpv4.MessageTypeDiscover, time.Second, 0)
	offer := func(opts ...dhcpv4.Modifier) *dhcpv4.DHCPv4 {
		return b.answer(d, dhcpv4.MessageTypeOffer, opts...)
	}
	for _, m := range []*dhcpv4.DHCPv4{
		offer(dhcpv4.WithTransactionID(dhcpv4.TransactionID{1})),
		offer(dhcpv4.WithHwAddr(net.HardwareAddr{2, 0, 0, 0, 0, 9})),
		offer(dhcpv4.WithYourIP(net.IPv4(0, 0, 0, 0))),
		offer(dhcpv4.WithYourIP(net.IPv4(127, 0, 0, 1))),
		offer(dhcpv4.WithYourIP(net.IPv4(224, 0, 0, 1))),
		offer(dhcpv4.WithYourIP(net.IPv4bcast)),
		offer(dhcpv4.WithYourIP(net.IPv4(10, 0, 2, 0))),
		offer(dhcpv4.WithYourIP(net.IPv4(10, 0, 2, 255))),
		offer(dhcpv4.WithNetmask(net.IPv4Mask(255, 0, 255, 0))),
		offer(dhcpv4.WithNetmask(net.IPv4Mask(0, 0, 0, 0))),
		offer(dhcpv4.WithGeneric(dhcpv4.OptionSubnetMask, []byte{255})),
		offer(dhcpv4.WithLeaseTime(0)),
		offer(dhcpv4.WithLeaseTime(1)),
		offer(dhcpv4.WithoutOption(dhcpv4.OptionIPAddressLeaseTime)),
		offer(dhcpv4.WithGeneric(dhcpv4.OptionIPAddressLeaseTime, []byte{1, 2, 3})),
		offer(dhcpv4.WithoutOption(dhcpv4.OptionServerIdentifier)),
		offer(dhcpv4.WithMessageType(dhcpv4.MessageTypeAck)),
		offer(dhcpv4.WithMessageType(0)),
	} {
		b.reply(m)
	}
	whole := bytes.TrimRight(offer().ToBytes(), "\x00") // up to the end option
	for n := 0; n < len(whole); n += 7 {
		b.inject(replyFrame(whole[:n], net.IPv4bcast))
	}
	if r, ok := b.receive(100 * time.Millisecond); ok {
		t.Fatalf("a bad offer was taken: %v", r.Summary())
	}
	b.lease()
}

func TestDHCPAfterTheLinkWasLost(t *testing.T) {
	b := newBench(t)
	b.lease()
	flap := func() request {
		b.port.dev.SetCarrier(false)
		b.port.dev.SetCarrier(true)
		r := b.expect(dhcpv4.MessageTypeRequest, time.Second, 0)
		if fromIP(r.RequestedIPAddress()) != leasedIP || r.ServerIdentifier() != nil ||
			!r.ClientIPAddr.IsUnspecified() || r.src != netip.IPv4Unspecified() {
			t.Errorf("reminder: %v", r.Summary())
		}
		return r
	}
	// Confirmed: the lease begins anew.
	b.clock.Advance(20 * time.Minute)
	b.reply(b.answer(flap(), dhcpv4.MessageTypeAck))
	// No answer: the lease is kept and renewed when it is due.
	flap()
	b.expect(dhcpv4.MessageTypeRequest, time.Second, time.Minute)
	b.expect(dhcpv4.MessageTypeRequest, time.Second, time.Minute)
	r := b.expect(dhcpv4.MessageTypeRequest, time.Minute, time.Hour)
	if r.dst != serverIP || b.Addresses().IPv4 != leasedNet {
		t.Errorf("after silence: to %v, address %v", r.dst, b.Addresses().IPv4)
	}
	b.reply(b.answer(r, dhcpv4.MessageTypeAck))
	// Refused: it is another network.
	b.reply(b.answer(flap(), dhcpv4.MessageTypeNak))
	b.awaitNoAddress()
	b.lease()
}

func TestDHCPWaitsForTheLink(t *testing.T) {
	b := newBench(t)
	b.expect(dhcpv4.MessageTypeDiscover, time.Second, 0)
	b.port.dev.SetCarrier(false)
	b.clock.Advance(5 * time.Minute)
	if _, ok := b.receive(50 * time.Millisecond); ok {
		t.Error("sent without a link")
	}
	b.port.dev.SetCarrier(true)
	b.lease()
}

func TestLeaseTimesOfAnyServer(t *testing.T) {
	for _, c := range []struct {
		lease, t1, t2 int64 // seconds; -1: no option
		want          string
	}{
		{3600, -1, -1, "30m0s 52m30s 1h0m0s"},
		{3600, 600, 1200, "10m0s 20m0s 1h0m0s"},
		{3600, 1200, 600, "30m0s 52m30s 1h0m0s"},
		{3600, 600, 7200, "30m0s 52m30s 1h0m0s"},
		{3600, 0, 600, "30m0s 52m30s 1h0m0s"},
		{3600, 600, -1, "30m0s 52m30s 1h0m0s"},
		{30, 1, 2, "5s 5s 30s"},
		{29, -1, -1, "error"},
		{0, -1, -1, "error"},
		{-1, -1, -1, "error"},
		{1<<32 - 1, 1, 2, "0s 0s 0s infinite"},
		{1<<32 - 2, -1, -1, "596523h14m7s 1043915h39m42.25s 1193046h28m14s"},
	} {
		m := &dhcpv4.DHCPv4{YourIPAddr: leasedIP.AsSlice(), Options: dhcpv4.OptionsFromList(someServer)}
		for code, v := range map[dhcpv4.OptionCode]int64{
			dhcpv4.OptionIPAddressLeaseTime: c.lease, dhcpv4.OptionRenewTimeValue: c.t1, dhcpv4.OptionRebindingTimeValue: c.t2,
		} {
			if v >= 0 {
				m.UpdateOption(dhcpv4.OptGeneric(code, []byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}))
			}
		}
		got := "error"
		if l, err := leaseFrom(m); err == nil {
			got = fmt.Sprint(l.t1, " ", l.t2, " ", l.expiry)
			if l.infinite {
				got += " infinite"
			}
		}
		if got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

func TestTheSearchListIsTheServers(t *testing.T) {
	list := func(b string) dhcpv4.Option {
		return dhcpv4.OptGeneric(dhcpv4.OptionDNSDomainSearchList, []byte(b))
	}
	for _, c := range []struct {
		name string
		opts []dhcpv4.Option
		want []string
	}{
		{"none", nil, nil},
		{"the domain", []dhcpv4.Option{dhcpv4.OptDomainName("example.org")}, []string{"example.org"}},
		{"a list", []dhcpv4.Option{dhcpv4.OptDomainName("example.org"), list("\x03eng\x05apple\x03com\x00\x09marketing\xc0\x04")},
			[]string{"eng.apple.com", "marketing.apple.com"}}, // RFC 3397, 2
		{"what is no name", []dhcpv4.Option{list("\x01a\x00\x03b\n<\x00\x01a\x00\x01c\x00")}, []string{"a", "c"}},
		{"too many", []dhcpv4.Option{list("\x011\x00\x012\x00\x013\x00\x014\x00\x015\x00\x016\x00\x017\x00")},
			[]string{"1", "2", "3", "4", "5", "6"}},
		{"a pointer to itself", []dhcpv4.Option{list("\xc0\x00"), dhcpv4.OptDomainName("example.org")}, []string{"example.org"}},
	} {
		m := &dhcpv4.DHCPv4{YourIPAddr: leasedIP.AsSlice(), Options: dhcpv4.OptionsFromList(append(c.opts, someServer,
			dhcpv4.OptGeneric(dhcpv4.OptionIPAddressLeaseTime, []byte{0, 1, 0, 0}))...)}
		l, err := leaseFrom(m)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(l.state.search, c.want) {
			t.Errorf("%s: %q, want %q", c.name, l.state.search, c.want)
		}
	}
}

func TestServersExtrasAreTakenIfTheyMakeSense(t *testing.T) {
	m := &dhcpv4.DHCPv4{YourIPAddr: leasedIP.AsSlice(), Options: dhcpv4.OptionsFromList(
		someServer,
		dhcpv4.OptGeneric(dhcpv4.OptionIPAddressLeaseTime, []byte{0, 1, 0, 0}),
		dhcpv4.OptRouter(net.IPv4zero, leasedIP.AsSlice(), net.IPv4(10, 0, 2, 1)),
		dhcpv4.OptDNS(net.IPv4bcast, net.IPv4(1, 1, 1, 1), net.IPv4(2, 2, 2, 2), net.IPv4(3, 3, 3, 3), net.IPv4(4, 4, 4, 4)),
		dhcpv4.OptHostName("evil\n<0>host"),
		dhcpv4.OptDomainName("example.org"),
	)}
	l, err := leaseFrom(m)
	if err != nil {
		t.Fatal(err)
	}
	st := l.state
	if st.prefix != netip.MustParsePrefix("10.0.2.15/8") || st.gateway != netip.MustParseAddr("10.0.2.1") ||
		len(st.dns) != 3 || slices.Contains(st.dns, netip.MustParseAddr("255.255.255.255")) ||
		st.hostname != "" || st.domain != "example.org" {
		t.Errorf("%+v", st)
	}
}

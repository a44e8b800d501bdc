package stack

import (
	"net/netip"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/faketime"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// FuzzReceive throws arbitrary frames at a configured stack with open sockets,
// one of them past gVisor, and has each accounted for.
func FuzzReceive(f *testing.F) {
	mac := [6]byte{2, 0, 0, 0, 0, 1}
	arp := make([]byte, 42)
	copy(arp, mac[:])
	copy(arp[6:], serverMAC)
	arp[12], arp[13] = 8, 6
	header.ARP(arp[14:]).SetIPv4OverEthernet()
	header.ARP(arp[14:]).SetOp(header.ARPRequest)
	copy(header.ARP(arp[14:]).ProtocolAddressTarget(), []byte{10, 0, 0, 1})
	udp := replyFrame([]byte("payload"), []byte{10, 0, 0, 1})
	copy(udp, mac[:])
	v6 := make([]byte, 14+40+24)
	copy(v6, []byte{0x33, 0x33, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd, 0x60, 0, 0, 0, 0, 24, 58, 255})
	for _, seed := range [][]byte{nil, mac[:], arp, udp, v6, dhcpFrame(mac, netip.IPv4Unspecified(), nil)} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	n := makeNode(f, faketime.NewManualClock())
	if _, err := n.ListenTCP("tcp", ":67"); err != nil {
		f.Fatal(err)
	}
	if _, err := n.ListenUDP("udp", ":68"); err != nil {
		f.Fatal(err)
	}
	verdicts := []UDPVerdict{TookIt, Full, NotNow}
	early := &UDPSocket{Port: 7, V4: true, V6: true}
	early.Receive = func(p []byte, _ *[16]byte, port uint16) UDPVerdict {
		if cap(p) > 1600 {
			panic("more than the payload")
		}
		return verdicts[int(port)%len(verdicts)]
	}
	n.AddUDP(early)
	f.Fuzz(func(t *testing.T, frame []byte, mend bool) {
		if mend {
			repair(frame, mac)
		}
		frame = frame[:min(len(frame), 1518)] // the driver passes no longer one
		before := n.Stats()
		n.port.dev.Receive(frame, 0)
		n.link.groFlush(false)
		after := n.Stats()
		// gVisor counts ARP, and what it sends to itself as received; nothing
		// may be missing.
		in := func(s *Stats) uint64 {
			return s.Device.RxDropped + s.ARP.InPackets + s.IP.InReceives + s.Link.GROMerged
		}
		if in(&after) == in(&before) {
			t.Errorf("not accounted for: before %+v\nafter %+v", before, after)
		}
		if after.Device.RxPackets != before.Device.RxPackets+1 {
			t.Error("not counted")
		}
		if len(frame) < 14 && after.Device.RxDropped == before.Device.RxDropped {
			t.Error("a frame without header was not dropped")
		}
	})
}

// repair makes what a fuzzer can hardly guess right: addresses and checksums.
func repair(frame []byte, mac [6]byte) {
	if len(frame) < 34 {
		return
	}
	copy(frame, mac[:])
	frame[6] &^= 1
	if frame[12] == 8 && frame[13] == 0 {
		ip := header.IPv4(frame[14:])
		ip.SetTotalLength(uint16(len(ip)))
		if !ip.IsValid(len(ip)) {
			return
		}
		ip.SetDestinationAddress(address(netip.MustParseAddr("10.0.0.1")))
		ip.SetChecksum(0)
		ip.SetChecksum(^ip.CalculateChecksum())
	}
}

// makeNode returns a stack, 10.0.0.1, on a wire that leads nowhere.
func makeNode(tb testing.TB, clock tcpip.Clock) *node {
	n := &node{moved: make(chan struct{}, 1), port: makePort("eth0", [6]byte{2, 0, 0, 0, 0, 1})}
	n.port.out = func([]byte) {}
	var err error
	if n.Stack, err = New(Config{Device: n.port.dev, Clock: clock}); err != nil {
		tb.Fatal(err)
	}
	if err := n.port.dev.Open(); err != nil {
		tb.Fatal(err)
	}
	if err := n.Configure(tb.Context(), IPConfig{Client: netip.MustParseAddr("10.0.0.1")}); err != nil {
		tb.Fatal(err)
	}
	return n
}

// FuzzDHCPReply throws arbitrary messages at the DHCP client's checks.
func FuzzDHCPReply(f *testing.F) {
	good := &dhcpv4.DHCPv4{
		OpCode: dhcpv4.OpcodeBootReply, YourIPAddr: leasedIP.AsSlice(),
		Options: dhcpv4.OptionsFromList(someServer, dhcpv4.OptMessageType(dhcpv4.MessageTypeAck),
			dhcpv4.OptIPAddressLeaseTime(time.Hour), dhcpv4.OptRouter(serverIP.AsSlice()),
			dhcpv4.OptDNS(serverIP.AsSlice()), dhcpv4.OptHostName("host"), dhcpv4.OptSubnetMask([]byte{255, 255, 255, 0})),
	}
	f.Add(good.ToBytes())
	f.Add([]byte{})
	mac := [6]byte{2, 0, 0, 0, 0, 1}
	f.Fuzz(func(t *testing.T, b []byte) {
		dhcpReply(b, &mac)
		frame := replyFrame(b[:min(len(b), 1400)], []byte{255, 255, 255, 255})
		if got := dhcpReply(frame, &mac); string(got) != string(b[:min(len(b), 1400)]) {
			t.Errorf("a good frame was cut to %d bytes", len(got))
		}
		m, err := dhcpv4.FromBytes(b)
		if err != nil {
			return
		}
		l, err := leaseFrom(m)
		if err != nil {
			return
		}
		st := &l.state
		if !usable(st.prefix) || !usable(hostPrefix(l.server)) || len(st.dns) > maxDNS4 ||
			st.gateway.IsValid() && !usable(hostPrefix(st.gateway)) {
			t.Errorf("accepted %+v", l)
		}
		if !l.infinite && !(0 < l.t1 && l.t1 <= l.t2 && l.t2 <= l.expiry) {
			t.Errorf("times %v %v %v", l.t1, l.t2, l.expiry)
		}
	})
}

package stack

import (
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"

	"github.com/gasp-go/gasp/stack/netdev"
)

// sieve is a port that receives exactly the groups of its list: stricter than a
// MAC's hash.
type sieve struct {
	*port
	mode   atomic.Pointer[netdev.RxMode]
	missed atomic.Uint64
}

func (s *sieve) SetMAC([6]byte) error         { return nil }
func (s *sieve) MTULimits() (least, most int) { return 68, 1500 }
func (s *sieve) SetMTU(int) error             { return nil }
func (s *sieve) SetRxMode(m netdev.RxMode) error {
	m.Groups = slices.Clone(m.Groups)
	s.mode.Store(&m)
	return nil
}

func (s *sieve) passes(dst [6]byte) bool {
	m := s.mode.Load()
	return dst[0]&1 == 0 || dst == [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff} || m == nil || m.AllMulti ||
		slices.Contains(m.Groups, dst)
}

// arrive is a frame from the wire. Trap context.
func (s *sieve) arrive(frame []byte) {
	if s.passes([6]byte(frame)) {
		s.port.arrive(frame)
	} else {
		s.missed.Add(1)
	}
}

func newSieveNode(t *testing.T, name string, last byte) (*node, *sieve) {
	p := newPort(t, name, [6]byte{2, 0, 0, 0, 0, last})
	s := &sieve{port: p}
	p.dev = netdev.New(name, p.dev.MAC(), 1500, s, p.soft)
	p.napi.Attach(p.dev)
	n := &node{port: p, moved: make(chan struct{}, 1)}
	var err error
	n.Stack, err = New(Config{Device: p.dev, Log: func(level int, msg string) { t.Logf("<%d> %s: %s", level, name, msg) }})
	if err != nil {
		t.Fatal(err)
	}
	n.OnAddress(func(AddrInfo) { poke(n.moved) })
	t.Cleanup(n.Close)
	return n, s
}

// eventually waits for what follows on another goroutine.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for limit := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatal("never: " + what)
		}
	}
}

func TestGroupOfAnAddressIsReceivedBeforeTheFirstProbeForIt(t *testing.T) {
	a, as := newSieveNode(t, "a", 1)
	b, bs := newSieveNode(t, "b", 2)
	c, cs := newSieveNode(t, "c", 1) // has a's address
	var probes atomic.Uint64
	early := func(name string, s *sieve, f []byte) {
		ip := header.IPv6(f[ethLen:])
		if f[12] == 0x86 && ip.NextHeader() == protoICMPv6 && ip.Payload()[0] == neighborSolicit {
			if probe := ip.SourceAddress() == header.IPv6Any; probe {
				probes.Add(1)
				if m := s.mode.Load(); m == nil || m.AllMulti || !s.passes([6]byte(f)) {
					t.Errorf("%s probes and does not receive %x: %+v", name, f[:6], m)
				}
			}
		}
	}
	a.out = func(f []byte) { early("a", as, f); bs.arrive(f); cs.arrive(f) }
	b.out = func(f []byte) { early("b", bs, f); as.arrive(f); cs.arrive(f) }
	c.out = func(f []byte) { early("c", cs, f); as.arrive(f); bs.arrive(f) }
	for _, n := range []*node{a, b} {
		if err := n.port.dev.Open(); err != nil {
			t.Fatal(err)
		}
		n.await(t, "link-local address", func(a AddrInfo) bool { return len(a.IPv6) == 1 })
	}
	if probes.Load() < 2 {
		t.Errorf("%d probes", probes.Load())
	}

	// Neighbours are found: a's solicitation goes to b's group alone.
	la, lb := a.Addresses().IPv6[0].Addr(), b.Addresses().IPv6[0].Addr()
	server, err := b.ListenUDP("udp6", "[::]:7")
	if err != nil {
		t.Fatal(err)
	}
	client, err := a.DialUDP("udp6", netip.AddrPortFrom(lb.WithZone("1"), 7).String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Write([]byte("found")); err != nil {
		t.Fatal(err)
	}
	if err := server.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 10)
	if n, _, err := server.ReadFrom(buf); err != nil || string(buf[:n]) != "found" {
		t.Errorf("%q, %v", buf[:n], err)
	}

	// a hears c's probe and defends its address; b's sieve keeps it out.
	missed := bs.missed.Load()
	if err := c.port.dev.Open(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a duplicate is noticed", func() bool {
		in := c.inGroup(fromAddress(header.SolicitedNodeAddr(address(la))))
		return !in && bs.missed.Load() > missed
	})
	if got := c.Addresses().IPv6; len(got) != 0 {
		t.Errorf("c uses %v, a's", got)
	}
	if b.passes6(bs, la) {
		t.Error("b receives the group of a's address")
	}
	eventually(t, "the duplicate's group is left", func() bool { return !c.passes6(cs, la) })
}

// passes6 reports whether the group of an address is received.
func (n *node) passes6(s *sieve, a netip.Addr) bool {
	return s.passes(groupMAC(fromAddress(header.SolicitedNodeAddr(address(a)))))
}

// member is a socket that joins groups.
type member struct {
	t  *testing.T
	ep tcpip.Endpoint
}

func (n *node) member(t *testing.T, proto tcpip.NetworkProtocolNumber) *member {
	var wq waiter.Queue
	ep, err := n.gv.NewEndpoint(udp.ProtocolNumber, proto, &wq)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ep.Close)
	return &member{t, ep}
}

func (m *member) set(join bool, group netip.Addr) {
	m.t.Helper()
	o := tcpip.MembershipOption{NIC: nicID, MulticastAddr: address(group)}
	var err tcpip.Error
	if join {
		add := tcpip.AddMembershipOption(o)
		err = m.ep.SetSockOpt(&add)
	} else {
		remove := tcpip.RemoveMembershipOption(o)
		err = m.ep.SetSockOpt(&remove)
	}
	if err != nil {
		m.t.Fatalf("%v, join %v: %v", group, join, err)
	}
}

var mdns = []struct {
	proto tcpip.NetworkProtocolNumber
	group netip.Addr
}{
	{ipv4.ProtocolNumber, netip.MustParseAddr("224.0.0.251")},
	{ipv4.ProtocolNumber, netip.MustParseAddr("239.129.1.2")},
	{ipv6.ProtocolNumber, netip.MustParseAddr("ff02::fb")},
	{ipv6.ProtocolNumber, netip.MustParseAddr("ff15::1234:5678")},
}

func TestGroupsAreReceivedWhileASocketHasJoinedThem(t *testing.T) {
	n, s := newSieveNode(t, "a", 1)
	n.out = func([]byte) {}
	if err := n.port.dev.Open(); err != nil {
		t.Fatal(err)
	}
	if err := n.Configure(t.Context(), IPConfig{Client: netip.MustParseAddr("10.0.0.1")}); err != nil {
		t.Fatal(err)
	}
	always := [][6]byte{{1, 0, 0x5e, 0, 0, 1}, {0x33, 0x33, 0, 0, 0, 1}}
	for _, g := range mdns {
		mac := groupMAC(g.group)
		if s.passes(mac) {
			t.Errorf("%v is received, and nobody wants it", g.group)
		}
		one, two := n.member(t, g.proto), n.member(t, g.proto)
		one.set(true, g.group)
		if !s.passes(mac) {
			t.Errorf("%v is joined and not received", g.group)
		}
		two.set(true, g.group)
		one.set(false, g.group)
		n.link.groups.prune(n.inGroup)
		if !s.passes(mac) {
			t.Errorf("%v: a second socket's is not received", g.group)
		}
		two.ep.Close()
		eventually(t, g.group.String()+" is left", func() bool { return !s.passes(mac) })
		for _, a := range always {
			if !s.passes(a) {
				t.Errorf("%x is not received", a)
			}
		}
	}
}

// What leaves and what joins meets prune at any moment.
func TestGroupThatIsJoinedAgainWhileItIsBeingLeftIsReceived(t *testing.T) {
	n, s := newSieveNode(t, "a", 1)
	n.out = func([]byte) {}
	if err := n.port.dev.Open(); err != nil {
		t.Fatal(err)
	}
	if err := n.Configure(t.Context(), IPConfig{Client: netip.MustParseAddr("10.0.0.1")}); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	stop := make(chan struct{})
	all.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				n.link.groups.prune(n.inGroup)
			}
		}
	})
	var members sync.WaitGroup
	for _, g := range mdns {
		m := n.member(t, g.proto)
		members.Go(func() {
			for range 300 {
				m.set(true, g.group)
				if !s.passes(groupMAC(g.group)) {
					t.Errorf("%v is joined and not received", g.group)
					return
				}
				m.set(false, g.group)
			}
		})
	}
	members.Wait()
	close(stop)
	all.Wait()
}

func TestGroupJoinedWithoutAnAddressIsReceived(t *testing.T) {
	n, s := newSieveNode(t, "a", 1)
	n.out = func([]byte) {}
	if err := n.port.dev.Open(); err != nil {
		t.Fatal(err)
	}
	n.await(t, "link-local address", func(a AddrInfo) bool { return len(a.IPv6) == 1 })
	m, group := n.member(t, ipv4.ProtocolNumber), mdns[0].group
	m.set(true, group)
	n.Joined(group)
	n.link.groups.prune(n.inGroup)
	if !s.passes(groupMAC(group)) {
		t.Error("not received")
	}
	m.set(false, group)
	n.Left()
	eventually(t, "it is left", func() bool { return !s.passes(groupMAC(group)) })
	n.Joined(netip.MustParseAddr("10.0.0.1")) // no group
	n.Joined(netip.Addr{})
	if m := s.mode.Load(); len(m.Groups) != 3 {
		t.Errorf("%x", m.Groups)
	}
}

func FuzzReported(f *testing.F) {
	f.Add([]byte("\x46\x00\x00\x20\x00\x00\x00\x00\x01\x02\x00\x00\x0a\x00\x00\x01\xe0\x00\x00\x16\x94\x04\x00\x00" +
		"\x22\x00\x00\x00\x00\x00\x00\x01\x04\x00\x00\x00\xe0\x00\x00\xfb"))
	f.Add(append(slices.Concat([]byte("\x60\x00\x00\x00\x00\x24\x00\x01"), make([]byte, 32),
		[]byte("\x3a\x00\x05\x02\x00\x00\x01\x00\x8f\x00\x00\x00\x00\x00\x00\x01\x04\x00\x00\x00\xff\x02")), make([]byte, 14)...))
	f.Fuzz(func(t *testing.T, ip []byte) {
		n := 0
		reported(ip, func(a netip.Addr) {
			n++
			if !a.IsMulticast() {
				t.Errorf("%v joined", a)
			}
		})
		if n*8 > len(ip) {
			t.Errorf("%d groups in %d bytes", n, len(ip))
		}
	})
}

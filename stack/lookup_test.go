package stack

import (
	"encoding/binary"
	"net"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/faketime"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// seeker is a node with a connected UDP socket whose peer is the test.
type seeker struct {
	*node
	clock *faketime.ManualClock
	peer  netip.Addr
	wire  chan string // which of the two the node sends: asking, telling
	c     net.Conn
}

const (
	asking  = "a question where the neighbour is"
	telling = "a datagram to the neighbour"
)

// neighbourMAC is the peer's, neighbour4 and neighbour6 its addresses.
var (
	neighbourMAC = [6]byte{2, 0, 0, 0, 0, 9}
	neighbour4   = netip.MustParseAddr("10.0.0.9")
	neighbour6   = netip.MustParseAddr("fe80::9")
)

// sent tells which of the two a frame is, "" if neither.
func (s *seeker) sent(f []byte) string {
	to := [6]byte(f)
	switch typ := binary.BigEndian.Uint16(f[12:]); {
	case s.peer.Is4() && typ == 0x0806:
		return asking
	case s.peer.Is4() && typ == 0x0800 && to == neighbourMAC:
		return telling
	case s.peer.Is6() && typ == 0x86dd && f[14+6] == protoICMPv6 && f[14+40] == neighborSolicit &&
		netip.AddrFrom16([16]byte(f[14+40+8:])) == s.peer:
		return asking
	case s.peer.Is6() && typ == 0x86dd && f[14+6] == protoUDP && to == neighbourMAC:
		return telling
	}
	return ""
}

func newSeeker(t *testing.T, peer netip.Addr) *seeker {
	s := &seeker{clock: faketime.NewManualClock(), peer: peer, wire: make(chan string, 100)}
	s.node = newNode(t, "a", 1, s.clock)
	s.out = func(f []byte) {
		if what := s.sent(f); what != "" {
			select {
			case s.wire <- what:
			default:
			}
		}
	}
	if err := s.port.dev.Open(); err != nil {
		t.Fatal(err)
	}
	if peer.Is4() {
		if err := s.Configure(t.Context(), IPConfig{
			Client: netip.MustParseAddr("10.0.0.1"), Netmask: netip.MustParseAddr("255.255.255.0"),
		}); err != nil {
			t.Fatal(err)
		}
	} else {
		s.clock.Advance(2 * time.Second) // duplicate address detection
		s.await(t, "link-local address", func(a AddrInfo) bool { return len(a.IPv6) == 1 })
	}
	c, err := s.DialUDP("udp", netip.AddrPortFrom(peer, 9).String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	s.c = c
	return s
}

// eachFamily runs a test with an IPv4 and an IPv6 neighbour.
func eachFamily(t *testing.T, test func(t *testing.T, s *seeker)) {
	t.Run("IPv4", func(t *testing.T) { test(t, newSeeker(t, neighbour4)) })
	t.Run("IPv6", func(t *testing.T) { test(t, newSeeker(t, neighbour6)) })
}

// awaitFrame lets no time pass until the node has sent such a frame.
func (s *seeker) awaitFrame(t *testing.T, want string) {
	t.Helper()
	for limit := time.Now().Add(10 * time.Second); time.Now().Before(limit); {
		s.clock.Advance(0) // what gVisor does "at once"
		select {
		case what := <-s.wire:
			if what == want {
				return
			}
		case <-time.After(time.Millisecond):
		}
	}
	t.Fatalf("%s was not sent", want)
}

func (s *seeker) write(t *testing.T) {
	t.Helper()
	if _, err := s.c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
}

// frameFrom is for the node, and of a type it does not know.
func frameFrom(mac [6]byte) []byte {
	f := make([]byte, 60)
	copy(f, []byte{2, 0, 0, 0, 0, 1})
	copy(f[6:], mac[:])
	f[12], f[13] = 0x88, 0xb5
	return f
}

func arpReply(mac [6]byte) []byte {
	f := frameFrom(mac)
	f[12], f[13] = 0x08, 0x06
	a := header.ARP(f[14:])
	a.SetIPv4OverEthernet()
	a.SetOp(header.ARPReply)
	copy(a.HardwareAddressSender(), mac[:])
	copy(a.ProtocolAddressSender(), []byte{10, 0, 0, 9})
	copy(a.HardwareAddressTarget(), f)
	copy(a.ProtocolAddressTarget(), []byte{10, 0, 0, 1})
	return f
}

// answer is the neighbour's, with the MAC address that it has.
func (s *seeker) answer(mac [6]byte) []byte {
	if s.peer.Is4() {
		return arpReply(mac)
	}
	f := make([]byte, 14+40+24+8)
	copy(f, frameFrom(mac)[:12])
	f[12], f[13] = 0x86, 0xdd
	from, to := address(s.peer), address(s.Addresses().IPv6[0].Addr())
	header.IPv6(f[14:]).Encode(&header.IPv6Fields{
		PayloadLength: 24 + 8, TransportProtocol: header.ICMPv6ProtocolNumber, HopLimit: 255, SrcAddr: from, DstAddr: to,
	})
	p := header.ICMPv6(f[14+40:])
	p.SetType(header.ICMPv6NeighborAdvert)
	na := header.NDPNeighborAdvert(p.MessageBody())
	na.SetSolicitedFlag(true)
	na.SetOverrideFlag(true)
	na.SetTargetAddress(from)
	na.Options().Serialize(header.NDPOptionsSerializer{header.NDPTargetLinkLayerAddressOption(mac[:])})
	p.SetChecksum(^checksum.Checksum(p, header.PseudoHeaderChecksum(header.ICMPv6ProtocolNumber, from, to, uint16(len(p)))))
	return f
}

// received lets the node process a frame of one of the three.
func (s *seeker) received(t *testing.T, frame []byte) {
	t.Helper()
	n := func() uint64 {
		st := s.Stats()
		return st.Link.InUnknownProtos + st.ARP.InReplies + st.IP.InReceives
	}
	before := n()
	s.inject(frame)
	for limit := time.Now().Add(10 * time.Second); n() == before; time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatal("a frame was not received")
		}
	}
}

// lose has the neighbour not answer any more until gVisor looks for it anew.
func (s *seeker) lose(t *testing.T) {
	t.Helper()
	s.write(t)
	s.awaitFrame(t, asking)
	s.received(t, s.answer(neighbourMAC))
	s.awaitFrame(t, telling)
	for range 100 {
		s.clock.Advance(time.Second) // 15 to 45 s, then 5 s, then 3 s
		s.write(t)
		if s.link.lookups.n.Load() == 1 {
			return
		}
	}
	t.Fatal("a neighbour that does not answer is believed to be there")
}

func TestANeighbourThatIsLookedForHasFewPacketsWait(t *testing.T) {
	s := newSeeker(t, neighbour4)
	const sent = 30_000
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC() // pools
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for range sent {
		s.write(t)
	}
	// 256 packets, and what else a stack allocates now and then.
	if grown := int64(heap() - before); grown > 1<<20 {
		t.Errorf("%d datagrams to an address that is not there hold %d bytes", sent, grown)
	}
	if n := s.Stats().Link.OutUnresolved; n != sent-lookupMax {
		t.Errorf("%d of %d did not get to wait", n, sent)
	}
	for range 5 {
		s.clock.Advance(time.Second)
	}
	if u := s.link.lookups; u.n.Load() != 0 || u.waiting != 0 || len(u.byAddr) != 0 {
		t.Errorf("it is looked for still: %+v", u.byAddr)
	}
	s.write(t)
	s.awaitFrame(t, asking) // it is looked for again
}

func TestANeighbourThatIsHeardIsNotLost(t *testing.T) {
	eachFamily(t, func(t *testing.T, s *seeker) {
		s.lose(t)
		s.received(t, frameFrom(neighbourMAC)) // too early: it may have moved
		if s.link.lookups.n.Load() != 1 {
			t.Fatal("it had no time to answer")
		}
		s.clock.Advance(lookupPatience)
		s.received(t, frameFrom([6]byte{2, 0, 0, 0, 0, 8}))
		if s.link.lookups.n.Load() != 1 {
			t.Fatal("another station was taken for it")
		}
		for len(s.wire) > 0 {
			<-s.wire
		}
		s.received(t, frameFrom(neighbourMAC))
		s.awaitFrame(t, telling) // what waited
		if n := s.Stats().Link.NeighHeard; n != 1 || s.link.lookups.n.Load() != 0 {
			t.Errorf("heard %d times", n)
		}
	})
}

func TestANeighbourThatMovedIsFound(t *testing.T) {
	eachFamily(t, func(t *testing.T, s *seeker) {
		s.lose(t)
		moved := [6]byte{2, 0, 0, 0, 0, 10}
		s.received(t, s.answer(moved))
		s.clock.Advance(lookupPatience)
		s.received(t, frameFrom(neighbourMAC))
		if mac, ok := s.LinkAddr(s.peer); !ok || mac != moved {
			t.Errorf("%x, %v, want %x", mac, ok, moved)
		}
	})
}

// A flood from addresses that are not there has hundreds looked for, and no frame of
// it is compared with any.
func TestNobodyListensForNeighboursThatWereNeverThere(t *testing.T) {
	s := newSeeker(t, neighbour4)
	u := s.link.lookups
	for i := range 100 {
		c, err := s.DialUDP("udp", netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(100 + i)}), 9).String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	if u.n.Load() != 100 || u.nLost.Load() != 0 {
		t.Errorf("%d looked for, %d listened for", u.n.Load(), u.nLost.Load())
	}
	for range 5 {
		s.clock.Advance(time.Second)
	}
	s.lose(t)
	if u.n.Load() != 1 || u.nLost.Load() != 1 {
		t.Errorf("lost: %d looked for, %d listened for", u.n.Load(), u.nLost.Load())
	}
	s.received(t, s.answer(neighbourMAC))
	s.awaitFrame(t, telling)
	if u.n.Load() != 0 || u.nLost.Load() != 0 || len(u.lost) != 0 {
		t.Errorf("found: %d looked for, %d listened for", u.n.Load(), u.nLost.Load())
	}
}

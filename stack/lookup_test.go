package stack

import (
	"encoding/binary"
	"net"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/faketime"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// seeker is a node with a connected UDP socket whose peer is the test.
type seeker struct {
	*node
	clock *faketime.ManualClock
	wire  chan []byte // IPv4 and ARP that it sends
	c     net.Conn
}

// neighbourMAC is the peer's, 10.0.0.9.
var neighbourMAC = [6]byte{2, 0, 0, 0, 0, 9}

func newSeeker(t *testing.T) *seeker {
	s := &seeker{clock: faketime.NewManualClock(), wire: make(chan []byte, 100)}
	s.node = newNode(t, "a", 1, s.clock)
	s.out = func(f []byte) {
		if typ := binary.BigEndian.Uint16(f[12:]); typ != 0x0800 && typ != 0x0806 {
			return
		}
		select {
		case s.wire <- f:
		default:
		}
	}
	if err := s.port.dev.Open(); err != nil {
		t.Fatal(err)
	}
	if err := s.Configure(t.Context(), IPConfig{
		Client: netip.MustParseAddr("10.0.0.1"), Netmask: netip.MustParseAddr("255.255.255.0"),
	}); err != nil {
		t.Fatal(err)
	}
	c, err := s.DialUDP("udp4", "10.0.0.9:9")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	s.c = c
	return s
}

// awaitFrame lets no time pass until it has sent a frame of the type, and a
// datagram only to the neighbour.
func (s *seeker) awaitFrame(t *testing.T, typ uint16) {
	t.Helper()
	for limit := time.Now().Add(10 * time.Second); time.Now().Before(limit); {
		s.clock.Advance(0) // what gVisor does "at once"
		select {
		case f := <-s.wire:
			if binary.BigEndian.Uint16(f[12:]) != typ || typ == 0x0800 && [6]byte(f) != neighbourMAC {
				continue
			}
			return
		case <-time.After(time.Millisecond):
		}
	}
	t.Fatalf("no frame of type %#x was sent", typ)
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

// received lets the node process a frame of one of the two.
func (s *seeker) received(t *testing.T, frame []byte) {
	t.Helper()
	n := func() uint64 {
		st := s.Stats()
		return st.Link.InUnknownProtos + st.ARP.InReplies
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
	s.awaitFrame(t, 0x0806)
	s.received(t, arpReply(neighbourMAC))
	s.awaitFrame(t, 0x0800)
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
	s := newSeeker(t)
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
	s.awaitFrame(t, 0x0806) // it is looked for again
}

func TestANeighbourThatIsHeardIsNotLost(t *testing.T) {
	s := newSeeker(t)
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
	s.awaitFrame(t, 0x0800) // what waited
	if n := s.Stats().Link.NeighHeard; n != 1 || s.link.lookups.n.Load() != 0 {
		t.Errorf("heard %d times", n)
	}
}

func TestANeighbourThatMovedIsFound(t *testing.T) {
	s := newSeeker(t)
	s.lose(t)
	moved := [6]byte{2, 0, 0, 0, 0, 10}
	s.received(t, arpReply(moved))
	s.clock.Advance(lookupPatience)
	s.received(t, frameFrom(neighbourMAC))
	if mac, ok := s.LinkAddr(netip.MustParseAddr("10.0.0.9")); !ok || mac != moved {
		t.Errorf("%x, %v, want %x", mac, ok, moved)
	}
}

package stack

import (
	"sync"
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	gv "gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/gasp-go/gasp/board/word"
)

// What happens while gVisor looks for a neighbour's MAC address, which may take
// three seconds, and for ever again if there is none.
//
// It keeps up to 256 packets for each neighbour, but of each packet that is sent to
// it, kept or not, two callbacks until the search ends: a flood that is answered, to
// an address that is not there, takes megabytes. So packets beyond a bound do not
// get that far.
//
// And in a flood the neighbour's answers are lost in the ring with all else, so that
// soon nobody is answered any more. A neighbour that did not answer, but from whose
// MAC address frames do come in, is there: after a short while, in which whoever has
// its address now may say so, it is believed to be where it was (RFC 7048: neighbour
// unreachability detection is too impatient). What an address' MAC address is is
// never learnt from such frames.

const (
	// Packets that wait for one neighbour, and for all: those and all that belongs
	// to them are some 2 KB each. Linux keeps 208 KB for one.
	lookupMax      = 256
	lookupTotalMax = 1024

	// lookupPatience is how long a neighbour that is heard may take to answer.
	lookupPatience = 100 * time.Millisecond
)

// lookups are the neighbours that gVisor is looking for. It is gVisor's
// NUDDispatcher.
type lookups struct {
	clock tcpip.Clock
	nic   gv.NetworkInterface

	n       atomic.Uint32 // of them: nearly always none
	nLost   atomic.Uint32 // of these, in lost
	dropped atomic.Uint64 // packets that did not get to wait
	heard   atomic.Uint64 // neighbours that were believed to be there

	// mu is taken with gVisor's locks held.
	mu      sync.Mutex
	waiting int // packets, for all
	byAddr  map[tcpip.Address]*lookup

	// lost are those that had a MAC address, by which they may be heard: in a flood
	// from addresses that are not there none of hundreds.
	lost map[tcpip.Address]*lookup
}

// lookup is one of them.
type lookup struct {
	since   tcpip.MonotonicTime
	waiting int
	mac     tcpip.LinkAddress // that it had; empty: not known
}

// protocol makes a protocol's packets to the device come by admit.
func (u *lookups) protocol(f gv.NetworkProtocolFactory) gv.NetworkProtocolFactory {
	return func(s *gv.Stack) gv.NetworkProtocol { return &lookupProtocol{f(s), u} }
}

type lookupProtocol struct {
	gv.NetworkProtocol
	u *lookups
}

func (p *lookupProtocol) NewEndpoint(nic gv.NetworkInterface, d gv.TransportDispatcher) gv.NetworkEndpoint {
	if nic.ID() == nicID {
		p.u.nic = nic
		nic = &lookupInterface{nic, p.u}
	}
	return p.NetworkProtocol.NewEndpoint(nic, d)
}

// lookupInterface is what IPv4 and IPv6 take for the interface.
type lookupInterface struct {
	gv.NetworkInterface
	u *lookups
}

func (i *lookupInterface) WritePacket(r *gv.Route, pkt *gv.PacketBuffer) tcpip.Error {
	if word.Load(&i.u.n) != 0 && !i.u.admit(r) {
		i.u.dropped.Add(1)
		return &tcpip.ErrNoBufferSpace{}
	}
	return i.NetworkInterface.WritePacket(r, pkt)
}

// admit reports whether a packet may be sent on r, or wait for that.
func (u *lookups) admit(r *gv.Route) bool {
	hop := r.NextHop()
	if hop.BitLen() == 0 {
		hop = r.RemoteAddress()
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	l := u.byAddr[hop]
	if l == nil {
		return true
	}
	if l.waiting >= lookupMax || u.waiting >= lookupTotalMax {
		return false
	}
	l.waiting++
	u.waiting++
	return true
}

// hear looks at a frame that came in while neighbours are looked for that were
// there before. Network thread.
func (u *lookups) hear(frame []byte) {
	if len(frame) < header.EthernetMinimumSize {
		return
	}
	from, mac := u.heardOf(frame[6:12])
	if mac == "" {
		return
	}
	proto := header.IPv4ProtocolNumber
	if from.BitLen() == header.IPv6AddressSizeBits {
		proto = header.IPv6ProtocolNumber
	}
	// As if it had asked for us: the next packets are sent to where it was, and it is
	// soon asked again.
	if err := u.nic.HandleNeighborProbe(proto, from, mac); err == nil {
		u.heard.Add(1)
	}
}

// heardOf returns a neighbour that had the address mac, and has had its time to
// answer.
func (u *lookups) heardOf(mac []byte) (tcpip.Address, tcpip.LinkAddress) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for a, l := range u.lost {
		if string(l.mac) == string(mac) && u.clock.NowMonotonic().Sub(l.since) >= lookupPatience {
			return a, l.mac
		}
	}
	return tcpip.Address{}, ""
}

// OnNeighborAdded implements gv.NUDDispatcher.
func (u *lookups) OnNeighborAdded(nic tcpip.NICID, e gv.NeighborEntry) { u.changed(nic, &e) }

// OnNeighborChanged implements gv.NUDDispatcher.
func (u *lookups) OnNeighborChanged(nic tcpip.NICID, e gv.NeighborEntry) { u.changed(nic, &e) }

// OnNeighborRemoved implements gv.NUDDispatcher.
func (u *lookups) OnNeighborRemoved(nic tcpip.NICID, e gv.NeighborEntry) {
	e.State = gv.Unknown
	u.changed(nic, &e)
}

func (u *lookups) changed(nic tcpip.NICID, e *gv.NeighborEntry) {
	if nic != nicID {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if l := u.byAddr[e.Addr]; l != nil {
		u.waiting -= l.waiting
		delete(u.byAddr, e.Addr)
		delete(u.lost, e.Addr)
	}
	if e.State == gv.Incomplete {
		l := &lookup{since: e.UpdatedAt, mac: e.LinkAddr, waiting: 1} // for whom it is
		u.byAddr[e.Addr] = l
		if l.mac != "" {
			u.lost[e.Addr] = l
		}
		u.waiting++
	}
	u.n.Store(uint32(len(u.byAddr)))
	u.nLost.Store(uint32(len(u.lost)))
}

package stack

import (
	"runtime"
	"sync/atomic"
	_ "unsafe" // go:linkname

	"gvisor.dev/gvisor/pkg/tcpip/header"
	gv "gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

// gVisor's TCP queues each segment at its endpoint and has a goroutine of its own
// process it. That costs a goroutine and a thread that wake up, look for more work
// and sleep again, for every packet; and when the endpoint then tells its listeners
// the network thread comes while the goroutine holds the endpoint's lock. So a
// segment of an established connection that the network thread delivers is
// processed there and then, as datagrams are, once gVisor has delivered it.

// gvTCP is what gVisor's stack wants of its TCP.
type gvTCP interface {
	gv.TransportProtocol
	gv.SendBufSizeProto
	QueuePacket(ep gv.TransportEndpoint, id gv.TransportEndpointID, pkt *gv.PacketBuffer)
}

// tcpProtocol is gVisor's TCP, in which segments of the network thread do without
// the goroutine.
type tcpProtocol struct {
	gvTCP

	// delivering is the packet that the network thread is delivering. A segment
	// that comes by another way may come from within an endpoint, with its lock
	// held: that of a connection over loopback comes so.
	delivering atomic.Pointer[gv.PacketBuffer]

	// pending is the endpoint that it was for. It is processed when gVisor has let go
	// of the locks with which it looked for it: a reset takes an endpoint out there.
	pending *tcp.Endpoint

	direct atomic.Uint64 // segments processed by the network thread
}

// newTCP makes the protocol with one goroutine for the segments that are left. It
// would make one for each P, of which there are more than CPUs: one that finds an
// endpoint locked by another spins until the kernel lets that go on, which took
// a third of the time of a connection over loopback.
func (p *tcpProtocol) newTCP(s *gv.Stack) gv.TransportProtocol {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	p.gvTCP = tcp.NewProtocol(s).(gvTCP)
	return p
}

// QueuePacket is what gVisor calls with each segment that is for an endpoint.
//
// While a user owns the endpoint a segment is queued and nobody is woken: the user
// sees to it when it lets go (tcp.Endpoint.UnlockUser). So the network thread owns
// it, without keeping the lock, which handleConnected takes. If another goroutine
// has that meanwhile, the segment is still there at the end, and UnlockUser wakes
// gVisor's goroutine for it.
func (p *tcpProtocol) QueuePacket(ep gv.TransportEndpoint, id gv.TransportEndpointID, pkt *gv.PacketBuffer) {
	e, ok := ep.(*tcp.Endpoint)
	if !ok || p.delivering.Load() != pkt || p.pending != nil || !plain(pkt) ||
		e.EndpointState() != tcp.StateEstablished || !e.TryLock() {
		p.gvTCP.QueuePacket(ep, id, pkt)
		return
	}
	e.ResumeWork() // it unlocks
	e.LockUser()
	p.gvTCP.QueuePacket(ep, id, pkt)
	e.ResumeWork()
	p.pending = e
}

// plain reports whether a segment neither begins nor ends a connection: those that do
// are few, and gVisor's goroutine sees to the states that only they lead to.
func plain(pkt *gv.PacketBuffer) bool {
	flags := header.TCP(pkt.TransportHeader().Slice()).Flags()
	return flags&^(header.TCPFlagAck|header.TCPFlagPsh) == 0
}

// delivered ends the delivery of a packet by the network thread.
func (p *tcpProtocol) delivered() {
	p.delivering.Store(nil)
	if e := p.pending; e != nil {
		p.pending = nil
		handleConnected(e)
		e.LockUser()
		e.UnlockUser()
		p.direct.Add(1)
	}
}

// handleConnected processes the segments that are queued at an endpoint, unless
// its lock is held.
//
//go:linkname handleConnected gvisor.dev/gvisor/pkg/tcpip/transport/tcp.handleConnected
func handleConnected(*tcp.Endpoint)

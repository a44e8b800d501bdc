// Package netpoll sends and receives on a network device with interrupts off,
// without the protocol stack and, in a panic, without the runtime (Linux:
// netpoll). It sends UDP datagrams. While the stack is well, received frames are the
// stack's, after a look by a hook. When the stack is stuck (Watch), and in a panic,
// it also takes received frames from the device, answers ARP and neighbour
// solicitations for the local addresses, answers echo requests, and finds a target's
// MAC address.
//
// Everything it needs is allocated by New. Functions marked "trap context"
// keep to the rules of package trap.
package netpoll

import (
	"net/netip"
	"sync/atomic"
	"unsafe"

	"github.com/gasp-go/gasp/board/trap"
	"github.com/gasp-go/gasp/stack/netdev"
)

// maxLocal bounds the local addresses of each family.
const maxLocal = 4

// Endpoint is the polled use of one device. Its fields are used in trap
// context, except for those set before it is in use.
type Endpoint struct {
	dev *netdev.Device
	drv netdev.Driver
	now func() int64 // ns

	hook    atomic.Pointer[func(frame []byte) bool]
	receive func(frame []byte) // e.input, made once: a method value allocates

	ipID  uint16
	epoch uint32 // changes when headers made before are not right any more

	busy     bool // a send or poll is on its way: nothing may start another
	panicked bool
	dead     bool // the device could not be seized
	stuck    bool // the last frame found no room in time
	seizures int

	watch watch
	link  link
	stats Stats

	local4  [maxLocal][4]byte
	nlocal4 int
	local6  [maxLocal][16]byte
	nlocal6 int

	neighbors [maxNeighbors]neighbor

	vlanAddrs  [maxVLANAddrs]hop // ours
	nvlanAddrs int
	rxVLAN     uint16 // of the received frame at hand, 0 if it has no tag

	udp  handlers
	peer Peer // who sent the datagram at hand; on a stack it would escape

	// The large ones come last: what lies behind them is dearer to reach.

	// tx is what SendUDP builds, ask what Resolve does, reply what answers received
	// frames while one of these waits for the ring.
	tx         Datagram
	ask, reply frame
	untagged   [maxFrame]byte // a received frame without its tag
}

// Stats counts what an endpoint did.
type Stats struct {
	Sent        uint64 // datagrams queued
	Busy        uint64 // sends given up since the ring stayed full
	Dropped     uint64 // sends the device refused for good
	NoAddress   uint64 // sends without a source address
	NoCarrier   uint64 // sends without a link
	Reentered   uint64 // sends from within a send
	Received    uint64 // frames polled
	ARP         uint64 // ARP requests and neighbour solicitations answered
	Echo        uint64 // echo requests answered
	Datagrams   uint64 // UDP datagrams that a handler took
	Moved       uint64 // neighbours whose MAC address changed
	Stuck       uint64 // times Watch took over from a stack that was stuck
	Recovered   uint64 // times the stack came back
	Seized      uint64 // times the device was seized
	SeizeFailed uint64
}

// New returns the endpoint of dev. now is the clock in nanoseconds, callable
// in trap context; it may stand still, then bounds are kept by counting.
func New(dev *netdev.Device, now func() int64) *Endpoint {
	e := &Endpoint{dev: dev, drv: dev.Driver(), now: now}
	if now == nil {
		e.now = func() int64 { return 0 }
	}
	e.receive = e.input
	e.watch.drv, _ = e.drv.(taker)
	e.link.drv, _ = e.drv.(linker)
	return e
}

// Device returns the endpoint's device.
func (e *Endpoint) Device() *netdev.Device { return e.dev }

// SetLocal sets the device's own addresses, the first of each family being
// preferred as source; at most four of a family are kept. Goroutine.
func (e *Endpoint) SetLocal(addrs ...netip.Addr) {
	s := localSection{e: e}
	for _, a := range addrs {
		a = a.Unmap()
		switch {
		case !a.IsValid() || a.IsUnspecified() || a.IsMulticast():
		case a.Is4() && s.n4 < maxLocal:
			s.a4[s.n4] = a.As4()
			s.n4++
		case a.Is6() && s.n6 < maxLocal:
			s.a6[s.n6] = a.As16()
			s.n6++
		}
	}
	trap.Run(setLocal, unsafe.Pointer(&s))
}

type localSection struct {
	e      *Endpoint
	a4     [maxLocal][4]byte
	a6     [maxLocal][16]byte
	n4, n6 int
}

func setLocal(p unsafe.Pointer) {
	s := (*localSection)(p)
	s.e.local4, s.e.nlocal4 = s.a4, s.n4
	s.e.local6, s.e.nlocal6 = s.a6, s.n6
	s.e.epoch++
}

// SetHook sets a function that sees every frame before the stack, or netpoll
// itself, does, and reports whether it has consumed it (Linux: rx_hook); nil: none.
// It is called on the network thread by Filter, and in trap context while netpoll
// polls the device (in a panic, or when the stack is stuck), so it keeps to the rules
// of the latter. The frame is its to read until it returns. Goroutine, at any time.
func (e *Endpoint) SetHook(fn func(frame []byte) bool) {
	if fn == nil {
		e.hook.Store(nil)
		return
	}
	e.hook.Store(&fn)
}

// hooked asks the hook for a frame. Any context.
func (e *Endpoint) hooked(frame []byte) bool {
	fn := e.hook.Load()
	return fn != nil && (*fn)(frame)
}

// Filter is to be asked for each frame received in the live system, ahead of
// the stack. It reports whether the frame is consumed. Network thread.
func (e *Endpoint) Filter(frame []byte) bool {
	if e.hooked(frame) {
		return true
	}
	if len(frame) < ethLen {
		return false
	}
	switch typeOf(frame) {
	case typeARP:
	case typeIPv4:
		if !e.isUDP(frame) {
			return false
		}
	case typeIPv6:
		if !isND(frame) && !e.isUDP(frame) {
			return false
		}
	case typeVLAN:
	default:
		return false
	}
	s := filterSection{e: e, frame: frame}
	trap.Run(filter, unsafe.Pointer(&s))
	return s.taken
}

type filterSection struct {
	e     *Endpoint
	frame []byte
	taken bool
}

// filter takes what is not for the stack. The stack gets ARP and neighbour
// discovery all the same.
func filter(p unsafe.Pointer) {
	s := (*filterSection)(p)
	e := s.e
	datagrams := e.stats.Datagrams
	switch {
	case typeOf(s.frame) == typeVLAN:
		s.taken = e.inputVLAN(s.frame)
	case e.inputUDP(s.frame):
		s.taken = true
	default:
		e.learn(s.frame)
	}
	if e.stats.Datagrams != datagrams {
		e.Work()
	}
}

// Stats returns a snapshot of the counters. Goroutine.
func (e *Endpoint) Stats() Stats {
	s := statsSection{e: e}
	trap.Run(getStats, unsafe.Pointer(&s))
	return s.stats
}

type statsSection struct {
	e     *Endpoint
	stats Stats
}

func getStats(p unsafe.Pointer) {
	s := (*statsSection)(p)
	s.stats = s.e.stats
}

// Panic takes the device away from the live system (Driver.Seize). From then
// on sends wait for the ring, and Poll takes received frames. Called again it
// does nothing, unless a fault in the panic itself ended a send or a poll: then
// the device is seized once more. Trap context.
func (e *Endpoint) Panic() {
	if e.panicked && !e.busy {
		return
	}
	e.panicked, e.busy, e.rxVLAN = true, false, 0
	e.epoch++
	e.seize()
}

func (e *Endpoint) seize() {
	e.seizures++
	// Dead, and busy, until proven otherwise: if the driver faults in here,
	// the next call of Panic tries again, and nothing else does.
	e.dead, e.busy = true, true
	err := e.drv.Seize()
	e.busy = false
	if err != nil {
		e.stats.SeizeFailed++
		return
	}
	e.stats.Seized++
	e.dead = false
}

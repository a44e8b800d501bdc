// Package netem makes the wire of a network device worse than it is: it loses,
// duplicates, corrupts, reorders and delays frames, with chances of its own
// random numbers, which repeat (Linux: tc-netem). It is for tests of whatever is
// above; what netpoll sends goes past it, as there.
package netem

import (
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/gasp-go/gasp/board/trap"
	"github.com/gasp-go/gasp/stack/netdev"
)

// period is how often it is looked whether the time of a delayed frame has come.
const period = time.Millisecond

// Netem is the wire of one device (see netdev.SetWire). While it does nothing it
// is not attached.
type Netem struct {
	dev  *netdev.Device
	now  func() int64
	napi netdev.NAPI // delivers what was delayed

	admin sync.Mutex // serialises Set
	stop  chan struct{}
	cfg   Config
	past  [2]Stats // of lanes that were replaced

	lanes atomic.Pointer[lanes]

	copied, late [slotSize]byte // network thread's
}

// lanes are both directions and a frame being transmitted with a bit turned
// over.
type lanes struct {
	rx, tx  *lane
	scratch [slotSize]byte // trap context
}

// New returns the Netem of a device, one for each, doing nothing. now is the
// clock in nanoseconds, callable in trap context. Goroutine.
func New(dev *netdev.Device, now func() int64) *Netem {
	e := &Netem{dev: dev, now: now}
	e.lanes.Store(&lanes{rx: newLane(&Faults{}, 0), tx: newLane(&Faults{}, 0)})
	e.napi.Init(dev.Softnet(), dev.Name()+"-netem", 0, e.poll)
	e.napi.Attach(dev)
	e.napi.Enable()
	return e
}

// Set changes what happens to the frames from now on. Frames that still wait
// are lost, and counted. Goroutine.
func (e *Netem) Set(c Config) error {
	if err := c.check(); err != nil {
		return err
	}
	e.admin.Lock()
	defer e.admin.Unlock()
	if e.stop != nil {
		close(e.stop)
		e.stop = nil
	}
	fresh := &lanes{rx: newLane(&c.Rx, c.Seed), tx: newLane(&c.Tx, ^c.Seed)}
	old := e.lanes.Swap(fresh)
	x := statSection{l: old}
	trap.Run(retire, unsafe.Pointer(&x))
	for i := range x.stats {
		e.past[i].add(&x.stats[i])
	}
	e.cfg = c
	if c.Rx == (Faults{}) && c.Tx == (Faults{}) {
		e.dev.SetWire(nil)
		return nil
	}
	e.dev.SetWire(e)
	if c.Rx.Delay > 0 || c.Tx.Delay > 0 {
		e.stop = make(chan struct{})
		go e.run(e.stop)
	}
	return nil
}

// Config returns what was set. Goroutine.
func (e *Netem) Config() Config {
	e.admin.Lock()
	defer e.admin.Unlock()
	return e.cfg
}

// Stats returns the counters of received and transmitted frames. Goroutine.
func (e *Netem) Stats() (rx, tx Stats) {
	e.admin.Lock()
	defer e.admin.Unlock()
	x := statSection{l: e.lanes.Load()}
	trap.Run(stat, unsafe.Pointer(&x))
	x.stats[0].add(&e.past[0])
	x.stats[1].add(&e.past[1])
	return x.stats[0], x.stats[1]
}

func (s *Stats) add(o *Stats) {
	s.Frames += o.Frames
	s.Duplicate += o.Duplicate
	s.Corrupt += o.Corrupt
	s.Reorder += o.Reorder
	s.Delayed += o.Delayed
	s.Passed += o.Passed
	s.Loss += o.Loss
	s.Limit += o.Limit
	s.Refused += o.Refused
	s.Flushed += o.Flushed
	s.Queued += o.Queued
}

type statSection struct {
	l     *lanes
	stats [2]Stats
}

func stat(p unsafe.Pointer) {
	x := (*statSection)(p)
	x.stats[0], x.stats[1] = x.l.rx.stats, x.l.tx.stats
	x.stats[0].Queued, x.stats[1].Queued = uint64(x.l.rx.used), uint64(x.l.tx.used)
}

// retire empties lanes that have been replaced: nobody finds them any more.
func retire(p unsafe.Pointer) {
	x := (*statSection)(p)
	for _, l := range [...]*lane{x.l.rx, x.l.tx} {
		for l.first != none {
			l.drop()
			l.stats.Flushed++
		}
	}
	stat(p)
}

// run looks for frames whose time has come.
func (e *Netem) run(stop chan struct{}) {
	tick := time.NewTicker(period)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
			e.Tick()
		}
	}
}

// Tick passes on what has waited long enough. Set has it called each
// millisecond; tests that have a clock of their own call it as well.
func (e *Netem) Tick() { trap.Run(tick, unsafe.Pointer(e)) }

func tick(p unsafe.Pointer) {
	e := (*Netem)(p)
	l, now := e.lanes.Load(), e.now()
	if l.rx.due(now) != none {
		e.napi.Schedule()
	}
	t := l.tx
	for i := t.due(now); i != none; i = t.due(now) {
		if !e.dev.Up() || !e.dev.Carrier() {
			t.drop()
			t.stats.Refused++
			continue
		}
		parts := [1][]byte{t.slots[i].data[:t.slots[i].n]}
		switch e.dev.XmitTrap(parts[:], netdev.TxFlags(t.slots[i].flags)) {
		case netdev.TxBusy:
			return // the next time
		case netdev.TxOK:
			t.stats.Passed++
		default:
			t.stats.Refused++
		}
		t.drop()
	}
}

// Xmit is part of netdev.Wire. A frame of which one copy is on its way is sent: its
// sender must not send it again for want of room for the other. Trap context.
func (e *Netem) Xmit(parts [][]byte, flags netdev.TxFlags) netdev.TxStatus {
	l := e.lanes.Load()
	t := l.tx
	status := netdev.TxOK
	for i := range t.copies() {
		st := e.xmit(l, parts, flags)
		if st != netdev.TxOK {
			t.stats.Refused++
		}
		if i == 0 || st == netdev.TxOK {
			status = st
		}
	}
	return status
}

// xmit sends one copy of a frame, now or later.
func (e *Netem) xmit(l *lanes, parts [][]byte, flags netdev.TxFlags) netdev.TxStatus {
	t, n := l.tx, 0
	for _, p := range parts {
		n += len(p)
	}
	damaged := [1][]byte{}
	if bit := t.bit(min(n, slotSize)); bit != none {
		// The parts are the caller's, who may have to send them again. And the
		// damage comes after the checksums.
		frame := l.scratch[:gather(l.scratch[:], parts)]
		netdev.InsertChecksums(frame, flags)
		turn(frame, bit)
		damaged[0], flags = frame, 0
		parts = damaged[:]
	}
	if t.wait(e.now(), parts, n, uint32(flags)) {
		return netdev.TxOK
	}
	st := e.dev.XmitTrap(parts, flags)
	if st == netdev.TxOK {
		t.stats.Passed++
	}
	return st
}

// Receive is part of netdev.Wire. Network thread.
func (e *Netem) Receive(frame []byte, flags netdev.RxFlags) {
	x := receiveSection{e: e, frame: frame, flags: flags}
	trap.Run(receive, trap.NoEscape(unsafe.Pointer(&x)))
	if x.n == 0 {
		return
	}
	again := e.copied[:0]
	if x.n > 1 {
		again = e.copied[:copy(e.copied[:], frame)]
	}
	e.deliver(frame, x.bits[0], flags)
	if x.n > 1 {
		e.deliver(again, x.bits[1], flags)
	}
}

func (e *Netem) deliver(frame []byte, bit int, flags netdev.RxFlags) {
	if bit != none {
		turn(frame, bit)
		flags &^= netdev.RxChecksumOK // whatever the device has checked
	}
	e.dev.Deliver(frame, flags)
}

// receiveSection carries a frame into trap context and the copies to deliver at
// once back.
type receiveSection struct {
	e     *Netem
	frame []byte
	flags netdev.RxFlags
	n     int
	bits  [2]int
}

func receive(p unsafe.Pointer) {
	x := (*receiveSection)(p)
	r := x.e.lanes.Load().rx
	parts := [1][]byte{x.frame}
	for range r.copies() {
		bit := r.bit(min(len(x.frame), slotSize))
		flags := x.flags
		if bit != none {
			flags &^= netdev.RxChecksumOK
		}
		turn(x.frame, bit)
		waits := r.wait(x.e.now(), parts[:], len(x.frame), uint32(flags))
		turn(x.frame, bit) // for the next copy
		if !waits {
			x.bits[x.n] = bit
			x.n++
			r.stats.Passed++
		}
	}
}

// poll delivers received frames whose time has come. Network thread.
func (e *Netem) poll(budget int) int {
	if budget <= 0 {
		return 0 // netpoll reclaims transmits, and there are none
	}
	for n := range budget {
		x := takeSection{e: e}
		trap.Run(take, trap.NoEscape(unsafe.Pointer(&x)))
		if x.n < 0 {
			e.napi.CompleteDone(n)
			return n
		}
		e.dev.Deliver(e.late[:x.n], x.flags)
	}
	return budget
}

type takeSection struct {
	e     *Netem
	n     int // length of the frame taken, -1: none
	flags netdev.RxFlags
}

func take(p unsafe.Pointer) {
	x := (*takeSection)(p)
	r := x.e.lanes.Load().rx
	i := r.due(x.e.now())
	if i == none {
		x.n = -1
		return
	}
	x.n = copy(x.e.late[:], r.slots[i].data[:r.slots[i].n])
	x.flags = netdev.RxFlags(r.slots[i].flags)
	r.drop()
	r.stats.Passed++
}

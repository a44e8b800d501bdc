package enet

import (
	"encoding/binary"
	"slices"
	"testing"
	"unsafe"

	"github.com/gasp-go/gasp/board/dma"
	"github.com/gasp-go/gasp/board/trap"
	"github.com/gasp-go/gasp/stack/netdev"
)

// takeWorld is a MAC whose poll is interrupted: at every register access, before
// and after each section, between a descriptor and its buffer (where caches are
// maintained), at three places in the stack and in its GRO. What happens there is
// in the plan, by the number of the place.
type takeWorld struct {
	*bench
	plan  map[int][]func()
	place int
	inside,
	begun bool

	sent, stack, polled []uint32
}

// Invalidate implements dma.Cache: the memory is coherent, the moment is one at
// which the poll is in the ring.
func (w *takeWorld) Invalidate(unsafe.Pointer, uint32) { w.interruptible() }

// interruptible is a place at which anything may happen.
func (w *takeWorld) interruptible() {
	if w.inside || !w.begun {
		return
	}
	w.inside = true
	for _, fn := range w.plan[w.place] {
		fn()
	}
	w.place++
	w.inside = false
}

// arrive has a frame received, if the ring has room, and interrupts.
func (w *takeWorld) arrive() {
	if w.model.Deliver(frame(ourMAC, 100, len(w.sent))) {
		w.sent = append(w.sent, uint32(len(w.sent)))
	}
	if w.irqOn && w.model.IRQ() {
		w.top()
	}
}

// take is what netpoll does when it takes over.
func (w *takeWorld) take(budget int) {
	w.mac.PollController()
	w.mac.TakeRx(budget, func(f []byte) { w.polled = append(w.polled, id(f)) })
}

// id is the number that frame was given.
func id(f []byte) uint32 { return binary.BigEndian.Uint32(f[14:]) }

func newTakeWorld(t *testing.T) *takeWorld {
	w := &takeWorld{}
	mem := make([]byte, 64<<10)
	w.bench = newBench(t, rings(4, 4), func(c *Config) {
		c.RxBuffers = dma.NewStreaming(mem, 0x90000000, w)
	})
	w.model.AddMemory(mem, 0x90000000)
	w.mac.dev.SetGROFlush(func(bool) bool { w.interruptible(); return false })
	w.mac.dev.SetReceive(func(f []byte, _ netdev.RxFlags) {
		w.interruptible()
		first := slices.Clone(f)
		w.interruptible()
		if !slices.Equal(first, f) {
			t.Errorf("%v: a frame changed under the stack's hands", w.plan)
		}
		w.stack = append(w.stack, id(f))
		w.interruptible()
	})
	if err := w.mac.dev.Open(); err != nil {
		t.Fatal(err)
	}
	w.model.Between(w.interruptible)
	trap.Enter = func(fn func(unsafe.Pointer), arg unsafe.Pointer) {
		w.interruptible()
		was := w.inside
		w.inside = true // nothing interrupts a section
		fn(arg)
		w.inside = was
		w.interruptible()
	}
	t.Cleanup(func() { trap.Enter = nil })
	return w
}

// run lets two frames be received according to the plan and judges the outcome.
// It returns how many places there were.
func (w *takeWorld) run(t *testing.T, what any, plan map[int][]func()) (places int) {
	w.sent, w.stack, w.polled = w.sent[:0], w.stack[:0], w.polled[:0]
	w.plan, w.place, w.begun = plan, 0, false
	w.arrive()
	w.arrive()
	w.begun = true
	w.step()
	w.begun = false
	places = w.place
	w.step()

	all := slices.Concat(w.stack, w.polled)
	slices.Sort(all)
	switch r := w.mac.rx[live]; {
	case !slices.IsSorted(w.stack) || !slices.IsSorted(w.polled):
		t.Fatalf("%v: out of order: stack %v, netpoll %v", what, w.stack, w.polled)
	case !slices.Equal(all, w.sent):
		t.Fatalf("%v: sent %v, stack %v, netpoll %v", what, w.sent, w.stack, w.polled)
	case r.Filled() != 0 || r.Lent() || w.mac.rxBusy.Load() || w.mac.napi.Scheduled():
		t.Fatalf("%v: left: %d filled, lent %v, busy %v, scheduled %v", what, r.Filled(), r.Lent(), w.mac.rxBusy.Load(), w.mac.napi.Scheduled())
	case w.model.Reg(0x008) != evEnabled:
		t.Fatalf("%v: EIMR %#x", what, w.model.Reg(0x008))
	case len(w.model.Bugs()) > 0:
		t.Fatalf("%v: %v", what, w.model.Bugs())
	}
	return places
}

// Wherever the poll is when netpoll takes over, once or several times, with frames
// that come meanwhile: every frame reaches the stack or netpoll, once, in order; what
// the stack has in its hands stays as it is; and afterwards all goes its usual way.
func TestNetpollMayTakeOverAtAnyPlaceOfThePoll(t *testing.T) {
	w := newTakeWorld(t)
	actions := []struct {
		name string
		do   func()
	}{
		{"take 1", func() { w.take(1) }},
		{"take all", func() { w.take(8) }},
		{"a frame", w.arrive},
		{"four frames", func() { w.arrive(); w.arrive(); w.arrive(); w.arrive() }},
	}
	places := w.run(t, "nothing", nil)
	if places < 15 {
		t.Fatalf("only %d places", places)
	}
	n, lent := 0, 0
	type event struct {
		at   int
		what string
	}
	var rec func(plan map[int][]func(), what []event, from, left int)
	rec = func(plan map[int][]func(), what []event, from, left int) {
		if len(what) > 0 {
			n++
			w.run(t, what, plan)
			if len(w.polled) > 0 {
				lent++
			}
		}
		if left == 0 {
			return
		}
		some := actions
		if len(what) == 2 {
			some = actions[:2] // the third time netpoll comes again
		}
		for at := from; at < places; at++ {
			for _, a := range some {
				plan[at] = append(plan[at], a.do)
				rec(plan, append(what, event{at, a.name}), at, left-1)
				plan[at] = plan[at][:len(plan[at])-1]
			}
		}
	}
	rec(map[int][]func(){}, nil, 0, 3)
	t.Logf("%d places, %d plans, netpoll took something in %d", places, n, lent)
	if lent == 0 {
		t.Error("netpoll never took anything")
	}
	if w.stat("poll_rx_busy") == 0 {
		t.Error("netpoll never came at a place where the ring must be left alone")
	}
}

// A poll that never comes back: netpoll goes on for longer than the ring is.
func TestNetpollTakesFramesForAsLongAsTheStackIsStuck(t *testing.T) {
	w := newTakeWorld(t)
	stuck := false
	w.mac.dev.SetReceive(func(f []byte, _ netdev.RxFlags) {
		if stuck {
			return
		}
		stuck = true
		w.inside = true
		for range 100 {
			w.arrive()
			w.take(2)
		}
		w.inside = false
		if id(f) != 0 {
			t.Errorf("frame %d in the stack's hands", id(f))
		}
	})
	w.begun = true
	w.arrive()
	w.step()
	if want := len(w.sent) - 1; len(w.polled) != want || want != 100 || !slices.IsSorted(w.polled) {
		t.Errorf("netpoll took %d of %d frames: %v", len(w.polled), want, w.polled)
	}
	w.wantStat("rx_taken", 100)
	w.mac.dev.SetReceive(func(f []byte, _ netdev.RxFlags) { w.got = append(w.got, slices.Clone(f)) })
	w.wantAlive()
}

func TestTakingOverDoesNotAllocate(t *testing.T) {
	w := newTakeWorld(t)
	n := 0
	count := func([]byte) { n++ }
	var allocs float64
	w.mac.dev.SetReceive(func([]byte, netdev.RxFlags) {
		w.inside = true
		f := frame(ourMAC, 60, 0)
		w.model.Deliver(f)
		base := testing.AllocsPerRun(50, func() { w.model.Deliver(f) })
		allocs = testing.AllocsPerRun(50, func() { w.model.Deliver(f); w.mac.TakeRx(4, count) }) - base
		w.inside = false
	})
	w.arrive()
	w.step()
	if allocs > 0 || n < 50 {
		t.Errorf("%v allocations, %d frames", allocs, n)
	}
}

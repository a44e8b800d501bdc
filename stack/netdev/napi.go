package netdev

import (
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/gasp-go/gasp/board/trap"
)

// The states of a NAPI instance, in one word. Changes happen in trap context.
const (
	stateSched   = 1 << iota // owned: in the list, being polled, or disabled
	stateMissed              // scheduled again while it was owned: poll once more
	stateDisable             // somebody waits in Disable: no new schedules
	stateNPSVC               // netpoll polls it, or it is disabled: may not be completed
)

// NAPI is one source of received frames that is polled under load and
// interrupts when idle (Linux: napi_struct). The order of events:
//
//	interrupt:  SchedulePrep, mask the device's interrupts, ScheduleNow
//	network thread: poll(weight)
//	    weight frames or more: return that number and touch nothing
//	    fewer: CompleteDone; only if it returns true, unmask, and look at the
//	    ring once more for what came between the last look and the unmasking
type NAPI struct {
	soft   *Softnet
	name   string
	index  uint8 // in soft.napi
	weight int
	poll   func(budget int) int
	dev    *Device // nil: of none
	held   bool    // the device's GRO holds packets of ours; the network thread's

	state atomic.Uint32

	admin   sync.Mutex // serialises Enable and Disable
	enabled bool

	scheduled atomic.Uint64
	missed    atomic.Uint64
	polls     atomic.Uint64
	completed atomic.Uint64
}

// NAPIStat is a snapshot of the counters of one instance.
type NAPIStat struct {
	Name      string `json:"name"`
	Scheduled uint64 `json:"scheduled"` // times it was put in the list by Schedule
	Missed    uint64 `json:"missed"`    // schedules that found it owned
	Polls     uint64 `json:"polls"`
	Completed uint64 `json:"completed"` // CompleteDone that returned true
}

// Init prepares n, disabled, to be polled by s. weight is how many frames one
// poll may take, Weight if 0. poll takes up to budget frames, calls
// CompleteDone if it took fewer, and returns how many it took; it runs on the
// network thread. With a budget of 0 (netpoll) it runs in trap context, reclaims
// transmits only and never completes.
//
// Init is called once for each instance, from a goroutine, before interrupts
// can schedule it; instances last as long as their softnet.
func (n *NAPI) Init(s *Softnet, name string, weight int, poll func(budget int) int) {
	if s.n == maxNAPI {
		panic("netdev: more NAPI instances than a softnet can poll")
	}
	if weight <= 0 {
		weight = Weight
	}
	n.soft, n.name, n.weight, n.poll = s, name, weight, poll
	n.index = uint8(s.n)
	n.state.Store(stateSched | stateNPSVC)
	s.napi[s.n] = n
	s.n++
}

// Enable lets n be scheduled. The device's interrupts may be unmasked
// afterwards. Goroutine.
func (n *NAPI) Enable() {
	n.admin.Lock()
	defer n.admin.Unlock()
	if n.enabled {
		return
	}
	n.enabled = true
	trap.Run(enable, unsafe.Pointer(n))
}

func enable(p unsafe.Pointer) {
	n := (*NAPI)(p)
	n.state.Store(0)
}

// pause is how Disable waits; tests interleave here.
var pause = func() { time.Sleep(100 * time.Microsecond) }

// Disable keeps n from being scheduled and returns once it is not being polled
// any more. It waits as long as that takes, but no longer than until the poll
// in progress, and one more if that was missed, have returned. It must not be
// called from the poll itself. Goroutine.
func (n *NAPI) Disable() {
	n.admin.Lock()
	defer n.admin.Unlock()
	if !n.enabled {
		return
	}
	n.enabled = false
	for {
		x := disableSection{napi: n}
		trap.Run(disable, noescape(unsafe.Pointer(&x)))
		if x.done {
			return
		}
		pause()
	}
}

type disableSection struct {
	napi *NAPI
	done bool
}

func disable(p unsafe.Pointer) {
	x := (*disableSection)(p)
	st := x.napi.state.Load()
	if st&(stateSched|stateNPSVC) != 0 {
		x.napi.state.Store(st | stateDisable)
		return
	}
	x.napi.state.Store(stateSched | stateNPSVC)
	x.done = true
}

// SchedulePrep takes the right to schedule n. If it returns true the caller
// masks the device's interrupts and calls ScheduleNow. It returns false if n
// is disabled or scheduled already; in the latter case n is polled once more
// after the poll that may be in progress (MISSED). Trap context.
func (n *NAPI) SchedulePrep() bool {
	st := n.state.Load()
	switch {
	case st&stateDisable != 0:
		return false
	case st&stateSched != 0:
		n.state.Store(st | stateMissed)
		n.missed.Add(1)
		return false
	}
	n.state.Store(st | stateSched)
	return true
}

// ScheduleNow puts n in the list of its softnet. Only after SchedulePrep
// returned true. Trap context.
func (n *NAPI) ScheduleNow() {
	n.scheduled.Add(1)
	if n.soft.add(n.index) {
		n.soft.raised.Add(1)
		n.soft.raise()
	}
}

// Schedule is SchedulePrep and, if that allows it, ScheduleNow. For devices
// that need no masking in between. Trap context.
func (n *NAPI) Schedule() bool {
	if !n.SchedulePrep() {
		return false
	}
	n.ScheduleNow()
	return true
}

// CompleteDone ends the polling of n; work is what the poll will return, less
// than the weight. If it returns true, n is no longer scheduled and the driver
// unmasks its interrupts. If it returns false the driver leaves them masked: n
// was scheduled meanwhile and is in the list again, or it is not the driver's
// to complete. Network thread, from within poll.
func (n *NAPI) CompleteDone(work int) bool {
	if work >= n.weight {
		n.soft.bugs.Add(1)
		return false
	}
	n.flush(work, false)
	x := completeSection{napi: n}
	trap.Run(completeDone, noescape(unsafe.Pointer(&x)))
	return x.done
}

type completeSection struct {
	napi *NAPI
	done bool
}

func completeDone(p unsafe.Pointer) {
	x := (*completeSection)(p)
	x.done = x.napi.complete()
}

// complete is CompleteDone in trap context.
func (n *NAPI) complete() bool {
	st := n.state.Load()
	switch {
	case st&stateNPSVC != 0:
		return false
	case st&stateSched == 0:
		n.soft.bugs.Add(1)
		return false
	case st&stateMissed != 0:
		n.state.Store(st &^ stateMissed)
		n.soft.add(n.index)
		return false
	}
	n.state.Store(st &^ stateSched)
	n.completed.Add(1)
	return true
}

// PollTrap calls the poll function with a budget of 0 for netpoll, unless it
// is being called that way already or n is disabled (Linux: poll_one_napi). It
// reports whether it did. Trap context.
func (n *NAPI) PollTrap() bool {
	st := n.state.Load()
	if st&stateNPSVC != 0 {
		return false
	}
	n.state.Store(st | stateNPSVC)
	n.poll(0)
	n.state.Store(n.state.Load() &^ stateNPSVC)
	return true
}

// Scheduled reports whether n is in the list or being polled. Any context.
func (n *NAPI) Scheduled() bool {
	st := n.state.Load()
	return st&(stateSched|stateNPSVC) == stateSched
}

// Stat returns a snapshot of the counters. Any context.
func (n *NAPI) Stat() NAPIStat {
	return NAPIStat{
		Name:      n.name,
		Scheduled: n.scheduled.Load(),
		Missed:    n.missed.Load(),
		Polls:     n.polls.Load(),
		Completed: n.completed.Load(),
	}
}

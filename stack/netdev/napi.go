package netdev

import (
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/gasp-go/gasp/board/trap"
	"github.com/gasp-go/gasp/board/word"
)

// The states of a NAPI instance, in one word. Every change is a compare and
// swap, so no section is needed for it.
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
	index  uint8  // in soft.napi
	weight uint32 // 0: the softnet's
	poll   func(budget int) int
	dev    *Device // nil: of none
	timer  Timer   // nil: no deferral

	state atomic.Uint32

	admin   sync.Mutex // serialises Enable and Disable
	enabled bool

	// The network thread's; Disable looks at the latter two.
	budget     int         // of the poll in progress
	deferCount uint32      // how often a completion may still be deferred
	held       atomic.Bool // the device's GRO holds packets of ours
	flushing   atomic.Bool // Disable waits for them

	missed   atomic.Uint64
	deferred atomic.Uint64
	fired    atomic.Uint64

	scheduled word.Counter              // who owns SCHED
	processed word.Counter              // network thread
	work      [workBuckets]word.Counter // network thread
}

// NAPIStat is a snapshot of the counters of one instance.
type NAPIStat struct {
	Name      string `json:"name"`
	Scheduled uint64 `json:"scheduled"` // times it was put in the list from outside the poll
	Missed    uint64 `json:"missed"`    // schedules that found it owned
	Polls     uint64 `json:"polls"`     // calls of its poll function
	Processed uint64 `json:"processed"` // frames taken in them
	Deferred  uint64 `json:"deferred"`  // completions that left the interrupts masked and set the timer
	Timer     uint64 `json:"timer"`     // times the timer ran out

	// Work is a histogram of frames a poll: 0, 1, 2-3, 4-7, 8-15, 16-31,
	// 32-63, 64 or more.
	Work [workBuckets]uint64 `json:"work"`
}

// workBuckets: 0, 1, 2-3, 4-7, 8-15, 16-31, 32-63 and 64 or more frames.
const workBuckets = 8

// Init prepares n, disabled, to be polled by s. weight is how many frames one
// poll may take; with 0 it is the softnet's (Softnet.SetWeight). poll takes up
// to budget frames, calls CompleteDone if it took fewer, and returns how many
// it took; it runs on the network thread. With a budget of 0 (netpoll) it runs
// in trap context, reclaims transmits only and never completes.
//
// Init is called once for each instance, from a goroutine, before interrupts
// can schedule it; instances last as long as their softnet.
func (n *NAPI) Init(s *Softnet, name string, weight int, poll func(budget int) int) {
	s.admin.Lock()
	defer s.admin.Unlock()
	i := s.n.Load()
	if i == maxNAPI {
		panic("netdev: more NAPI instances than a softnet can poll")
	}
	n.soft, n.name, n.weight, n.poll = s, name, uint32(max(weight, 0)), poll
	n.index = uint8(i)
	n.state.Store(stateSched | stateNPSVC)
	if s.newTimer != nil {
		n.timer = s.newTimer(n.timeout)
	}
	s.napi[i] = n
	s.n.Store(i + 1)
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
	n.state.Store(0) // while it is disabled nobody else changes it
}

// pause is how Disable waits; tests interleave here.
var pause = func() { time.Sleep(100 * time.Microsecond) }

// Disable keeps n from being scheduled and returns once it is not being polled
// any more and its timer is off. It waits as long as that takes, but no longer
// than until the poll in progress, and one more if that was missed, have
// returned, and what GRO held back is delivered. It must not be called from the
// poll itself. Goroutine.
func (n *NAPI) Disable() {
	n.admin.Lock()
	defer n.admin.Unlock()
	if !n.enabled {
		return
	}
	n.enabled = false
	for !n.disable() {
		pause()
	}
	// From here on the timer would find it owned.
	if n.timer != nil {
		trap.Run(cancelTimer, unsafe.Pointer(n))
	}
	n.flushDisabled()
}

// disable takes the ownership for Disable, or notes that somebody waits for it.
func (n *NAPI) disable() bool {
	for {
		st := n.state.Load()
		free := st&(stateSched|stateNPSVC) == 0
		next := st | stateDisable
		if free {
			next = stateSched | stateNPSVC
		}
		if n.state.CompareAndSwap(st, next) {
			return free
		}
	}
}

func cancelTimer(p unsafe.Pointer) { (*NAPI)(p).timer.Cancel() }

// SchedulePrep takes the right to schedule n. If it returns true the caller
// masks the device's interrupts and calls ScheduleNow. It returns false if n
// is disabled or scheduled already; in the latter case n is polled once more
// after the poll that may be in progress (MISSED). Trap context.
func (n *NAPI) SchedulePrep() bool {
	if n.state.CompareAndSwap(0, stateSched) { // most often
		return true
	}
	for {
		st := n.state.Load()
		switch {
		case st&stateDisable != 0:
			return false
		case st&stateSched != 0:
			if st&stateMissed == 0 && !n.state.CompareAndSwap(st, st|stateMissed) {
				continue
			}
			n.missed.Add(1)
			return false
		}
		if n.state.CompareAndSwap(st, st|stateSched) {
			return true
		}
	}
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
// than its budget. If it returns true, n is no longer scheduled and the driver
// unmasks its interrupts. If it returns false the driver leaves them masked: n
// was scheduled meanwhile and is in the list again, or its timer will schedule
// it (deferral), or it is not the driver's to complete. Network thread, from
// within poll.
func (n *NAPI) CompleteDone(work int) bool {
	st := word.Load(&n.state)
	switch {
	case st&stateNPSVC != 0:
		return false // netpoll's
	case work >= n.budget, st&stateSched == 0:
		n.soft.bugs.Add(1)
		return false
	}
	timer, unmask := n.endBatch(work)
	if timer == 0 && n.state.CompareAndSwap(stateSched, 0) {
		return true
	}
	x := completeSection{napi: n, timer: timer, unmask: unmask}
	trap.Run(complete, trap.NoEscape(unsafe.Pointer(&x)))
	return x.done && unmask
}

// completeSection carries a completion's arguments and result in and out of
// trap context.
type completeSection struct {
	napi   *NAPI
	timer  uint32 // ns, 0: none
	unmask bool
	done   bool
}

// complete is the rest of CompleteDone: for an instance that was missed, or
// that somebody waits for in Disable, or whose timer is to be set. The owner's
// SCHED keeps everybody else from more than setting flags.
func complete(p unsafe.Pointer) {
	x := (*completeSection)(p)
	n := x.napi
	for {
		st := n.state.Load()
		if st&stateMissed != 0 {
			if n.state.CompareAndSwap(st, st&^stateMissed) {
				n.soft.add(n.index) // the poller is awake
				return
			}
			continue
		}
		if n.state.CompareAndSwap(st, st&^stateSched) {
			break
		}
	}
	x.done = true
	if x.timer != 0 {
		n.timer.Start(int64(x.timer))
		if !x.unmask {
			n.deferred.Add(1)
		}
	}
}

// PollTrap calls the poll function with a budget of 0 for netpoll, unless it
// is being called that way already or n is disabled (Linux: poll_one_napi). It
// reports whether it did. Trap context.
func (n *NAPI) PollTrap() bool {
	for {
		st := n.state.Load()
		if st&stateNPSVC != 0 {
			return false
		}
		if n.state.CompareAndSwap(st, st|stateNPSVC) {
			break
		}
	}
	n.poll(0)
	n.state.And(^uint32(stateNPSVC))
	return true
}

// Scheduled reports whether n is in the list or being polled. Any context.
func (n *NAPI) Scheduled() bool {
	st := n.state.Load()
	return st&(stateSched|stateNPSVC) == stateSched
}

// Polling reports whether one of the device's NAPI instances is in the list or being
// polled, and how many polls of the softnet have ended so far. Both together tell
// whether the network thread still comes round: while something is scheduled the
// number has to grow. Any context.
func (d *Device) Polling() (scheduled bool, polls uint64) {
	if d.soft == nil {
		return false, 0
	}
	for _, n := range d.soft.napi[:d.soft.n.Load()] {
		scheduled = scheduled || n.dev == d && n.Scheduled()
		polls += n.polls()
	}
	return scheduled, polls
}

// polls is how many polls of n have ended. Any context.
func (n *NAPI) polls() (sum uint64) {
	for i := range n.work {
		sum += n.work[i].Load()
	}
	return sum
}

// Stat returns a snapshot of the counters. Any context.
func (n *NAPI) Stat() NAPIStat {
	st := NAPIStat{
		Name:      n.name,
		Scheduled: n.scheduled.Load(),
		Missed:    n.missed.Load(),
		Processed: n.processed.Load(),
		Deferred:  n.deferred.Load(),
		Timer:     n.fired.Load(),
	}
	for i := range st.Work {
		st.Work[i] = n.work[i].Load()
		st.Polls += st.Work[i]
	}
	return st
}

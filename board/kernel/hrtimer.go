//go:build arm

package kernel

import "sync"

// One-shot timers that call a function in trap context, for drivers (Linux:
// hrtimers in hard interrupt context). They are few and short, so the earliest
// is found by looking at all of them.

const maxTimers = 16

// Timer is one such timer. It must not be copied.
type Timer struct {
	deadline int64 // 0: it does not run
	fn       func()
}

var (
	hrtimers  [maxTimers]Timer
	nHRTimers int
	hrLock    sync.Mutex // of NewTimer
	hrNext    int64      // no timer runs out earlier; 0: none runs
)

// NewTimer returns a stopped timer that calls fn, in trap context, when it runs
// out; nil if all 16 are in use. A timer lasts for ever. Goroutine.
func NewTimer(fn func()) *Timer {
	hrLock.Lock()
	defer hrLock.Unlock()
	if nHRTimers == maxTimers {
		return nil
	}
	t := &hrtimers[nHRTimers]
	t.fn = fn
	nHRTimers++
	return t
}

// Start has the timer run out in ns nanoseconds, or as soon as it can if ns is
// not positive. If it runs already, that is forgotten. Trap context.
func (t *Timer) Start(ns int64) {
	t.deadline = nanotime() + max(ns, 0)
	if hrNext == 0 || t.deadline < hrNext {
		hrNext = t.deadline // setTick, the last step of the trap, sees to it
		changed, tickDue = true, true
	}
}

// Cancel stops the timer, if it runs. Trap context.
func (t *Timer) Cancel() { t.deadline = 0 }

// runTimers calls the functions of the timers that have run out by now. Each
// may start its timer again.
func runTimers(now int64) {
	hrNext = 0
	for i := range hrtimers[:nHRTimers] {
		t := &hrtimers[i]
		if t.deadline != 0 && t.deadline <= now {
			t.deadline = 0
			t.fn()
		}
	}
	for i := range hrtimers[:nHRTimers] {
		if d := hrtimers[i].deadline; d != 0 && (hrNext == 0 || d < hrNext) {
			hrNext = d
		}
	}
}

package netdev

import (
	"errors"

	"github.com/gasp-go/gasp/board/word"
)

// Deferral (Linux: napi_defer_hard_irqs and gro_flush_timeout, both of the
// device). A busy device's poll that completes would unmask its interrupt only
// to take it a few microseconds later. With deferral it leaves the interrupt
// masked and sets a timer instead, which schedules the instance; the interrupt
// is unmasked after that many polls in a row without a frame.

// Timer is a one-shot timer. Its function is called in trap context.
type Timer interface {
	// Start has the timer run out in ns nanoseconds, instead of when it was
	// to run out before. Trap context.
	Start(ns int64)
	// Cancel stops it, if it runs. Trap context.
	Cancel()
}

// ErrNoTimer is returned where a timer is needed and none was to be had.
var ErrNoTimer = errors.New("netdev: no timer for deferred interrupts")

// SetTimers sets where timers come from: newTimer returns a timer that calls
// fire, or nil. Instances take theirs in Init. Goroutine.
func (s *Softnet) SetTimers(newTimer func(fire func()) Timer) { s.newTimer = newTimer }

// SetDeferHardIRQs sets for how many polls without a frame the device's
// interrupt stays masked (napi_defer_hard_irqs, default 0). It does nothing
// while the GRO flush timeout is 0. Any time, any goroutine.
func (d *Device) SetDeferHardIRQs(polls uint32) error {
	if err := d.needTimer(polls); err != nil {
		return err
	}
	d.deferHardIRQs.Store(polls)
	return nil
}

// SetGROFlushTimeout sets the time in ns from a poll to the next one that its
// timer starts, for deferral and for what GRO still holds (gro_flush_timeout,
// default 0: no timer). Any time, any goroutine.
func (d *Device) SetGROFlushTimeout(ns uint32) error {
	if err := d.needTimer(ns); err != nil {
		return err
	}
	d.groFlushTimeout.Store(ns)
	return nil
}

// DeferHardIRQs returns what SetDeferHardIRQs set.
func (d *Device) DeferHardIRQs() uint32 { return d.deferHardIRQs.Load() }

// GROFlushTimeout returns what SetGROFlushTimeout set, in ns.
func (d *Device) GROFlushTimeout() uint32 { return d.groFlushTimeout.Load() }

func (d *Device) needTimer(v uint32) error {
	if v != 0 && (d.soft == nil || d.soft.newTimer == nil) {
		return ErrNoTimer
	}
	return nil
}

// endBatch is what comes before a completion after work frames: it flushes GRO
// and decides whether the timer, 0 or ns from now, is to schedule n again, and
// whether the interrupts may be unmasked meanwhile.
func (n *NAPI) endBatch(work int) (timer uint32, unmask bool) {
	timeout := uint32(0)
	if n.timer != nil && n.dev != nil {
		timeout = word.Load(&n.dev.groFlushTimeout)
	}
	if timeout == 0 {
		n.flush(work, false)
		return 0, true
	}
	if work > 0 {
		n.deferCount = n.dev.deferHardIRQs.Load()
	}
	unmask = n.deferCount == 0
	if !unmask {
		n.deferCount--
		timer = timeout
	}
	// Without frames and without deferral nothing follows: the rest must go.
	n.flush(work, work > 0 || !unmask)
	if n.held.Load() {
		timer = timeout
	}
	return timer, unmask
}

// timeout is called when n's timer runs out. Unlike an interrupt it brings no
// news, so an instance that is owned is not missed. Trap context.
func (n *NAPI) timeout() {
	n.fired.Add(1)
	for {
		st := n.state.Load()
		if st&(stateSched|stateDisable) != 0 {
			return
		}
		if n.state.CompareAndSwap(st, st|stateSched) {
			n.ScheduleNow()
			return
		}
	}
}

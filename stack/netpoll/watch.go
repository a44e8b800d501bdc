package netpoll

// A stack that is alive but stuck: the network thread waits for a lock that somebody
// keeps, so nothing is polled any more, while the CPU, the device and most of the
// program are well. Watch notices, and then does the polling in the network thread's
// stead, from a timer: the device keeps answering ARP, neighbour solicitations and
// echo requests, the hook keeps seeing frames, and what is sent by netpoll leaves, the
// log above all. What only the stack could have used is lost, and counted.

// The bounds of Watch.
const (
	stuckTime  = 1e9   // ns from the last look that found no poll due, or one that had ended
	stuckLooks = 4     // and looks in that time: one long pause of an emulator is none
	watchTime  = 250e6 // ns between looks
	takeTime   = 1e6   // the same while netpoll polls
	takeBudget = 32    // received frames a look then: with echo requests, 5 % of a CPU of 900 MHz
)

// taker is a driver whose ring can be polled from under a poll that does not come
// back: see enet.MAC.TakeRx.
type taker interface {
	TakeRx(budget int, fn func(frame []byte)) int
}

// watch is what Watch remembers.
type watch struct {
	drv   taker // nil: it cannot
	polls uint64
	since int64 // when that number was first seen, or nothing was due
	looks int   // since then
	taken bool
}

// Event is what Watch has noticed.
type Event uint8

const (
	Nothing   Event = iota
	Stuck           // the stack does not poll any more; netpoll does from now on
	Recovered       // the stack polls again, and netpoll has stopped
)

// Watch looks whether the device is being polled, polls it if not, and returns in
// how many ns it wants to be called again. It is to be called from a timer's
// interrupt; a device that has no TakeRx is not watched. for how long the stack was
// stuck so far comes with Stuck and Recovered, in ns. Trap context.
func (e *Endpoint) Watch() (again int64, ev Event, stuck int64) {
	w := &e.watch
	if w.drv == nil || e.panicked || e.busy {
		return watchTime, Nothing, 0
	}
	now := e.now()
	due, polls := e.dev.Polling()
	if !due || polls != w.polls {
		ev, stuck = Nothing, now-w.since
		if w.taken {
			w.taken, ev = false, Recovered
			e.stats.Recovered++
		}
		w.polls, w.since, w.looks = polls, now, 0
		return watchTime, ev, stuck
	}
	w.looks++
	if !w.taken {
		if now-w.since < stuckTime || w.looks < stuckLooks {
			return watchTime, Nothing, 0
		}
		w.taken, ev = true, Stuck
		e.stats.Stuck++
	}
	e.busy = true
	e.drv.PollController()
	if n := w.drv.TakeRx(takeBudget, e.receive); n > 0 {
		e.stats.Received += uint64(n)
	}
	e.busy = false
	e.Work()
	return takeTime, ev, now - w.since
}

// Stuck reports whether the stack is stuck and netpoll polls the device. Any context.
func (e *Endpoint) Stuck() bool { return e.watch.taken }

//go:build arm

package kernel

// Time is a 64-bit counter's, the generic timer's (generictimer.go) or the
// global timer's of an MPCore (mpcore.go); it does not wrap in the life of a
// device. Deadlines of blocked threads are kept in a binary heap; the timer is
// programmed for the earliest of them, of the drivers' timers (hrtimer.go) and of
// the end of the running thread's turn.

var (
	clk clocksource

	timerQueue [maxThreads]int16
	timerLen   int16
	timerArmed int64 // deadline the hardware is programmed for, 0: off
	tickDue    bool  // it may have to be programmed for an earlier one

	wallOffset int64 = wallStart // Unix time in ns at boot
)

func initTimer() {
	alarmOff() // and the global timer runs
	hz := uint32(0)
	if machine.TimerHz != nil {
		hz = machine.TimerHz(counterLow)
	} else {
		hz = genericHz()
	}
	clk = newClocksource(hz, counter())
	// For tests the clock can start later, in s, as if the CPU had been idle.
	if later, rest := parseNumber(bootValue("gasp.uptime=")); later != 0 && len(rest) == 0 {
		ns := int64(later) * 1_000_000_000
		clk.boot -= clk.count(ns) - clk.boot
		switchedAt, sched.idle = ns, ns
	}
}

// counter is the time in the timer's counts. Any context.
func counter() uint64 {
	if machine.MPCore != 0 {
		return globalCounter()
	}
	return genericCounter()
}

func counterLow() uint32 { return uint32(counter()) }

// setAlarm has the timer interrupt when its counter gets to at, or at once if
// it is past that.
func setAlarm(at uint64) {
	if machine.MPCore != 0 {
		globalAlarm(at)
		return
	}
	genericAlarm(at)
}

// alarmOff takes back the alarm.
func alarmOff() {
	if machine.MPCore != 0 {
		globalAlarmOff()
		return
	}
	genericAlarmOff()
}

// nanotime is the time since boot, in ns.
func nanotime() int64 {
	if clk.mul != 0 && machine.MPCore == 0 { // as often as it is wanted, without calls
		if n := genericCounter() - clk.boot; n <= clk.end {
			return int64(n * uint64(clk.mul))
		}
	}
	return clk.ns(counter())
}

// Nanotime returns the time since boot in nanoseconds. Any context.
func Nanotime() int64 { return nanotime() }

// setTick programs the timer for the earliest deadline there is, the end of the
// running thread's turn included.
func setTick() {
	tickDue = false
	at := int64(0)
	if timerLen > 0 {
		at = threads[timerQueue[0]].deadline
	}
	if hrNext != 0 && (at == 0 || hrNext < at) {
		at = hrNext
	}
	if runqReady != 0 {
		if end := turnEnds(); end != 0 && (at == 0 || end < at) {
			at = end
		}
	}
	if profiling != 0 {
		if end := profDeadline(); end != 0 && (at == 0 || end < at) {
			at = end
		}
	}
	// An alarm that comes too early, or for nothing, costs one interrupt, and
	// programming the timer at each switch costs more: most deadlines are
	// overtaken.
	if at == 0 || timerArmed != 0 && timerArmed <= at {
		return
	}
	timerArmed = at
	setAlarm(clk.count(at))
}

// timerInterrupt wakes every thread whose deadline has passed and ends the
// running thread's turn.
func timerInterrupt() {
	alarmOff()
	timerArmed, tickDue = 0, true
	now := nanotime()
	for timerLen > 0 {
		i := timerQueue[0]
		if threads[i].deadline > now {
			break
		}
		if threads[i].id == monitor && threads[i].wait == waitSleep && sleepOn(now) {
			continue
		}
		wake(i, threads[i].timedOut)
	}
	if hrNext != 0 && hrNext <= now {
		runTimers(now)
	}
	if profiling != 0 {
		profTick()
	}
	turnEnded(now)
}

// The heap: timerQueue[0] has the earliest deadline; timerPos of a thread is
// its place.

func timerLess(a, b int16) bool {
	return threads[timerQueue[a]].deadline < threads[timerQueue[b]].deadline
}

func timerSwap(a, b int16) {
	timerQueue[a], timerQueue[b] = timerQueue[b], timerQueue[a]
	threads[timerQueue[a]].timerPos = a
	threads[timerQueue[b]].timerPos = b
}

func timerAdd(i int16, deadline int64) {
	t := &threads[i]
	t.deadline = deadline
	p := timerLen
	timerLen++
	timerQueue[p] = i
	t.timerPos = p
	timerUp(p)
	if timerQueue[0] == i {
		tickDue = true
	}
}

func timerRemove(i int16) {
	p := threads[i].timerPos
	timerLen--
	if p != timerLen {
		timerSwap(p, timerLen)
		timerUp(p)
		timerDown(p)
	}
	threads[i].timerPos = nobody
}

func timerUp(p int16) {
	for p > 0 && timerLess(p, (p-1)/2) {
		timerSwap(p, (p-1)/2)
		p = (p - 1) / 2
	}
}

func timerDown(p int16) {
	for {
		c := 2*p + 1
		if c >= timerLen {
			return
		}
		if c+1 < timerLen && timerLess(c+1, c) {
			c++
		}
		if !timerLess(c, p) {
			return
		}
		timerSwap(c, p)
		p = c
	}
}

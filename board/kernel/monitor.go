//go:build arm

package kernel

// The runtime's monitor (sysmon) is the first thread that a Go program makes. It
// looks for Ps whose threads sleep in the kernel, or compute, for 10 ms. When it
// has found one, it looks every 20 µs for a while, in case there are more: and the
// network thread's P, which is one, it finds again and again, since only
// scheduling a goroutine counts as progress, and takes it away. That costs 10,000
// instructions for each frame at 1,000/s.
//
// So it sleeps for some ms at least, and on while there is nothing to look after:
// while the threads that it may take a P from did not run, and not so many sleep in
// calls of late that these may hold all Ps. It is not kept asleep for good, as one
// of them may have a P that has goroutines ready.
const (
	monitor = 2 // thread ID

	monitorSleep  = 4_000_000   // ns it sleeps at least
	monitorWork   = 2_000_000   // ns that others have run, then it wakes up
	monitorMore   = 10_000_000  // ns it sleeps on at a time
	monitorMost   = 100_000_000 // ns it sleeps at most
	monitorRounds = 3           // that it runs at most until it takes a P from a call
)

// monitorRuns counts how often the monitor went to sleep.
var monitorRuns uint32

// netThread is the thread that was the last to become the network thread.
var netThread int16 = nobody

// monitorSlept is when the monitor's sleep began and what others had run then.
var monitorSlept struct{ at, others int64 }

// sleepMonitor has monitor t sleep for ns.
func sleepMonitor(t *thread, ns int64) {
	now := nanotime()
	monitorSlept.at, monitorSlept.others = now, othersRan(now)
	monitorRuns++
	block(t, waitSleep, 0, now+max(ns, monitorSleep), 0)
}

// sleepOn lets the monitor, whose time is over, sleep on if it is not needed yet.
func sleepOn(now int64) bool {
	end := min(now+monitorMore, monitorSlept.at+monitorMost)
	if end <= now || othersRan(now)-monitorSlept.others >= monitorWork || callsMayHoldAll() {
		monitorSlept.at = -monitorMost // of shorter sleeps nothing is noted
		return false
	}
	timerRemove(monitor - 1)
	timerAdd(monitor-1, end)
	return true
}

// callsMayHoldAll reports whether threads that sleep in system calls may hold all
// Ps, so that a goroutine that is ready waits for the monitor. The network thread
// has its own all the time; from the others it has been taken if they have slept
// for some of the monitor's rounds. The runtime's own sleeps, on futexes and in
// epoll, are without a P.
func callsMayHoldAll() bool {
	n := 0
	for i := range threads {
		t := &threads[i]
		if t.state != threadBlocked {
			continue
		}
		switch t.wait {
		case waitEvent:
			n++
		case waitSleep, waitFile, waitSocket:
			if t.id != monitor && monitorRuns-t.since < monitorRounds {
				n++
			}
		}
	}
	return n >= maxCPU
}

// othersRan is how long all threads but the network's were on the CPU, in ns.
func othersRan(now int64) int64 {
	ns := now - sched.idle
	if netThread != nobody {
		ns -= threads[netThread].cpuTime
		if netThread == cur {
			ns -= now - switchedAt
		}
	}
	return ns
}

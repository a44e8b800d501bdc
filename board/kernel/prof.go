//go:build arm

package kernel

// CPU time as a clock, for profiles: timers that count the time of one thread
// (timer_create) or of all (setitimer's ITIMER_PROF), and send SIGPROF to the
// thread that consumed it. The runtime has one of the first kind in each thread
// and the second beside them, for threads it knows nothing of.
//
// Such a timer can only expire for the running thread. So the alarm is set for
// it when the thread gets the CPU, and while no timer is armed, all this costs
// one comparison where the alarm is set.

const (
	sigPROF = 27

	maxCPUTimers = maxThreads + 16

	siTkill  = 0xfffffffa // SI_TKILL
	siTimer  = 0xfffffffe // SI_TIMER: from timer_create
	siKernel = 0x80       // SI_KERNEL: from setitimer

	// thread.profiled: which SIGPROFs are pending. The runtime tells them
	// apart, so neither may hide the other.
	profTimer  = 1
	profItimer = 2
)

// cpuTimer fires when its clock has counted to at, and then every interval. All
// in ns.
type cpuTimer struct {
	at       int64 // 0: disarmed
	interval int64
	thread   int16 // whose time it counts
	used     bool
}

var (
	cpuTimers [maxCPUTimers]cpuTimer
	itimer    cpuTimer // ITIMER_PROF
	profiling int32    // how many timers are armed
)

// processTime is the CPU time that all threads had.
func processTime() int64 { return nanotime() - sched.idle }

// threadTime is the CPU time that the running thread had.
func threadTime() int64 { return threads[cur].cpuTime + nanotime() - switchedAt }

// profDeadline is when the first timer expires if the running thread keeps the
// CPU; 0: none does. Called while profiling is not 0.
func profDeadline() int64 {
	t := &threads[cur]
	if t.state != threadRunning {
		return 0
	}
	at := int64(0)
	if t.profAt != 0 {
		at = max(1, t.profAt-t.cpuTime+switchedAt)
	}
	if itimer.at != 0 {
		if end := max(1, itimer.at+sched.idle); at == 0 || end < at {
			at = end
		}
	}
	return at
}

// profTick sends what the running thread is due. The timer's interrupt calls it
// while profiling is not 0.
func profTick() {
	t := &threads[cur]
	if t.state != threadRunning {
		return
	}
	if t.profAt != 0 && threadTime() >= t.profAt {
		now := threadTime()
		for i := range cpuTimers {
			if c := &cpuTimers[i]; c.used && c.thread == cur && c.expire(now) {
				t.profiled |= profTimer
			}
		}
		profSet(cur)
	}
	if itimer.expire(processTime()) {
		t.profiled |= profItimer
	}
	if t.profiled != 0 {
		t.pending |= 1 << (sigPROF - 1)
	}
}

// expire reports whether c was due, and sets it for the next time.
func (c *cpuTimer) expire(now int64) bool {
	if c.at == 0 || c.at > now {
		return false
	}
	if c.interval == 0 {
		c.at = 0
		profiling--
		return true
	}
	c.at += c.interval
	if c.at <= now {
		c.at = now + c.interval // what was missed is missed
	}
	return true
}

// profCode is the si_code of the SIGPROF that t is about to get. If another one
// waits, it is pending again.
func profCode(t *thread) uint32 {
	switch {
	case t.profiled&profTimer != 0:
		t.profiled &^= profTimer
		if t.profiled != 0 {
			t.pending |= 1 << (sigPROF - 1)
		}
		return siTimer
	case t.profiled&profItimer != 0:
		t.profiled = 0
		return siKernel
	}
	return siTkill
}

// profSet notes in thread i when its first timer expires.
func profSet(i int16) {
	at := int64(0)
	for j := range cpuTimers {
		if c := &cpuTimers[j]; c.used && c.thread == i && c.at != 0 && (at == 0 || c.at < at) {
			at = c.at
		}
	}
	threads[i].profAt = at
}

// profExit deletes the timers of the running thread, which ends. (Linux keeps
// their numbers taken; but the runtime never deletes them.)
func profExit(t *thread) {
	for i := range cpuTimers {
		if c := &cpuTimers[i]; c.used && c.thread == cur {
			c.disarm()
			c.used = false
		}
	}
	t.profAt, t.profiled = 0, 0
}

func (c *cpuTimer) disarm() {
	if c.at != 0 {
		c.at = 0
		profiling--
	}
}

func (c *cpuTimer) arm(now, value, interval int64) {
	c.disarm()
	if value > 0 {
		c.at, c.interval = now+value, interval
		profiling++
	}
}

// left is how much time c has to go, at least 1; 0: it is disarmed.
func (c *cpuTimer) left(now int64) int64 {
	if c.at == 0 {
		return 0
	}
	return max(1, c.at-now)
}

// sysTimerCreate makes a timer of the calling thread's CPU time whose SIGPROF
// goes to that thread. There are no others: EINVAL.
func sysTimerCreate(t *thread, clock, event, id uint32) uint32 {
	const threadCPUTime, sigevThreadID = 3, 4
	if clock != threadCPUTime || event == 0 {
		return errno(EINVAL)
	}
	if !accessible(event, 64, false) || !accessible(id, 4, true) {
		return errno(EFAULT)
	}
	if load32(event+4) != sigPROF || load32(event+8) != sigevThreadID || load32(event+12) != t.id {
		return errno(EINVAL)
	}
	for i := range cpuTimers {
		if c := &cpuTimers[i]; !c.used {
			*c = cpuTimer{used: true, thread: cur}
			store32(id, uint32(i))
			return 0
		}
	}
	return errno(EAGAIN)
}

// timerOf is the timer that a system call names, nil if there is none.
func timerOf(id uint32) *cpuTimer {
	if id >= maxCPUTimers || !cpuTimers[id].used {
		return nil
	}
	return &cpuTimers[id]
}

// sysTimerSettime arms a timer; spec and old are interval and value, in struct
// timespec's. wide: the seconds have 64 bits.
func sysTimerSettime(id, flags, spec, old uint32, wide bool) uint32 {
	const absTime = 1
	c := timerOf(id)
	half := uint32(8)
	if wide {
		half = 16
	}
	switch {
	case spec == 0 || flags&^absTime != 0:
		return errno(EINVAL)
	case !accessible(spec, 2*half, false), old != 0 && !accessible(old, 2*half, true):
		return errno(EFAULT)
	case c == nil:
		return errno(EINVAL)
	}
	interval, e1 := timespec(spec, wide)
	value, e2 := timespec(spec+half, wide)
	if e1 != 0 || e2 != 0 {
		return errno(EINVAL)
	}
	now := threads[c.thread].cpuTime
	if c.thread == cur {
		now = threadTime()
	}
	if old != 0 {
		storeTimespec(old, c.interval, wide)
		storeTimespec(old+half, c.left(now), wide)
	}
	if flags == absTime && value != 0 {
		value = max(1, value-now)
	}
	c.arm(now, value, interval)
	profSet(c.thread)
	return 0
}

func sysTimerDelete(id uint32) uint32 {
	c := timerOf(id)
	if c == nil {
		return errno(EINVAL)
	}
	c.disarm()
	c.used = false
	profSet(c.thread)
	return 0
}

// sysSetitimer answers setitimer and, without spec, getitimer for ITIMER_PROF;
// interval and value are struct timeval's.
func sysSetitimer(which, spec, old uint32) uint32 {
	const prof = 2
	switch {
	case which != prof:
		return errno(EINVAL)
	case spec != 0 && !accessible(spec, 16, false), old != 0 && !accessible(old, 16, true):
		return errno(EFAULT)
	}
	interval, value, ok := int64(0), int64(0), true
	if spec != 0 {
		if interval, ok = timeval(spec); ok {
			value, ok = timeval(spec + 8)
		}
		if !ok {
			return errno(EINVAL)
		}
	}
	now := processTime()
	if old != 0 {
		storeTimeval(old, itimer.interval)
		storeTimeval(old+8, itimer.left(now))
	}
	if spec != 0 {
		itimer.arm(now, value, interval)
	}
	return 0
}

// timeval reads a struct timeval; false if it is not one.
func timeval(p uint32) (ns int64, ok bool) {
	sec, usec := int32(load32(p)), load32(p+4)
	if sec < 0 || usec >= 1_000_000 {
		return 0, false
	}
	return int64(sec)*1_000_000_000 + int64(usec)*1000, true
}

func storeTimeval(p uint32, ns int64) {
	store32(p, uint32(ns/1_000_000_000))
	store32(p+4, uint32(ns%1_000_000_000/1000))
}

func storeTimespec(p uint32, ns int64, wide bool) {
	store32(p, uint32(ns/1_000_000_000))
	sub := uint32(ns % 1_000_000_000)
	if !wide {
		store32(p+4, sub)
		return
	}
	store32(p+4, uint32(ns/1_000_000_000>>32))
	store32(p+8, sub)
	store32(p+12, 0)
}

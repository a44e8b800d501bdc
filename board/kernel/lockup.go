//go:build arm

package kernel

import (
	"unsafe"

	"github.com/gasp-go/gasp/board/trap"
)

// Lockups, as Linux tells them apart (Documentation/admin-guide/lockup-watchdogs).
//
// A timer interrupt, the sample, comes five times in watchdog_thresh and keeps the
// hardware watchdog content. If it stays away for half of watchdog_thresh, the
// watchdog interrupts as FIQ; if it has not come by the second FIQ in a row, the
// CPU is locked up hard and dies of it. (Not by the first: an emulator may have
// stood still all the time, and then the interrupt is about to come.) The panic
// path takes over the watchdog: it goes on being petted by FIQs as long as there
// is progress, a step that hangs is left like one that faults, and if nothing
// helps the watchdog resets the SoC.
//
// The sample also looks whether goroutines run: one touches the detector each
// sample. If it has not for twice watchdog_thresh and ten samples, that is a soft
// lockup, which is reported, again and again, and not died of unless
// softlockup_panic=1 says so.

const (
	samplesPerThresh = 5
	softSamples      = 2 * samplesPerThresh
	resetAfter       = 7_500_000_000 // ns from the pre-timeout to the reset
	panicStall       = 3_000_000_000 // ns without progress of the panic path, more than any wait in it
	maxRescues       = 32            // causes of death after which nobody pets any more
)

// dog is the state of both detectors. FIQ context reads it.
var dog struct {
	timer   *Timer
	period  int64  // ns between samples, 0: off
	samples uint32 // so far, and other signs of life
	hard    bool   // there is a FIQ
	soft    bool

	touched uint32            // by the goroutine, since the last sample
	since   int64             // when it was last known to run
	missed  int               // samples since then, or since the last report
	used    [maxThreads]int64 // CPU time of the threads then
	lockups uint32            // soft ones that were reported
}

// Lockup is a soft lockup.
type Lockup struct {
	Cause       // the registers are those of the thread that has had the CPU most since
	Stuck int64 // ns since goroutines last ran
	Idle  bool  // none had it for long: all wait for something
	Net   bool  // it is the network thread's
}

// LockupHook reports a soft lockup and tells whether to die of it. It is set once
// at start. Trap context.
var LockupHook func(l *Lockup) (fatal bool)

// PanicBeats counts the panic path's progress. It is set once at start and called
// in FIQ context: it may only read memory that the panic path has used before.
var PanicBeats func() uint32

// WatchdogConfig says what StartWatchdog is to look for.
type WatchdogConfig struct {
	Thresh int  // Linux's watchdog_thresh, s, 1 to 60
	Hard   bool // hard lockups, and the hardware watchdog
	Soft   bool // soft lockups
}

// StartWatchdog starts the detectors, for good, and reports which: hard is false
// without a hardware watchdog or in non-secure state. The caller sees to
// TouchSoftlockup. Once, from a goroutine.
func StartWatchdog(c WatchdogConfig) (hard, soft bool) {
	if c.Thresh < 1 || c.Thresh > 60 || !c.Hard && !c.Soft {
		return false, false
	}
	if dog.timer = NewTimer(watchdogSample); dog.timer == nil {
		return false, false
	}
	trap.Run(startWatchdogFn, unsafe.Pointer(&c))
	return dog.hard, dog.soft
}

var startWatchdogFn = startWatchdog

func startWatchdog(p unsafe.Pointer) {
	c := (*WatchdogConfig)(p)
	thresh := int64(c.Thresh) * 1_000_000_000
	dog.period = thresh / samplesPerThresh
	dog.since = nanotime()
	fiqState.samples = ^uint32(0) // the first FIQ kills nobody
	dog.soft = c.Soft
	if c.Hard && machine.StartWatchdog != nil {
		dog.hard = routeFIQ(machine.WatchdogIRQ)
		machine.StartWatchdog(thresh/2+resetAfter, thresh/2)
	}
	dog.timer.Start(dog.period)
}

// WatchdogPeriod returns the time between samples in ns, 0 if there are none. Any
// context.
func WatchdogPeriod() int64 { return dog.period }

// TouchSoftlockup tells that goroutines run. To be called by one, each
// WatchdogPeriod. Any context.
func TouchSoftlockup() { dog.touched = 1 }

// SoftLockups counts the soft lockups that were reported (Linux:
// /sys/kernel/softlockup_count). Any context.
func SoftLockups() uint32 { return dog.lockups }

// PetWatchdog tells the hardware watchdog, and the detector of hard lockups, that who
// keeps interrupts off for long gets on: the panic path, the report of a soft lockup.
// Trap context.
func PetWatchdog() {
	dog.samples++
	if dog.period != 0 && machine.PetWatchdog != nil && nCauses < maxRescues && !fiqState.abandoned {
		machine.PetWatchdog()
	}
}

// watchdogSample is the timer interrupt of both detectors. Trap context.
func watchdogSample() {
	PetWatchdog()
	dog.timer.Start(dog.period)
	if !dog.soft {
		return
	}
	now := nanotime()
	if dog.touched != 0 {
		dog.touched, dog.since, dog.missed = 0, now, 0
		for i := range threads {
			dog.used[i] = threads[i].cpuTime
		}
		return
	}
	// Samples count besides time, which may have passed without us.
	if dog.missed++; dog.missed >= softSamples && now-dog.since >= softSamples*dog.period {
		dog.missed = 0
		softLockup(now - dog.since)
	}
}

var lockup Lockup

// softLockup reports that goroutines did not run for stuck ns. Trap context.
func softLockup(stuck int64) {
	t, most := &threads[cur], int64(0)
	for i := range threads {
		used := threads[i].cpuTime - dog.used[i]
		if int16(i) == cur && threads[i].state == threadRunning {
			used += nanotime() - switchedAt
		}
		if threads[i].state != threadFree && used > most {
			t, most = &threads[i], used
		}
	}
	l := &lockup
	l.Stuck = stuck
	l.Idle, l.Net = most < stuck/4, t.net
	l.Cause = Cause{Kind: CauseSoftLockup, HasRegs: !l.Idle, Thread: t.id}
	if !l.Idle {
		l.fromThread(t)
	}
	fatal := LockupHook != nil && LockupHook(l)
	dog.lockups++
	if fatal {
		c := newCause(CauseSoftLockup)
		*c = l.Cause
		die(c)
	}
}

// hardLockup decides, in FIQ context, whether the interrupted code is to die.
func hardLockup() bool {
	q := &fiqState
	if nCauses > 0 {
		now, beats := nanotime(), q.beats
		if PanicBeats != nil {
			beats = PanicBeats()
		}
		if beats != q.beats || q.beatAt == 0 {
			q.beats, q.beatAt, q.stalls = beats, now, 0
		}
		q.stalls++
		hangs := q.stalls > 1 && now-q.beatAt >= panicStall
		if q.abandoned || hangs && nCauses >= maxRescues {
			disableIRQ(q.irq) // the reset comes
			return false
		}
		if hangs {
			q.beatAt = 0
		}
		machine.PetWatchdog()
		return hangs
	}
	machine.PetWatchdog()
	stuck := dog.samples == q.samples
	q.samples = dog.samples
	return stuck
}

//go:build arm

package kernel

import (
	"unsafe"

	"github.com/gasp-go/gasp/board/trap"
)

// wallStart is where the wall clock starts, with the boot, if there is no real
// time clock that knows better, until it is set: the start of 2026. It is not
// 1970, as programs take times shortly after that for long ago (package net/http
// sets a deadline of one second past it). A real time clock that shows less was
// never set, one that shows wallEnd or more, 2100, not by us.
const (
	wallStart = 1_767_225_600 * 1_000_000_000
	wallEnd   = 4_102_444_800 * 1_000_000_000
)

// initWall starts the wall clock from the real time clock.
func initWall() {
	if machine.RTC == nil {
		return
	}
	if unix, ok := machine.RTC(); ok && WallTimeSane(unix) {
		setWall(unix)
	}
}

// WallTimeSane reports whether a real time clock that shows unix ns since 1970
// can be right.
func WallTimeSane(unix int64) bool { return unix >= wallStart && unix < wallEnd }

// SetWallTime sets the wall clock to unix nanoseconds since 1970. Until then it
// shows what the real time clock said at boot, or starts with 2026 then. Any
// goroutine.
func SetWallTime(unix int64) {
	trap.Run(func(p unsafe.Pointer) { setWall(*(*int64)(p)) }, unsafe.Pointer(&unix))
}

// sysGetrusage fills in struct rusage. All CPU time counts as the program's, as
// the kernel's is spent for it.
func sysGetrusage(who, p uint32) uint32 {
	const self, thread, size = 0, 1, 72
	if who != self && who != thread {
		return errno(EINVAL)
	}
	if !accessible(p, size, true) {
		return errno(EFAULT)
	}
	zero(p, size)
	ns := processTime()
	if who == thread {
		ns = threadTime()
	}
	storeTimeval(p, ns)
	m := MemoryStat()
	store32(p+16, uint32(m.PeakUsed>>10)) // ru_maxrss, KiB
	store32(p+32, uint32(m.Faults))       // ru_minflt
	return 0
}

// sysClockSettime sets the wall clock, the only one that can be.
func sysClockSettime(clock, p uint32, wide bool) uint32 {
	if clock != 0 {
		return errno(EINVAL)
	}
	ns, e := timespec(p, wide)
	if e != 0 {
		return errno(e)
	}
	setWall(ns)
	return 0
}

// sysSettimeofday likewise; of the time zone nobody makes anything.
func sysSettimeofday(p, zone uint32) uint32 {
	if p != 0 && !accessible(p, 8, false) || zone != 0 && !accessible(zone, 8, false) {
		return errno(EFAULT)
	}
	if p == 0 {
		return 0
	}
	ns, ok := timeval(p)
	if !ok {
		return errno(EINVAL)
	}
	setWall(ns)
	return 0
}

// setWall makes the wall clock show unix ns. Trap context.
func setWall(unix int64) { wallOffset = unix - nanotime() }

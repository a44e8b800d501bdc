//go:build arm

package kernel

import (
	"sync/atomic"
	"unsafe"

	"github.com/gasp-go/gasp/board/trap"
)

// For tests in package kernel_test.

// KernelAddresses are addresses of the kernel's memory; none if another image's
// kernel runs.
func KernelAddresses() (a []uintptr) {
	for _, r := range tables[:tablesN] {
		a = append(a, uintptr(r.start), uintptr(r.start+(r.end-r.start)/2)&^3, uintptr(r.end-4)&^3)
	}
	for _, r := range buffers {
		if r.end != 0 {
			a = append(a, uintptr(r.start), uintptr(r.end-4096))
		}
	}
	return a
}

// Counter returns the timer's counter and how many ns it takes for 1<<32 counts.
func Counter() (count uint64, wrap int64) {
	return counter(), clk.ns(clk.boot + 1<<32)
}

// After is the deadline ns from now.
func After(ns int64) int64 { return after(ns) }

// TimerOrder puts n threads that there are not into the queue of deadlines and
// returns the deadlines in the order in which they would wake up.
func TimerOrder(deadlines []int64) []int64 {
	x := timerOrder{n: min(len(deadlines), len(timerOrder{}.at))}
	copy(x.at[:], deadlines)
	trap.Run(func(p unsafe.Pointer) {
		x := (*timerOrder)(p)
		last := int16(maxThreads)
		for i := range x.at[:x.n] {
			last--
			if threads[last].state != threadFree {
				x.n = 0 // a thread after all
				break
			}
			timerAdd(last, x.at[i])
		}
		out := 0
		for pass := int16(0); timerLen > 0 && out < x.n && pass < maxThreads; pass++ {
			i := timerQueue[0]
			if i >= last {
				x.at[out] = threads[i].deadline
				out++
			} else {
				x.real[x.nreal] = i
				x.nreal++
			}
			timerRemove(i)
		}
		for _, i := range x.real[:x.nreal] {
			timerAdd(i, threads[i].deadline)
		}
		x.n = out
	}, unsafe.Pointer(&x))
	return append([]int64(nil), x.at[:x.n]...)
}

type timerOrder struct {
	n, nreal int
	at       [32]int64
	real     [maxThreads]int16
}

// ForgetSeed makes the generator not seeded, and Seed seeded again.
func ForgetSeed() {
	trap.Run(func(unsafe.Pointer) { seeded, credits, samples, complainAt = false, 0, 0, 0 }, nil)
}

func Seed() { trap.Run(func(unsafe.Pointer) { seeded = true }, nil) }

// Samples returns how many samples of jitter were taken and how many credits
// there are.
func Samples() (taken, counted uint32) { return samples, credits }

// Interrupted has n interrupts of device irq stirred in, as if they had come.
func Interrupted(irq, n int) {
	x := [2]int{irq, n}
	trap.Run(func(p unsafe.Pointer) {
		x := (*[2]int)(p)
		for range x[1] {
			stirIRQ(x[0])
		}
	}, unsafe.Pointer(&x))
}

// SetEntropy replaces the hardware's random number generator, which is asked
// again at once, and returns the one before.
func SetEntropy(f func() (uint32, bool)) (before func() (uint32, bool)) {
	before = machine.Entropy
	machine.Entropy = f
	hardwareAt = 0
	return before
}

// Complained reports whether the console was told that getrandom waits;
// ComplainAfter is when it is, in ns.
func Complained() bool { return complainAt < 0 }

const ComplainAfter = complainAfter

// StartWall starts the wall clock as boot does, from a real time clock that shows
// unix ns, or none does if not ok.
func StartWall(unix int64, ok bool) {
	rtc := machine.RTC
	machine.RTC = func() (int64, bool) { return unix, ok }
	trap.Run(func(unsafe.Pointer) { initWall() }, nil)
	machine.RTC = rtc
}

// Tick is the timer's, in ns, rounded up.
func Tick() int64 { return (1_000_000_000 + int64(clk.freq) - 1) / int64(clk.freq) }

// StackGuards are the guard pages below the stacks of trap context.
func StackGuards() []uint32 { return []uint32{pageOf(&kstack), pageOf(&fstack)} }

// VectorPage is the page of the exception vectors.
func VectorPage() uint32 { return pageOf(&vecpage) }

// ForgetUnknownCalls has unknown system calls told again, and nr counted from 0.
func ForgetUnknownCalls(nr int) {
	trap.Run(func(p unsafe.Pointer) { nsys[*(*int)(p)], otherCallsN = 0, 0 }, unsafe.Pointer(&nr))
}

// RouteFIQ makes an interrupt the FIQ, RouteIRQ an ordinary one again. Neither is
// for a system whose watchdog runs.
func RouteFIQ(irq int) (ok bool) {
	fiqState.samples = ^uint32(0)
	trap.Run(func(p unsafe.Pointer) { *(*bool)(p) = routeFIQ(irq) }, unsafe.Pointer(&ok))
	return ok
}

func RouteIRQ(irq int) {
	disableIRQ(irq)
	group := machine.GICD + gicdIGROUPR + uint32(irq)/32*4
	store32(group, load32(group)|1<<(uint32(irq)&31))
	prio := machine.GICD + gicdIPRIORITY + uint32(irq)&^3
	store32(prio, load32(prio)|0xa0<<(uint32(irq)&3*8))
	fiqState.irq = 0
}

// FIQAsIRQ has the FIQ's interrupt come as an ordinary one, or as the FIQ again.
func FIQAsIRQ(on bool) {
	ctlr := uint32(0xf)
	if on {
		ctlr &^= 1 << 3
	}
	store32(machine.GICC+giccCTLR, ctlr)
}

// FIQ is what the vector calls. Trap context.
func FIQ() { fiq(nil) }

// ProgressForFIQ has the next FIQ find that timer interrupts come.
func ProgressForFIQ() { atomic.AddUint32(&dog.samples, 1) }

// SignalAddresses are those of a signal's handler and of what it returns to.
func SignalAddresses() (handler, restorer uint32) {
	return sigactions[sigURG].handler &^ 1, sigreturnAddr()
}

// SignalRegs is where the registers are in what is pushed for a handler.
const SignalRegs = siginfoSize + ucRegs

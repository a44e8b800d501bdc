//go:build arm && mx6ulevk

package kernel_test

import (
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/gasp-go/gasp/board/kernel"
	"github.com/gasp-go/gasp/board/mmio"
)

// nap sleeps in the kernel, as a system call that gives up its P.
func nap(d time.Duration) {
	ts := syscall.NsecToTimespec(int64(d))
	syscall.Syscall(syscall.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&ts)), 0, 0)
}

// A thread of the network's priority that comes back from a system call while
// a thread of lower priority holds its goroutine's status waits, by
// sched_yield, for that one.
func TestNetworkThreadMayMeetTheCollectorOnItsWayOutOfTheKernel(t *testing.T) {
	inImage(t)
	var stop atomic.Bool
	for range 2 {
		go func() {
			for !stop.Load() {
				runtime.GC()
			}
		}()
	}
	done := make(chan bool)
	go func() {
		runtime.LockOSThread()
		kernel.SetNetPriority(true)
		for range 2000 {
			nap(50 * time.Microsecond)
		}
		kernel.SetNetPriority(false)
		done <- true
	}()
	<-done
	stop.Store(true)
}

// atDepth calls fn below n frames that hold pointers.
//
//go:noinline
func atDepth(n int, p *int, fn func()) int {
	if n == 0 {
		fn()
		return *p
	}
	x := n
	return atDepth(n-1, &x, fn) + *p
}

// The same in the way the network thread sleeps: it waits for an event that a
// device's interrupt signals.
func TestEventMayMeetTheCollectorOnItsWayOutOfTheKernel(t *testing.T) {
	inImage(t)
	const gptIRQ = 32 + 55
	gpt := mmio.At(0x02098000)
	var e kernel.Event
	var stop atomic.Bool
	top := func() {
		gpt.Write32(0x08, 1) // SR: compare 1
		e.Signal()
	}
	if !kernel.HandleIRQ(gptIRQ, top) {
		t.Fatal("not taken")
	}
	for range 2 {
		go func() {
			for !stop.Load() {
				runtime.GC()
			}
		}()
	}
	n := 0
	done := make(chan bool)
	go func() {
		runtime.LockOSThread()
		kernel.SetNetPriority(true)
		x := 0
		atDepth(1000, &x, func() {
			for range 3000 {
				e.Wait()
				n++
			}
		})
		kernel.SetNetPriority(false)
		done <- true
	}()
	gpt.Write32(0x00, 0)           // CR: off
	gpt.Write32(0x10, 66*200)      // OCR1
	gpt.Write32(0x0c, 1)           // IR: compare 1
	gpt.Write32(0x00, 1<<6|1<<1|1) // CR: ipg clock, restart, on
	<-done
	gpt.Write32(0x00, 0)
	kernel.DisableIRQ(gptIRQ)
	stop.Store(true)
	t.Log(n, "wakes")
}

// Threads of one priority take turns even if one of a higher priority
// interrupts them more often than their slices end.
func TestEqualsTakeTurnsUnderInterrupts(t *testing.T) {
	inImage(t)
	var stop, go1 atomic.Bool
	var count [2]atomic.Int64
	var started atomic.Int32
	for i := range 2 {
		go func() {
			runtime.LockOSThread()
			started.Add(1)
			for !go1.Load() {
				runtime.Gosched()
			}
			for !stop.Load() {
				count[i].Add(1)
			}
		}()
	}
	for started.Load() < 2 {
		time.Sleep(time.Millisecond)
	}
	done := make(chan [2]int64)
	go func() {
		runtime.LockOSThread()
		go1.Store(true)
		nap(20 * time.Millisecond) // both run
		kernel.SetNetPriority(true)
		var n [2]int64
		for i := range n {
			n[i] = -count[i].Load()
		}
		for range 200 {
			nap(500 * time.Microsecond)
		}
		for i := range n {
			n[i] += count[i].Load()
		}
		kernel.SetNetPriority(false)
		stop.Store(true)
		done <- n
	}()
	n := <-done
	t.Logf("counted to %d and %d in 100 ms", n[0], n[1])
	if min(n[0], n[1]) < max(n[0], n[1])/10 {
		t.Error("one thread starves")
	}
}

// A thread that yields waits for what another holds, and others may wait for it:
// it is not held off for a slice each time.
func TestYieldingThreadWaitsBriefly(t *testing.T) {
	inImage(t)
	if !regular() {
		t.Skip("time is the host's without gasp test -icount")
	}
	var stop atomic.Bool
	computing := make(chan bool)
	go func() {
		runtime.LockOSThread()
		close(computing)
		for !stop.Load() {
		}
	}()
	<-computing
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	nap(20 * time.Millisecond) // the other computes
	const n = 100
	before := kernel.Nanotime()
	for range n {
		raw(syscall.SYS_SCHED_YIELD, 0, 0, 0)
	}
	took := kernel.Nanotime() - before
	stop.Store(true)
	t.Logf("a yield takes %d ns", took/n)
	if took/n < 20_000 || took/n > 200_000 {
		t.Error("want 100,000: the other is to have some time, but not a slice")
	}
}

// A goroutine that is ready while every P is held by a call that sleeps in the
// kernel waits for the runtime's monitor to take one away.
func TestMonitorTakesPsFromCallsThatSleep(t *testing.T) {
	inImage(t)
	if !regular() {
		t.Skip("time is the host's without gasp test -icount")
	}
	const sleep = 200 * time.Millisecond
	for range 8 {
		time.Sleep(sleep / 2) // the monitor sleeps
		var in atomic.Int32
		var done sync.WaitGroup
		others := runtime.GOMAXPROCS(0) - 1
		for range others {
			done.Go(func() {
				in.Add(1)
				nap(sleep)
			})
		}
		for int(in.Load()) < others {
			runtime.Gosched()
		}
		nap(time.Millisecond)
		var took atomic.Int64
		before := kernel.Nanotime()
		done.Go(func() { took.Store(kernel.Nanotime() - before) })
		nap(sleep)
		done.Wait()
		t.Logf("it waited for %d ns", took.Load())
		if took.Load() > 40_000_000 {
			t.Error("want less than 40 ms")
		}
	}
}

// An address of a device is none of a program's memory.
func TestSystemCallsRefuseDeviceAddresses(t *testing.T) {
	inImage(t)
	if _, _, e := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, 1, 0x021bc000, 0); e != syscall.EFAULT {
		t.Errorf("clock_gettime into OCOTP's registers: %v, want EFAULT", e)
	}
	if _, ok := kernel.Peek(0x021bc000); ok {
		t.Error("Peek read a device's register")
	}
}

// What mprotect makes accessible is promised, and no longer when it takes that
// back from what was not touched.
func TestMprotectKeepsTheBooksOfPromises(t *testing.T) {
	inImage(t)
	const size = 32 << 20 // the runtime's own promises are less
	mem := mapped(t, size, protNone)
	before := int64(kernel.MemoryStat().Promised)
	for _, c := range []struct {
		prot uintptr
		want int64
	}{{protRead, size}, {protWrite, size}, {protNone, 0}, {protWrite, size}, {protRead, size}, {protNone, 0}} {
		mprotect(t, mem, c.prot)
		got := int64(kernel.MemoryStat().Promised) - before
		if got < c.want-size/4 || got > c.want+size/4 {
			t.Errorf("rights %d: %d more bytes are promised, want about %d", c.prot, got, c.want)
		}
	}
}

// A fixed mapping replaces what was there, so that does not count twice.
func TestFixedMappingReplacesPromise(t *testing.T) {
	inImage(t)
	m := kernel.MemoryStat()
	size := uintptr(m.Total-m.Kernel-m.Promised) / 4 * 3 &^ 0xfff
	p, _, e := syscall.RawSyscall6(syscall.SYS_MMAP2, 0, size, 3, 0x22, ^uintptr(0), 0)
	if e != 0 {
		t.Fatal(e)
	}
	if _, _, e := syscall.RawSyscall6(syscall.SYS_MMAP2, p, size, 3, 0x32, ^uintptr(0), 0); e != 0 {
		t.Errorf("MAP_FIXED over itself: %v", e)
	}
	syscall.RawSyscall(syscall.SYS_MUNMAP, p, size, 0)
}

// A hint that is too high, lengths that wrap.
func TestMmapArithmetic(t *testing.T) {
	inImage(t)
	for _, c := range []struct{ nr, a, b, c uintptr }{
		{syscall.SYS_MPROTECT, 0x40000000, 0xfffff001, 3},
		{syscall.SYS_MADVISE, 0x40000000, 0xfffff001, 4},
	} {
		if _, _, e := syscall.RawSyscall(c.nr, c.a, c.b, c.c); e == 0 {
			t.Errorf("call %d took a length of %#x", c.nr, c.b)
		}
	}
}

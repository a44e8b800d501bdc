//go:build arm && (mx6ulevk || sabrelite)

package kernel_test

import (
	"os"
	"os/signal"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/gasp-go/gasp/board/kernel"
)

// What the kernel's services cost: instructions, under "gasp test -image
// -icount". A round trip is two wakes and two switches. Calls that block are made
// by syscall.Syscall, which costs the runtime's share (entersyscall) too: without,
// the garbage collector could not stop the thread.

// lockedPair locks the benchmark and other to threads of their own, so that each
// has one that sleeps in the kernel, and returns what is closed when other
// returned.
func lockedPair(b *testing.B, other func()) (done chan bool) {
	b.Helper()
	done = make(chan bool)
	started := make(chan bool)
	go func() {
		runtime.LockOSThread()
		close(started)
		other()
		close(done)
	}()
	runtime.LockOSThread()
	<-started
	time.Sleep(5 * time.Millisecond)
	return done
}

func futexWait(w *atomic.Uint32, while uint32) {
	for w.Load() == while {
		syscall.Syscall6(syscall.SYS_FUTEX, uintptr(unsafe.Pointer(w)), 0, uintptr(while), 0, 0, 0)
	}
}

func futexWake(w *atomic.Uint32, v uint32) {
	w.Store(v)
	syscall.RawSyscall(syscall.SYS_FUTEX, uintptr(unsafe.Pointer(w)), 1, 1)
}

// Two threads wake each other by turns: from the wake's call to the other's run,
// and back.
func BenchmarkFutexRoundTrip(b *testing.B) {
	inImage(b)
	var ping, pong atomic.Uint32
	var wokeAt atomic.Int64
	n := uint32(0)
	const end = 1 << 31
	done := lockedPair(b, func() {
		for last := uint32(0); ; {
			futexWait(&ping, last)
			wokeAt.Store(kernel.Nanotime())
			last = ping.Load()
			futexWake(&pong, last)
			if last == end {
				return
			}
		}
	})
	defer runtime.UnlockOSThread()
	sum := int64(0)
	for b.Loop() {
		n++
		t0 := kernel.Nanotime()
		futexWake(&ping, n)
		futexWait(&pong, n-1)
		sum += wokeAt.Load() - t0
	}
	b.ReportMetric(float64(sum)/float64(n), "ns-wake-to-run")
	futexWake(&ping, end)
	<-done
}

// Two threads that compute give way to each other: sched_yield to sched_yield.
func BenchmarkThreadSwitch(b *testing.B) {
	inImage(b)
	var stop atomic.Bool
	done := lockedPair(b, func() {
		for !stop.Load() {
			syscall.Syscall(syscall.SYS_SCHED_YIELD, 0, 0, 0)
		}
	})
	defer runtime.UnlockOSThread()
	before := kernel.CPUStat().Switches
	n := 0
	for b.Loop() {
		syscall.Syscall(syscall.SYS_SCHED_YIELD, 0, 0, 0)
		n++
	}
	b.ReportMetric(float64(kernel.CPUStat().Switches-before)/float64(n), "switches/op")
	stop.Store(true)
	<-done
}

func BenchmarkGoroutineRoundTrip(b *testing.B) {
	ping, pong := make(chan int), make(chan int)
	go func() {
		for v := range ping {
			pong <- v
		}
		close(pong)
	}()
	for b.Loop() {
		ping <- 1
		<-pong
	}
	close(ping)
	<-pong
}

// 1,000 goroutines sleep for 100 ms each, over and over: what one sleep and
// wake costs the CPU.
func BenchmarkThousandSleepers(b *testing.B) {
	inImage(b)
	const sleepers = 1000
	var stop atomic.Bool
	var wakes atomic.Int64
	ended := make(chan bool)
	for i := range sleepers {
		go func() {
			time.Sleep(time.Duration(i) * 100 * time.Microsecond)
			for !stop.Load() {
				time.Sleep(100 * time.Millisecond)
				wakes.Add(1)
			}
			ended <- true
		}()
	}
	time.Sleep(300 * time.Millisecond)
	t0, idle, n := kernel.Nanotime(), kernel.CPUStat().Idle, wakes.Load()
	for b.Loop() {
		time.Sleep(200 * time.Millisecond)
	}
	n = wakes.Load() - n
	took := kernel.Nanotime() - t0
	busy := took - (kernel.CPUStat().Idle - idle)
	b.ReportMetric(float64(busy)/float64(n), "cpu-ns/wake")
	b.ReportMetric(100*float64(busy)/float64(took), "cpu-%")
	b.ReportMetric(0, "ns/op")
	stop.Store(true)
	for range sleepers {
		<-ended
	}
}

// The first touch of a page, with its share of mapping and unmapping 256.
func BenchmarkPageFault(b *testing.B) {
	const n = 256
	sum, faults := int64(0), 0
	for b.Loop() {
		p, _, e := syscall.RawSyscall6(syscall.SYS_MMAP2, 0, n<<12, 3, 0x22, ^uintptr(0), 0)
		if e != 0 {
			b.Fatal(e)
		}
		t0 := kernel.Nanotime()
		for i := uintptr(0); i < n<<12; i += 4096 {
			*(*byte)(unsafe.Add(nil, p+i)) = 1
		}
		sum += kernel.Nanotime() - t0
		faults += n
		raw(syscall.SYS_MUNMAP, p, n<<12, 0)
	}
	b.ReportMetric(float64(sum)/float64(faults), "ns-to-touch")
	b.ReportMetric(float64(b.Elapsed())/float64(faults), "ns-with-map-and-unmap")
	b.ReportMetric(0, "ns/op")
}

func pipePair(b *testing.B) (r, w int) {
	var p [2]int
	if err := syscall.Pipe2(p[:], 0); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { syscall.Close(p[0]); syscall.Close(p[1]) })
	return p[0], p[1]
}

func rawRead(fd int, b *[1]byte) int {
	n, _, _ := syscall.Syscall(syscall.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(b)), 1)
	return int(int32(n))
}

func rawWrite(fd int, b *[1]byte) {
	syscall.RawSyscall(syscall.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(b)), 1)
}

// A byte to another thread that sleeps in read, and one back.
func BenchmarkPipeRoundTrip(b *testing.B) {
	r1, w1 := pipePair(b)
	r2, w2 := pipePair(b)
	var other, buf [1]byte
	done := lockedPair(b, func() {
		for {
			if rawRead(r1, &other) < 1 || other[0] != 0 {
				return
			}
			rawWrite(w2, &other)
		}
	})
	defer runtime.UnlockOSThread()
	for b.Loop() {
		rawWrite(w1, &buf)
		rawRead(r2, &buf)
	}
	buf[0] = 1
	rawWrite(w1, &buf)
	<-done
}

// The same for threads that sleep in epoll_wait for an eventfd.
func BenchmarkEpollRoundTrip(b *testing.B) {
	type end struct{ ep, event int }
	open := func() end {
		ev, _, e := syscall.RawSyscall(syscall.SYS_EVENTFD2, 0, 0, 0)
		if e != 0 {
			b.Fatal(e)
		}
		ep, err := syscall.EpollCreate1(0)
		if err != nil {
			b.Fatal(err)
		}
		if err := syscall.EpollCtl(ep, syscall.EPOLL_CTL_ADD, int(ev), &syscall.EpollEvent{Events: syscall.EPOLLIN}); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { syscall.Close(ep); syscall.Close(int(ev)) })
		return end{ep, int(ev)}
	}
	wait := func(e end, events *syscall.EpollEvent, v *uint64) {
		syscall.Syscall6(syscall.SYS_EPOLL_WAIT, uintptr(e.ep), uintptr(unsafe.Pointer(events)), 1, ^uintptr(0), 0, 0)
		syscall.RawSyscall(syscall.SYS_READ, uintptr(e.event), uintptr(unsafe.Pointer(v)), 8)
	}
	post := func(e end, v *uint64) {
		syscall.RawSyscall(syscall.SYS_WRITE, uintptr(e.event), uintptr(unsafe.Pointer(v)), 8)
	}
	a, c := open(), open()
	var stop atomic.Bool
	done := lockedPair(b, func() {
		var events syscall.EpollEvent
		var v uint64
		for !stop.Load() {
			wait(a, &events, &v)
			v = 1
			post(c, &v)
		}
	})
	defer runtime.UnlockOSThread()
	var events syscall.EpollEvent
	var v uint64
	for b.Loop() {
		v = 1
		post(a, &v)
		wait(c, &events, &v)
	}
	stop.Store(true)
	v = 1
	post(a, &v)
	<-done
}

// A signal to the own thread: frame, the runtime's handler (which drops SIGURG
// that it did not send), return.
func BenchmarkSignalToSelf(b *testing.B) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	id, _, _ := syscall.RawSyscall(syscall.SYS_GETTID, 0, 0, 0)
	for b.Loop() {
		syscall.RawSyscall(syscall.SYS_TGKILL, 1, id, uintptr(syscall.SIGURG))
	}
}

// A signal as package os/signal delivers it to a goroutine.
func BenchmarkSignalToChannel(b *testing.B) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGUSR1)
	defer signal.Stop(c)
	id, _, _ := syscall.RawSyscall(syscall.SYS_GETTID, 0, 0, 0)
	for b.Loop() {
		syscall.RawSyscall(syscall.SYS_TGKILL, 1, id, uintptr(syscall.SIGUSR1))
		<-c
	}
}

// A nil dereference to the deferred function that recovers from it.
func BenchmarkFaultToRecover(b *testing.B) {
	for b.Loop() {
		func() {
			defer func() { recover() }()
			second(nil)
		}()
	}
}

//go:build arm

package kernel_test

import (
	"crypto/rand"
	"errors"
	"io"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// These tests see the kernel as a program sees it, through system calls and
// faults. They pass on Linux too, which is the reference, where they do not
// name the kernel.

// onKernel skips a test that only makes sense on our kernel.
func onKernel(t *testing.T) {
	t.Helper()
	var u syscall.Utsname
	if err := syscall.Uname(&u); err != nil {
		t.Fatal(err)
	}
	if u.Nodename[0] != 'g' || u.Nodename[1] != 'a' || u.Nodename[2] != 's' || u.Nodename[3] != 'p' {
		t.Skip("not running on the gasp kernel: run with go test -exec 'gasp exec'")
	}
}

type pair struct{ a, b int }

//go:noinline
func second(p *pair) int { return p.b }

func TestNilDereferenceIsARecoverablePanic(t *testing.T) {
	for range 1000 {
		func() {
			defer func() {
				err, _ := recover().(runtime.Error)
				if err == nil {
					t.Fatal("no runtime error")
				}
			}()
			second(nil)
		}()
	}
}

func TestLoopWithoutCallsDoesNotStopOtherGoroutines(t *testing.T) {
	stop := false
	done := make(chan bool)
	var n uint64
	for range runtime.GOMAXPROCS(0) + 1 {
		go func() {
			x := uint64(0)
			for p := &stop; !*p; { // no call, no preemption point
				x++
			}
			atomic.AddUint64(&n, x)
			done <- true
		}()
	}
	for range 5 {
		time.Sleep(10 * time.Millisecond)
	}
	runtime.GC() // stops the world, loops included
	stop = true
	for range runtime.GOMAXPROCS(0) + 1 {
		<-done
	}
	if n == 0 {
		t.Error("the loops did not run")
	}
}

func TestFloatingPointRegistersBelongToTheirThread(t *testing.T) {
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			runtime.LockOSThread()
			a := float64(g) + 0.5
			want := 0.0
			for i := range 2000 {
				want += math.Sqrt(a * float64(i))
			}
			for range 50 {
				got := 0.0
				for i := range 2000 {
					got += math.Sqrt(a * float64(i))
				}
				if got != want {
					t.Errorf("goroutine %d: %v, want %v", g, got, want)
					return
				}
				runtime.Gosched()
			}
		}()
	}
	wg.Wait()
}

func TestManyThreadsAndBack(t *testing.T) {
	for range 5 {
		var ready, wg sync.WaitGroup
		release := make(chan bool)
		for range 60 {
			ready.Add(1)
			wg.Add(1)
			go func() {
				defer wg.Done()
				runtime.LockOSThread() // the thread ends with the goroutine
				ready.Done()
				<-release
			}()
		}
		ready.Wait()
		close(release)
		wg.Wait()
	}
}

func TestTimersFireNeverEarlyAndAll(t *testing.T) {
	var wg sync.WaitGroup
	start := time.Now()
	for _, i := range []int{5, 1, 4, 2, 3} {
		wg.Add(1)
		d := time.Duration(i) * 10 * time.Millisecond
		time.AfterFunc(d, func() {
			defer wg.Done()
			if got := time.Since(start); got < d {
				t.Errorf("the timer of %v fired after %v", d, got)
			}
		})
	}
	wg.Wait()
}

func TestSleepNeverEndsEarly(t *testing.T) {
	for _, d := range []time.Duration{1, time.Microsecond, 100 * time.Microsecond, 3 * time.Millisecond} {
		start := time.Now()
		time.Sleep(d)
		if got := time.Since(start); got < d {
			t.Errorf("slept %v of %v", got, d)
		}
	}
}

// faults runs fn and returns the address it faulted at.
func faults(t *testing.T, fn func()) (addr uintptr, ok bool) {
	t.Helper()
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		switch e := recover().(type) {
		case nil:
		case interface{ Addr() uintptr }:
			addr, ok = e.Addr(), true
		default:
			ok = true
		}
	}()
	fn()
	return 0, false
}

var data = [16]uint32{0xe12fff1e} // bx lr

const constant = "read-only"

func TestTextIsNotWritable(t *testing.T) {
	f := second
	pc := **(**uintptr)(unsafe.Pointer(&f))
	if addr, ok := faults(t, func() { *(*byte)(unsafe.Add(nil, pc)) = 0 }); !ok || addr != pc {
		t.Errorf("writing text at %#x: fault %v at %#x", pc, ok, addr)
	}
}

func TestReadOnlyDataIsNotWritable(t *testing.T) {
	p := unsafe.StringData(constant)
	if addr, ok := faults(t, func() { *p = 'R' }); !ok || addr != uintptr(unsafe.Pointer(p)) {
		t.Errorf("fault %v at %#x", ok, addr)
	}
}

// call jumps to addr.
func call(addr uintptr) {
	fn := &addr
	(*(*func())(unsafe.Pointer(&fn)))()
}

func TestDataIsNotExecutable(t *testing.T) {
	heap := make([]uint32, 1024)
	heap[0] = data[0]
	for name, p := range map[string]*uint32{"data": &data[0], "heap": &heap[0]} {
		if _, ok := faults(t, func() { call(uintptr(unsafe.Pointer(p))) }); !ok {
			t.Errorf("code in %s was executed", name)
		}
	}
}

func TestPageZeroAndUnmappedAddressesFault(t *testing.T) {
	onKernel(t)
	for _, a := range []uintptr{0, 0xffc, 0x70000000, 0xe0000000} {
		if _, ok := faults(t, func() { data[1] = *(*uint32)(unsafe.Add(nil, a)) }); !ok {
			t.Errorf("read of %#x went through", a)
		}
	}
}

// bad are pointers that no system call may follow.
var bad = []uintptr{1, 0xfff, 0x70000000, 0xfffffff0, 0x07f00000}

func TestBadPointersAreEFAULT(t *testing.T) {
	onKernel(t)
	calls := map[string]func(p uintptr) syscall.Errno{
		"write":         func(p uintptr) syscall.Errno { return raw(syscall.SYS_WRITE, 1, p, 16) },
		"clock_gettime": func(p uintptr) syscall.Errno { return raw(syscall.SYS_CLOCK_GETTIME, 0, p, 0) },
		"getrandom":     func(p uintptr) syscall.Errno { return raw(384, p, 32, 0) },
		"nanosleep":     func(p uintptr) syscall.Errno { return raw(syscall.SYS_NANOSLEEP, p, 0, 0) },
		"futex timeout": futexUntil,
		"uname":         func(p uintptr) syscall.Errno { return raw(syscall.SYS_UNAME, p, 0, 0) },
		"futex":         func(p uintptr) syscall.Errno { return raw(syscall.SYS_FUTEX, p&^3|0x10, 0, 0) },
		"sigaltstack":   func(p uintptr) syscall.Errno { return raw(syscall.SYS_SIGALTSTACK, 0, p, 0) },
		"sigaction":     func(p uintptr) syscall.Errno { return raw6(syscall.SYS_RT_SIGACTION, 10, 0, p, 8) },
		"sigprocmask":   func(p uintptr) syscall.Errno { return raw6(syscall.SYS_RT_SIGPROCMASK, 0, 0, p, 8) },
		"affinity":      func(p uintptr) syscall.Errno { return raw(syscall.SYS_SCHED_GETAFFINITY, 0, 4, p) },
		"getcwd":        func(p uintptr) syscall.Errno { return raw(syscall.SYS_GETCWD, p, 64, 0) },
		"writev":        func(p uintptr) syscall.Errno { return raw(syscall.SYS_WRITEV, 1, p, 2) },
	}
	for name, call := range calls {
		for _, p := range bad {
			if e := call(p); e != syscall.EFAULT {
				t.Errorf("%s(%#x) = %v, want EFAULT", name, p, e)
			}
		}
	}
}

// futexUntil waits for a word with a timeout at p.
func futexUntil(p uintptr) syscall.Errno {
	word := uint32(1)
	return raw6(syscall.SYS_FUTEX, uintptr(unsafe.Pointer(&word)), 0, 1, p)
}

// The kernel stores events for a thread that waits when they come, and the memory
// for them may have gone.
func TestEventsForMemoryThatIsGoneAreEFAULT(t *testing.T) {
	ep, err := syscall.EpollCreate1(0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(ep)
	r, w := pipe2(t, 0)
	defer closeAll(r, w)
	if err := syscall.EpollCtl(ep, syscall.EPOLL_CTL_ADD, r, &syscall.EpollEvent{Events: syscall.EPOLLIN}); err != nil {
		t.Fatal(err)
	}
	mem := mapped(t, 4096, 3)
	done := make(chan syscall.Errno)
	go func() {
		_, _, e := syscall.Syscall6(syscall.SYS_EPOLL_WAIT, uintptr(ep), uintptr(unsafe.Pointer(&mem[0])), 8, ^uintptr(0), 0, 0)
		done <- e
	}()
	time.Sleep(20 * time.Millisecond) // most likely it waits by now
	mprotect(t, mem, 1)
	if _, err := syscall.Write(w, []byte{1}); err != nil {
		t.Fatal(err)
	}
	if e := <-done; e != syscall.EFAULT {
		t.Fatal(e)
	}
	var events [8]syscall.EpollEvent
	if n, err := syscall.EpollWait(ep, events[:], 0); n != 1 || err != nil {
		t.Errorf("afterwards %d events, %v", n, err)
	}
}

func raw(nr, a, b, c uintptr) syscall.Errno {
	_, _, e := syscall.RawSyscall(nr, a, b, c)
	return e
}

func raw6(nr, a, b, c, d uintptr) syscall.Errno {
	_, _, e := syscall.RawSyscall6(nr, a, b, c, d, 0, 0)
	return e
}

func TestBadArgumentsGetLinuxErrors(t *testing.T) {
	onKernel(t)
	buf := uintptr(unsafe.Pointer(new([64]byte)))
	for _, c := range []struct {
		name string
		got  syscall.Errno
		want syscall.Errno
	}{
		{"write to a closed descriptor", raw(syscall.SYS_WRITE, 40, buf, 1), syscall.EBADF},
		{"write to a huge descriptor", raw(syscall.SYS_WRITE, 1<<31, buf, 1), syscall.EBADF},
		{"read of standard output", raw(syscall.SYS_READ, 1, buf, 1), syscall.EINVAL},
		{"close of nothing", raw(syscall.SYS_CLOSE, 50, 0, 0), syscall.EBADF},
		{"misaligned futex", raw(syscall.SYS_FUTEX, buf|1, 0, 0), syscall.EINVAL},
		{"futex value changed", raw(syscall.SYS_FUTEX, buf, 0, 1), syscall.EAGAIN},
		{"mmap of nothing", raw6(syscall.SYS_MMAP2, 0, 0, 3, 0x22), syscall.EINVAL},
		{"mmap of everything", raw6mmap(0xfffff000), syscall.ENOMEM},
		{"munmap misaligned", raw(syscall.SYS_MUNMAP, 0x80000001, 4096, 0), syscall.EINVAL},
		// Where the boards have the kernel, and none has mmap's addresses.
		{"munmap of i.MX6UL's kernel", raw(syscall.SYS_MUNMAP, 0x80201000, 4096, 0), syscall.EINVAL},
		{"mprotect of i.MX6UL's kernel", raw(syscall.SYS_MPROTECT, 0x80201000, 4096, 3), syscall.ENOMEM},
		{"munmap of i.MX6Q's kernel", raw(syscall.SYS_MUNMAP, 0x10201000, 4096, 0), syscall.EINVAL},
		{"mprotect of i.MX6Q's kernel", raw(syscall.SYS_MPROTECT, 0x10201000, 4096, 3), syscall.ENOMEM},
		{"open", raw(syscall.SYS_OPEN, buf, 0, 0), syscall.ENOENT},
		{"signal 65", raw6(syscall.SYS_RT_SIGACTION, 65, 0, 0, 8), syscall.EINVAL},
		{"tgkill of no thread", raw(syscall.SYS_TGKILL, 1, 4000, 23), syscall.ESRCH},
		{"nanosleep of too many ns", nanosleep(0, 1_000_000_000), syscall.EINVAL},
		{"nanosleep before now", nanosleep(-1, 0), syscall.EINVAL},
		{"epoll_wait on no epoll", raw6(syscall.SYS_EPOLL_WAIT, 1, buf, 1, 0), syscall.EINVAL},
		{"unknown call", raw(500, 0, 0, 0), syscall.ENOSYS},
		{"unknown large call", raw(0xdead0000, 0, 0, 0), syscall.ENOSYS},
	} {
		if c.got != c.want {
			t.Errorf("%s: %v, want %v", c.name, c.got, c.want)
		}
	}
}

func raw6mmap(size uintptr) syscall.Errno {
	_, _, e := syscall.RawSyscall6(syscall.SYS_MMAP2, 0, size, 3, 0x22, ^uintptr(0), 0)
	return e
}

func nanosleep(sec, nsec int32) syscall.Errno {
	ts := [2]int32{sec, nsec}
	return raw(syscall.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&ts)), 0, 0)
}

func TestMemoryGivenBackComesBackZero(t *testing.T) {
	const size = 64 << 10
	p, _, e := syscall.RawSyscall6(syscall.SYS_MMAP2, 0, size, 3, 0x22, ^uintptr(0), 0)
	if e != 0 {
		t.Fatal(e)
	}
	mem := unsafe.Slice((*byte)(unsafe.Add(nil, p)), size)
	for i := range mem {
		mem[i] = 0xa5
	}
	if e := raw(syscall.SYS_MADVISE, p, size, 4); e != 0 {
		t.Fatal("madvise:", e)
	}
	for i, b := range mem {
		if b != 0 {
			t.Fatalf("byte %d is %#x after MADV_DONTNEED", i, b)
		}
	}
	if e := raw(syscall.SYS_MUNMAP, p, size, 0); e != 0 {
		t.Fatal("munmap:", e)
	}
	if _, ok := faults(t, func() { mem[0] = 1 }); !ok {
		t.Error("memory is still there after munmap")
	}
}

func TestProtNoneReservesWithoutAccess(t *testing.T) {
	const size = 1 << 20
	p, _, e := syscall.RawSyscall6(syscall.SYS_MMAP2, 0, size, 0, 0x22, ^uintptr(0), 0)
	if e != 0 {
		t.Fatal(e)
	}
	word := (*uint32)(unsafe.Add(nil, p))
	if _, ok := faults(t, func() { *word = 1 }); !ok {
		t.Error("PROT_NONE memory is writable")
	}
	if e := raw(syscall.SYS_MPROTECT, p, 4096, 3); e != 0 {
		t.Fatal(e)
	}
	*word = 1
	if _, ok := faults(t, func() { *(*uint32)(unsafe.Add(nil, p+4096)) = 1 }); !ok {
		t.Error("mprotect reached beyond its range")
	}
	raw(syscall.SYS_MUNMAP, p, size, 0)
}

func TestHeapGrowsShrinksAndGrowsAgain(t *testing.T) {
	for range 4 {
		var keep [][]byte
		for range 40 {
			b := make([]byte, 1<<20)
			for i := 0; i < len(b); i += 4096 {
				if b[i] != 0 {
					t.Fatal("memory not zero")
				}
				b[i] = 0xff
			}
			keep = append(keep, b)
		}
		runtime.KeepAlive(keep)
		keep = nil
		debug.FreeOSMemory()
	}
}

func TestRandomBytesDiffer(t *testing.T) {
	var a, b [64]byte
	rand.Read(a[:])
	rand.Read(b[:])
	if a == b || a == [64]byte{} {
		t.Error("random bytes repeat")
	}
	ones := 0
	big := make([]byte, 16<<10)
	rand.Read(big)
	for _, c := range big {
		for ; c != 0; c &= c - 1 {
			ones++
		}
	}
	if bits := len(big) * 8; ones < bits*49/100 || ones > bits*51/100 {
		t.Errorf("%d of %d bits set", ones, bits)
	}
}

func TestStandardInputIsEmpty(t *testing.T) {
	onKernel(t)
	if n, err := os.Stdin.Read(make([]byte, 8)); n != 0 || err == nil {
		t.Errorf("standard input: %d bytes, %v", n, err)
	}
}

func TestDividingByZeroIsAPanic(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	zero := len(os.Getenv("GASP_NOT_SET"))
	t.Log(1 / zero)
}

func TestPipesCarryBytesInOrder(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	const size = 300_000 // more than a pipe holds
	go func() {
		defer w.Close()
		buf := make([]byte, 7001)
		for n := 0; n < size; {
			m := min(len(buf), size-n)
			for i := range buf[:m] {
				buf[i] = byte(n + i)
			}
			if _, err := w.Write(buf[:m]); err != nil {
				t.Error(err)
				return
			}
			n += m
		}
	}()
	got, err := io.ReadAll(r)
	if err != nil || len(got) != size {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	for i, b := range got {
		if b != byte(i) {
			t.Fatalf("byte %d is %#x", i, b)
		}
	}
	r.Close()
}

func TestWritingToAClosedPipeIsEPIPE(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	r.Close()
	if _, err := w.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("%v, want EPIPE", err)
	}
}

func TestBlockingPipesBlock(t *testing.T) {
	var fds [2]int
	if err := syscall.Pipe2(fds[:], 0); err != nil {
		t.Fatal(err)
	}
	go func() {
		time.Sleep(10 * time.Millisecond)
		syscall.Write(fds[1], []byte("late"))
	}()
	buf := make([]byte, 10)
	n, err := syscall.Read(fds[0], buf)
	for err == syscall.EINTR { // preemption, if it hits the wait
		n, err = syscall.Read(fds[0], buf)
	}
	if n != 4 || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
	syscall.Close(fds[0])
	syscall.Close(fds[1])
}

func TestPipesAreFreedWhenClosed(t *testing.T) {
	for range 100 {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		r.Close()
		w.Close()
	}
}

func Example() {
	os.Stdout.WriteString("captured\n")
	// Output: captured
}

func TestAProcessIsENOSYS(t *testing.T) {
	onKernel(t)
	const vfork = 0x4000 | 0x100 // CLONE_VFORK | CLONE_VM, as os/exec asks
	if e := raw6(syscall.SYS_CLONE, vfork|17, 0, 0, 0); e != syscall.ENOSYS {
		t.Errorf("clone of a process: %v", e)
	}
}

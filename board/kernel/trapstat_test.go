//go:build arm && (mx6ulevk || sabrelite)

package kernel_test

import (
	"fmt"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/gasp-go/gasp/board/kernel"
	"github.com/gasp-go/gasp/board/trap"
)

func TestTrapsAreMeasuredWhileThatIsOn(t *testing.T) {
	inImage(t)
	kernel.MeasureTraps(true)
	const spin = 300_000
	trap.Run(func(unsafe.Pointer) {
		for t0 := kernel.Nanotime(); kernel.Nanotime()-t0 < spin; {
		}
	}, nil)
	time.Sleep(50 * time.Millisecond) // idle, with interrupts masked: does not count
	for range 100 {
		raw(syscall.SYS_GETPID, 0, 0, 0)
	}
	kernel.MeasureTraps(false)
	longest, s := kernel.LongestTrap(), kernel.TrapStats(kernel.TrapCall)
	raw(syscall.SYS_GETPID, 0, 0, 0)
	if kernel.TrapStats(kernel.TrapCall) != s {
		t.Error("it goes on")
	}
	if regular() && (longest.Time < spin || longest.Time > spin+50_000 || longest.Kind != kernel.TrapCall || longest.Call != 0x10000) {
		t.Errorf("longest is %+v, want a call of Run of %d ns", longest, spin)
	}
	if longest.Time < spin {
		t.Errorf("longest is %d ns, want at least %d", longest.Time, spin)
	}
	if s.Count < 100 || s.Total < spin || s.Longest.Time < spin {
		t.Errorf("system calls: %+v", s)
	}
	if ns := kernel.LongestCall(syscall.SYS_GETPID); ns <= 0 {
		t.Errorf("getpid: %d ns", ns)
	}
	kernel.MeasureTraps(true)
	kernel.MeasureTraps(false)
	if l := kernel.LongestTrap(); regular() && l.Time > 50_000 {
		t.Errorf("%+v is not forgotten", l)
	}
	if kernel.TrapStats(-1).Count != 0 || kernel.TrapStats(kernel.NTrapKinds).Count != 0 || kernel.LongestCall(-1) != 0 || kernel.LongestCall(1<<20) != 0 {
		t.Error("figures of what there is not")
	}
}

// How long interrupts are masked while a program takes and gives memory, has
// many files, threads and sockets. Run it with gasp test -image -icount -v.
func TestLongestTimeWithInterruptsMasked(t *testing.T) {
	inImage(t)
	kernel.MeasureTraps(true)
	growHeap()
	manyFiles(t)
	manySockets()
	for range 100 { // threads
		go syscall.Nanosleep(&syscall.Timespec{Nsec: 1_000_000}, nil)
	}
	time.Sleep(100 * time.Millisecond)
	kernel.MeasureTraps(false)
	for kind, name := range []string{"system call", "interrupt", "undefined", "data abort", "prefetch abort"} {
		if s := kernel.TrapStats(kind); s.Count > 0 {
			t.Logf("%-14s %8d times, mean %6d ns, longest %7d ns %s", name, s.Count, s.Total/int64(s.Count), s.Longest.Time, trapName(s.Longest))
		}
	}
	calls := make([]int, 512)
	for nr := range calls {
		calls[nr] = nr
	}
	slices.SortFunc(calls, func(a, b int) int { return int(kernel.LongestCall(b) - kernel.LongestCall(a)) })
	for _, nr := range calls[:10] {
		t.Logf("  call %3d: longest %7d ns", nr, kernel.LongestCall(nr))
	}
	if l := kernel.LongestTrap(); regular() && l.Time > 2_000_000 {
		t.Errorf("interrupts were masked for %d ns by %s", l.Time, trapName(l))
	}
}

func trapName(l kernel.Trap) string {
	switch {
	case l.Func != 0:
		name, _ := kernel.Symbol(l.Func)
		return name
	case l.Kind == kernel.TrapCall:
		return fmt.Sprint("call ", l.Call)
	case l.Idle:
		return "from idle"
	}
	return ""
}

func growHeap() {
	var keep [][]byte
	for range 100 {
		b := make([]byte, 256<<10)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		keep = append(keep, b)
	}
	_ = keep
	const size = 32 << 20
	p, _, e := syscall.RawSyscall6(syscall.SYS_MMAP2, 0, size, 3, 0x22, ^uintptr(0), 0)
	if e != 0 {
		return
	}
	for range 2 {
		for i := uintptr(0); i < size; i += 4096 {
			*(*byte)(unsafe.Add(nil, p+i)) = 1
		}
		syscall.RawSyscall(syscall.SYS_MADVISE, p, size, 4)
	}
	for i := uintptr(0); i < size; i += 4096 {
		*(*byte)(unsafe.Add(nil, p+i)) = 1
	}
	syscall.RawSyscall(syscall.SYS_MUNMAP, p, size, 0)
}

func manyFiles(t *testing.T) {
	var open []*os.File
	for range 500 {
		f, err := os.Open("/proc/self/maps")
		if err != nil {
			break // too many, or there is no such file
		}
		open = append(open, f)
		f.Read(make([]byte, 4096))
	}
	t.Logf("%d files", len(open))
	for _, f := range open {
		f.Close()
	}
	for range 4 {
		r, w, err := os.Pipe()
		if err != nil {
			break
		}
		w.Write(make([]byte, 60<<10))
		r.Read(make([]byte, 60<<10))
		r.Close()
		w.Close()
	}
}

func manySockets() {
	var fds []int
	for range 1000 {
		fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM, 0)
		if err != nil {
			break
		}
		fds = append(fds, fd)
	}
	for _, fd := range fds {
		syscall.Close(fd)
	}
}

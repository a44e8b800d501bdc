//go:build arm && (mx6ulevk || sabrelite)

package kernel_test

import (
	"path"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/gasp-go/gasp/board/kernel"
	"github.com/gasp-go/gasp/board/mmio"
	"github.com/gasp-go/gasp/board/trap"
)

// These tests are linked with the kernel into one image, as a firmware is, and
// use it from within ("gasp test -image").

// inImage skips a test whose kernel is another image's.
func inImage(t testing.TB) {
	t.Helper()
	if _, size := kernel.RAM(); size == 0 {
		t.Skip("the kernel of this image does not run: build with gasp test -image")
	}
}

func TestRunEntersTrapContext(t *testing.T) {
	inImage(t)
	if kernel.InTrap() {
		t.Error("a test runs in trap context")
	}
	in := false
	trap.Run(func(p unsafe.Pointer) { *(*bool)(p) = kernel.InTrap() }, unsafe.Pointer(&in))
	if !in {
		t.Error("not in trap context")
	}
}

func TestRunDoesNotAllocate(t *testing.T) {
	inImage(t)
	n := 0
	if a := testing.AllocsPerRun(100, func() {
		trap.Run(func(p unsafe.Pointer) { *(*int)(p)++ }, unsafe.Pointer(&n))
	}); a != 0 {
		t.Errorf("%v allocations", a)
	}
	if n != 101 {
		t.Errorf("ran %d times of 101", n)
	}
}

func TestTrapContextMayTouchUntouchedMemory(t *testing.T) {
	inImage(t)
	const size = 256 << 10
	p, _, e := syscall.RawSyscall6(syscall.SYS_MMAP2, 0, size, 3, 0x22, ^uintptr(0), 0)
	if e != 0 {
		t.Fatal(e)
	}
	trap.Run(func(p unsafe.Pointer) {
		for i := 0; i < size; i += 4096 {
			*(*uint32)(unsafe.Add(p, i)) += uint32(i) + 1
		}
	}, unsafe.Add(nil, p))
	for i := uintptr(0); i < size; i += 4096 {
		if v := *(*uint32)(unsafe.Add(nil, p+i)); v != uint32(i)+1 {
			t.Fatalf("page at %d holds %d", i, v)
		}
	}
	raw(syscall.SYS_MUNMAP, p, size, 0)
}

func TestSymbolAgreesWithTheRuntime(t *testing.T) {
	for _, fn := range []any{TestSymbolAgreesWithTheRuntime, strings.Index, kernel.Nanotime, runtime.GC, trap.Run} {
		pc := reflect.ValueOf(fn).Pointer()
		want := runtime.FuncForPC(pc).Name()
		name, off := kernel.Symbol(uint32(pc) + 8)
		if name != want || off != 8 {
			t.Errorf("Symbol(%#x) = %q+%#x, want %q+0x8", pc+8, name, off, want)
		}
	}
	for _, pc := range []uint32{0, 0xffffffff, 0x70000000} {
		if name, _ := kernel.Symbol(pc); name != "" {
			t.Errorf("Symbol(%#x) = %q", pc, name)
		}
	}
}

func TestLineAgreesWithTheRuntime(t *testing.T) {
	for _, fn := range []any{TestSymbolAgreesWithTheRuntime, strings.Index, kernel.Nanotime, runtime.GC, trap.Run} {
		entry := reflect.ValueOf(fn).Pointer()
		for pc := entry; pc < entry+64; pc += 4 {
			f := runtime.FuncForPC(pc)
			if f.Entry() != entry {
				break
			}
			// FileLine is of the outer function where another is inlined, and so are
			// these tables.
			file, want := f.FileLine(pc)
			if name, line := kernel.Line(uint32(pc)); line != uint32(want) || name != path.Base(file) {
				t.Errorf("%s: Line(%#x) = %s:%d, want %s:%d", f.Name(), pc, name, line, file, want)
			}
			if size, ok := kernel.Frame(uint32(pc)); !ok || size > 4096 || size&3 != 0 || pc == entry && size != 0 {
				t.Errorf("%s: Frame(%#x) = %d, %v", f.Name(), pc, size, ok)
			}
		}
	}
	for _, pc := range []uint32{0, 0xffffffff, 0x70000000} {
		if file, line := kernel.Line(pc); line != 0 || file != "" {
			t.Errorf("Line(%#x) = %s:%d", pc, file, line)
		}
	}
}

// softIRQ is an interrupt number that no device of the board uses; tests make
// it pending at the distributor.
const softIRQ = 32 + 127

var (
	gicd    = mmio.At(0x00a01000)
	topRuns atomic.Int32
	topAt   atomic.Int64
	topDone kernel.Event
)

// trigger makes softIRQ pending.
func trigger() { gicd.Write32(0x200+softIRQ/32*4, 1<<(softIRQ%32)) }

func TestInterruptRunsItsTopHalf(t *testing.T) {
	inImage(t)
	if !kernel.HandleIRQ(softIRQ, func() {
		if kernel.InTrap() {
			topRuns.Add(1)
		}
	}) {
		t.Fatal("not taken")
	}
	before := topRuns.Load()
	for range 100 {
		trigger()
	}
	if n := topRuns.Load() - before; n != 100 {
		t.Errorf("%d of 100 interrupts arrived", n)
	}
	kernel.DisableIRQ(softIRQ)
	trigger()
	if n := topRuns.Load() - before; n != 100 {
		t.Error("a disabled interrupt arrived")
	}
	for _, bad := range []int{-1, 0, 31, 256, 1 << 20} {
		if kernel.HandleIRQ(bad, func() {}) {
			t.Errorf("interrupt %d was taken", bad)
		}
	}
}

func TestEventWakesItsGoroutine(t *testing.T) {
	inImage(t)
	var e kernel.Event
	got := make(chan int, 1000)
	go func() {
		runtime.LockOSThread()
		kernel.SetNetPriority(true)
		for i := range 1000 {
			e.Wait()
			got <- i
		}
	}()
	for i := range 1000 {
		e.Wake()
		if v := <-got; v != i {
			t.Fatalf("wake %d of %d", v, i)
		}
	}
}

func TestSignalBeforeWaitIsNotLost(t *testing.T) {
	inImage(t)
	var e kernel.Event
	e.Wake()
	done := make(chan bool)
	go func() { e.Wait(); done <- true }()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("Wait slept through an earlier Signal")
	}
}

func TestIdleTimeIsAccounted(t *testing.T) {
	inImage(t)
	before := kernel.CPUStat().Idle
	time.Sleep(50 * time.Millisecond)
	if idle := kernel.CPUStat().Idle - before; idle < int64(20*time.Millisecond) {
		t.Errorf("%v idle while sleeping for 50 ms", time.Duration(idle))
	}
}

// The figures below are instructions under "gasp test -image -icount".

func BenchmarkNullSystemCall(b *testing.B) {
	for b.Loop() {
		raw(syscall.SYS_GETPID, 0, 0, 0)
	}
}

func BenchmarkTrapRun(b *testing.B) {
	for b.Loop() {
		trap.Run(func(unsafe.Pointer) {}, nil)
	}
}

func BenchmarkInterruptToTopHalf(b *testing.B) {
	inImage(b)
	kernel.HandleIRQ(softIRQ, func() { topAt.Store(kernel.Nanotime()) })
	sum := int64(0)
	n := 0
	for b.Loop() {
		t0 := kernel.Nanotime()
		trigger()
		sum += topAt.Load() - t0
		n++
	}
	b.ReportMetric(float64(sum)/float64(n), "ns-to-top")
	kernel.DisableIRQ(softIRQ)
}

// measure triggers the interrupt once a millisecond and a bit, and reports mean,
// 99th percentile and worst of the times that come back.
func measure(b *testing.B, took <-chan int64, unit string) {
	var all []int64
	sum := int64(0)
	for b.Loop() {
		time.Sleep(time.Millisecond + time.Duration(len(all)*7919%100_000))
		trigger()
		d := <-took
		sum += d
		all = append(all, d)
	}
	slices.Sort(all)
	b.ReportMetric(float64(sum)/float64(len(all)), unit)
	b.ReportMetric(float64(all[len(all)*99/100]), "ns-p99")
	b.ReportMetric(float64(all[len(all)-1]), "ns-worst")
}

// benchmarkThread measures from the top half to the network thread running Go
// code, while load goroutines do their thing.
func benchmarkThread(b *testing.B, load ...func(stop *atomic.Bool)) {
	inImage(b)
	var stop, started atomic.Bool
	for _, l := range load {
		go l(&stop)
	}
	kernel.HandleIRQ(softIRQ, func() {
		topAt.Store(kernel.Nanotime())
		topDone.Signal()
	})
	woken := make(chan int64, 1)
	quit := make(chan bool)
	go func() {
		runtime.LockOSThread()
		kernel.SetNetPriority(true)
		started.Store(true)
		for {
			topDone.Wait()
			now := kernel.Nanotime()
			select {
			case woken <- now - topAt.Load():
			case <-quit:
				return
			}
		}
	}()
	for !started.Load() {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(20 * time.Millisecond)
	measure(b, woken, "ns-to-thread")
	stop.Store(true)
	kernel.DisableIRQ(softIRQ)
	close(quit)
	topDone.Wake()
	time.Sleep(20 * time.Millisecond)
}

func BenchmarkInterruptToNetworkThreadIdle(b *testing.B) { benchmarkThread(b) }

func BenchmarkInterruptToNetworkThreadBusy(b *testing.B) { benchmarkThread(b, compute) }

func BenchmarkInterruptToNetworkThreadAllocating(b *testing.B) { benchmarkThread(b, allocate) }

func allocate(stop *atomic.Bool) {
	var keep [64][]byte
	for i := 0; !stop.Load(); i++ {
		keep[i%64] = make([]byte, 1000)
	}
}

// deep calls itself n times with a large frame, touching fresh pages at the
// bottom, in trap context.
//
//go:noinline
func deep(n int, p unsafe.Pointer) int {
	var frame [64]int
	frame[n%64] = n
	if n > 0 {
		return deep(n-1, p) + frame[n%64]
	}
	sum := 0
	for i := 0; i < 1<<20; i += 4096 {
		sum += *(*int)(unsafe.Add(p, i))
	}
	return sum
}

func TestDemandPagesWorkDeepInTheKernelStack(t *testing.T) {
	inImage(t)
	const size = 1 << 20
	p, _, e := syscall.RawSyscall6(syscall.SYS_MMAP2, 0, size, 3, 0x22, ^uintptr(0), 0)
	if e != 0 {
		t.Fatal(e)
	}
	type args struct {
		p unsafe.Pointer
		n int
	}
	a := args{p: unsafe.Add(nil, p)}
	trap.Run(func(p unsafe.Pointer) {
		a := (*args)(p)
		a.n = deep(100, a.p)
	}, unsafe.Pointer(&a))
	if a.n != 5050 {
		t.Errorf("got %d, want 5050", a.n)
	}
	raw(syscall.SYS_MUNMAP, p, size, 0)
}

// benchmarkReady measures from the top half to an ordinary goroutine that the
// network thread makes ready, while load goroutines do their thing.
func benchmarkReady(b *testing.B, load ...func(stop *atomic.Bool)) {
	inImage(b)
	var stop atomic.Bool
	for _, l := range load {
		go l(&stop)
	}
	var e kernel.Event
	kernel.HandleIRQ(softIRQ, func() {
		topAt.Store(kernel.Nanotime())
		e.Signal()
	})
	ready, took := make(chan bool, 1), make(chan int64, 1)
	go func() {
		runtime.LockOSThread()
		kernel.SetNetPriority(true)
		for !stop.Load() {
			e.Wait()
			ready <- true
		}
		close(ready)
	}()
	go func() {
		for range ready {
			took <- kernel.Nanotime() - topAt.Load()
		}
	}()
	time.Sleep(50 * time.Millisecond)
	measure(b, took, "ns-to-goroutine")
	kernel.DisableIRQ(softIRQ)
	stop.Store(true)
	e.Wake()
	time.Sleep(20 * time.Millisecond)
}

func compute(stop *atomic.Bool) {
	for x := 0; !stop.Load(); x++ {
		_ = x
	}
}

func BenchmarkInterruptToGoroutineIdle(b *testing.B)       { benchmarkReady(b) }
func BenchmarkInterruptToGoroutineBusy(b *testing.B)       { benchmarkReady(b, compute) }
func BenchmarkInterruptToGoroutineTwoBusy(b *testing.B)    { benchmarkReady(b, compute, compute) }
func BenchmarkInterruptToGoroutineAllocating(b *testing.B) { benchmarkReady(b, allocate) }
func BenchmarkInterruptToNetworkThreadTwoBusy(b *testing.B) {
	benchmarkThread(b, compute, compute)
}

//go:build arm && (mx6ulevk || sabrelite)

package kernel_test

import (
	"bytes"
	"math"
	"os"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/gasp-go/gasp/board"
	"github.com/gasp-go/gasp/board/kernel"
)

// sleepsRight sleeps in every way there is and checks the clocks.
func sleepsRight(t *testing.T) {
	t.Helper()
	const d = 3 * time.Millisecond
	const most = 2 * time.Second // on a busy host
	var word uint32
	ts := syscall.NsecToTimespec(int64(d))
	ways := map[string]func(){
		"runtime's timer": func() { time.Sleep(d) },
		"nanosleep":       func() { syscall.Nanosleep(&ts, nil) },
		"futex": func() {
			syscall.Syscall6(syscall.SYS_FUTEX, uintptr(unsafe.Pointer(&word)), 0, 0, uintptr(unsafe.Pointer(&ts)), 0, 0)
		},
		"epoll": func() {
			fd, err := syscall.EpollCreate1(0)
			if err != nil {
				t.Error(err)
				return
			}
			defer syscall.Close(fd)
			var ev [1]syscall.EpollEvent
			syscall.EpollWait(fd, ev[:], 3)
		},
	}
	for name, sleep := range ways {
		before, t0 := kernel.Nanotime(), time.Now()
		sleep()
		if took := time.Duration(kernel.Nanotime() - before); took < d || took > most {
			t.Errorf("%s: %v, slept for %v", name, d, took)
		}
		if took := time.Since(t0); took < d || took > most {
			t.Errorf("%s: %v, %v by the runtime's clock", name, d, took)
		}
	}
}

// With boot argument gasp.uptime= (seconds) this goes past where 32 bits of ns or
// of ms, 53 bits of ns, or 31 bits of seconds end.
func TestClockAndSleepPastTheNextSecond(t *testing.T) {
	inImage(t)
	const second = 1_000_000_000
	last := kernel.Nanotime()
	for end := last + second; last < end; {
		sleepsRight(t)
		now := kernel.Nanotime()
		if now <= last || now > last+60*second {
			t.Fatalf("the clock went from %d to %d", last, now)
		}
		last = now
		var ts [2]int64
		if _, _, e := syscall.RawSyscall(403, 1, uintptr(unsafe.Pointer(&ts)), 0); e != 0 || ts[0]-now/second > 1 || ts[0] < now/second {
			t.Fatalf("clock_gettime64 after %d ns: %v, %v", now, ts, e)
		}
	}
	t.Logf("at %v", time.Duration(last))
}

//go:linkname runtimeNano runtime.nanotime
func runtimeNano() int64

// The runtime asks the vDSO, if there is one, and we the kernel.
func TestTheVDSOShowsTheKernelsTime(t *testing.T) {
	inImage(t)
	const wide = 403 // clock_gettime64
	ask := func(clock uintptr) int64 {
		var ts [2]int64
		if _, _, e := syscall.RawSyscall(wide, clock, uintptr(unsafe.Pointer(&ts)), 0); e != 0 {
			t.Fatal(e)
		}
		return ts[0]*1_000_000_000 + ts[1]
	}
	wall := func() int64 { return time.Now().UnixNano() }
	clocks := map[uintptr]func() int64{0: wall, 1: runtimeNano}
	if ask(0) >= 1<<32*1_000_000_000 {
		delete(clocks, 0) // from 2106 on the runtime's wall clock is wrong, on Linux too
	}
	for clock, read := range clocks {
		for range 20_000 { // at any part of a second
			before := ask(clock)
			got := read()
			if after := ask(clock); got < before || got > after {
				t.Fatalf("clock %d: %d, not between %d and %d", clock, got, before, after)
			}
		}
	}
	if auxv, err := os.ReadFile("/proc/self/auxv"); err != nil || !bytes.Contains(auxv, []byte{33, 0, 0, 0}) {
		t.Errorf("no AT_SYSINFO_EHDR: %x, %v", auxv, err)
	}
}

// regular reports whether time is counted in instructions, so that idle time is
// skipped and long sleeps cost nothing.
func regular() bool {
	loop := func() int64 {
		t0 := kernel.Nanotime()
		for range 1000 {
			word++
		}
		return kernel.Nanotime() - t0
	}
	same := 0
	for first, i := loop(), 0; i < 20; i++ {
		if d := loop() - first; d >= -50 && d <= 50 {
			same++
		}
	}
	return same > 15
}

var word uint32

// The same without jumps: the counter itself goes past 32 bits.
func TestCounterPast32Bits(t *testing.T) {
	inImage(t)
	if !regular() {
		t.Skip("takes a minute or two without gasp test -icount")
	}
	_, wrap := kernel.Counter()
	for range 3 {
		count, _ := kernel.Counter()
		left := time.Duration(float64(wrap) * (1 - float64(uint32(count))/(1<<32)))
		before := kernel.Nanotime()
		time.Sleep(left - 10*time.Millisecond)
		for {
			now := kernel.Nanotime()
			if now < before {
				t.Fatalf("time went back from %d to %d", before, now)
			}
			before = now
			c, _ := kernel.Counter()
			if c>>32 != count>>32 {
				break
			}
			sleepsRight(t)
		}
		t.Logf("past %#x after %v", count>>32+1, time.Duration(before))
	}
}

func TestDeadlinesAreInOrderWhateverTheyAre(t *testing.T) {
	inImage(t)
	in := []int64{math.MaxInt64, 1<<62 + 1, 1 << 62, 1<<53 + 1, 1 << 53, 1<<32 + 1, 1 << 32, 1<<32 - 1,
		1 << 31, 1<<31 - 1, 1 << 40, 1 << 41, 1<<41 - 1, 5, 4, 3, 2, 1, 1 << 60, 1<<60 + 1}
	got := kernel.TimerOrder(in)
	slices.Sort(in)
	if !slices.Equal(got, in) {
		t.Errorf("in the order %v, want %v", got, in)
	}
}

func TestLongestSleepEndsAtTheEndOfTime(t *testing.T) {
	inImage(t)
	for _, c := range []struct{ ns, atLeast int64 }{
		{0, 0}, {1, 1}, {1 << 32, 1 << 32}, {1 << 62, 1 << 62}, {math.MaxInt64, 1 << 62},
	} {
		if got := kernel.After(c.ns); got < c.atLeast || got > 1<<62+kernel.Nanotime() {
			t.Errorf("after(%d) = %d", c.ns, got)
		}
	}
	// A sleep of 100 years begins, and a signal ends it: nothing has wrapped.
	woken := make(chan time.Duration)
	var w uint32
	go func() {
		ts := syscall.NsecToTimespec(0x7fffffff * 1_000_000_000)
		t0 := kernel.Nanotime()
		syscall.Syscall6(syscall.SYS_FUTEX, uintptr(unsafe.Pointer(&w)), 0, 0, uintptr(unsafe.Pointer(&ts)), 0, 0)
		woken <- time.Duration(kernel.Nanotime() - t0)
	}()
	time.Sleep(20 * time.Millisecond)
	select {
	case d := <-woken:
		t.Errorf("a sleep of 68 years ended after %v", d)
	default:
		syscall.Syscall(syscall.SYS_FUTEX, uintptr(unsafe.Pointer(&w)), 1, 1)
		<-woken
	}
}

// A thread that sleeps alone wakes up when its time has come, and not before:
// what it is late is what the way from the interrupt to its next instruction
// costs, and does not depend on the time slept, nor on where between two ticks of
// the timer that ends.
func TestSleepEndsAtTheTimersTick(t *testing.T) {
	inImage(t)
	counted := regular()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var lates []int64
	interrupted := 0
	for i := range int64(200) {
		d := 100_000 + i*i*177 + i
		ts := syscall.NsecToTimespec(d)
		t0 := kernel.Nanotime()
		if _, _, e := syscall.RawSyscall(syscall.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&ts)), 0, 0); e == syscall.EINTR {
			interrupted++ // by the runtime, which wants the P back
			continue
		}
		late := kernel.Nanotime() - t0 - d
		if late < 0 {
			t.Fatalf("woke up %d ns before %d ns were over", -late, d)
		}
		lates = append(lates, late)
	}
	if interrupted > 150 {
		t.Fatalf("%d sleeps of 200 were interrupted", interrupted)
	}
	slices.Sort(lates)
	most := lates[len(lates)*9/10]
	t.Logf("%d to %d ns late, 9 in 10 to %d; a tick is %d ns; %d interrupted",
		lates[0], lates[len(lates)-1], most, kernel.Tick(), interrupted)
	// Threads of the runtime, such as its monitor, run first now and then.
	if counted && most > 6000 {
		t.Errorf("%d to %d instructions late", lates[0], most)
	}
}

func TestWallClockStartsFromTheRealTimeClockIfThatCanBeRight(t *testing.T) {
	inImage(t)
	was := time.Now()
	up := kernel.Nanotime()
	defer func() { kernel.SetWallTime(was.UnixNano() + kernel.Nanotime() - up) }()
	sec := func(s string) int64 {
		at, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return at.UnixNano()
	}
	now := func() int64 { // not time.Now, whose monotonic part hides a step
		var ts [2]int64
		syscall.RawSyscall(403, 0, uintptr(unsafe.Pointer(&ts)), 0)
		return ts[0]*1e9 + int64(int32(ts[1]))
	}
	for _, c := range []struct {
		rtc   string
		ok    bool
		taken bool
	}{
		{"2031-05-06T07:08:09Z", true, true},
		{"2026-01-01T00:00:00Z", true, true},
		{"2099-12-31T23:59:00Z", true, true},
		{"2031-05-06T07:08:09Z", false, false},
		{"1970-01-01T14:00:00Z", true, false},
		{"2025-12-31T23:59:59Z", true, false},
		{"2100-01-01T00:00:00Z", true, false},
	} {
		const start = "2027-01-01T00:00:00Z"
		kernel.SetWallTime(sec(start))
		kernel.StartWall(sec(c.rtc), c.ok)
		want := sec(start)
		if c.taken {
			want = sec(c.rtc)
		}
		if d := now() - want; d < 0 || d > 60e9 {
			t.Errorf("%s, %v: the clock shows %v", c.rtc, c.ok, time.Unix(0, now()).UTC())
		}
	}
}

// QEMU 7.2's SNVS has no counter; that of later ones can be started.
func TestRealTimeClockRunsOnceItIsSetOrSaysThatItDoesNot(t *testing.T) {
	inImage(t)
	rtc := board.Current().SoC.RTC
	at, ok := rtc.Now()
	t.Logf("at boot: %v, runs: %v", time.Unix(0, at).UTC(), ok)
	if ok && kernel.WallTimeSane(at) {
		return // a board's, or a boot before: it is left alone
	}
	const want = 1_900_000_000 * 1_000_000_000
	err := rtc.Set(want)
	at, ok = rtc.Now()
	if d := at - want; (err == nil) != ok || ok && (d < -31_000 || d > 60e9) {
		t.Errorf("set to %d: %v; then it shows %d, %v", int64(want), err, at, ok)
	}
	t.Logf("Set: %v", err)
}

//go:build arm && (mx6ulevk || sabrelite)

package kernel_test

import (
	"math"
	"slices"
	"syscall"
	"testing"
	"time"
	"unsafe"

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

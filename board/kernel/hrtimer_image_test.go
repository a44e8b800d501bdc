//go:build arm && (mx6ulevk || sabrelite)

package kernel_test

import (
	"testing"
	"time"
	"unsafe"

	"github.com/gasp-go/gasp/board/kernel"
	"github.com/gasp-go/gasp/board/trap"
)

// alarm is a timer and what happened to it. Trap context writes it.
type alarm struct {
	*kernel.Timer
	ran    kernel.Event
	at     [4]int64
	n      int
	inTrap bool
	again  int64 // starts itself again
}

func newAlarm(t *testing.T) *alarm {
	t.Helper()
	a := &alarm{}
	a.Timer = kernel.NewTimer(func() {
		a.at[a.n&3] = kernel.Nanotime()
		a.n++
		a.inTrap = kernel.InTrap()
		if a.again > 0 && a.n < len(a.at) {
			a.Start(a.again)
		}
		a.ran.Signal()
	})
	if a.Timer == nil {
		t.Fatal("no timer left")
	}
	return a
}

func inTrap(fn func()) { trap.Run(func(unsafe.Pointer) { fn() }, nil) }

func TestTimersRunOutInTrapContextAndNotBefore(t *testing.T) {
	inImage(t)
	a, b := newAlarm(t), newAlarm(t)
	const ms = int64(time.Millisecond)
	var t0 int64
	inTrap(func() {
		t0 = kernel.Nanotime()
		a.Start(50 * ms)
		a.Start(2 * ms) // instead
		b.Start(3 * ms)
	})
	a.ran.Wait()
	b.ran.Wait()
	if !a.inTrap || !b.inTrap {
		t.Error("a timer's function did not run in trap context")
	}
	if d := a.at[0] - t0; d < 2*ms {
		t.Errorf("the first ran out %d ns after it was started for 2 ms", d)
	}
	if b.at[0] < a.at[0] || b.at[0]-t0 < 3*ms {
		t.Errorf("the second ran out after %d ns, the first after %d", b.at[0]-t0, a.at[0]-t0)
	}

	inTrap(func() { a.Start(ms); b.Start(2 * ms); a.Cancel() })
	b.ran.Wait()
	time.Sleep(time.Millisecond)
	var n [2]int
	inTrap(func() { n = [2]int{a.n, b.n} })
	if n != [2]int{1, 2} {
		t.Errorf("after Cancel they have run %v times, want 1 and 2", n)
	}

	inTrap(func() { a.n, a.again, t0 = 0, ms, kernel.Nanotime(); a.Start(-1) })
	for n := 0; n < len(a.at); {
		a.ran.Wait()
		inTrap(func() { n = a.n })
	}
	for i, at := range a.at {
		if at-t0 < int64(i)*ms {
			t.Errorf("run %d of a timer that starts itself came after %d ns", i, at-t0)
		}
	}
}

func TestStartingATimerDoesNotAllocate(t *testing.T) {
	inImage(t)
	a := newAlarm(t)
	if n := testing.AllocsPerRun(100, func() {
		trap.Run(func(p unsafe.Pointer) { (*alarm)(p).Start(1000) }, unsafe.Pointer(a))
		a.ran.Wait()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

//go:build arm && (mx6ulevk || sabrelite)

package kernel_test

import (
	"crypto/sha256"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/gasp-go/gasp/board/kernel"
	"github.com/gasp-go/gasp/board/trap"
)

var fiqsSent atomic.Uint32

// sendFIQ has the CPU take the FIQ at the next instruction.
func sendFIQ() {
	kernel.ProgressForFIQ()
	fiqsSent.Add(1)
	kernel.PendIRQ(softIRQ)
}

func TestAnFIQDisturbsNobody(t *testing.T) {
	inImage(t)
	if !kernel.RouteFIQ(softIRQ) {
		t.Fatal("no FIQ: not in secure state?")
	}
	defer kernel.RouteIRQ(softIRQ)
	before := kernel.FIQCount()

	// From a thread, from a critical section, and from a timer's interrupt, which
	// comes anywhere: between them everything must stay as it is. It may come
	// between the thread's progress and its FIQ, which takes more progress.
	var tick *kernel.Timer
	tick = kernel.NewTimer(func() { sendFIQ(); kernel.ProgressForFIQ(); tick.Start(50_000) })
	if tick == nil {
		t.Fatal("no timer")
	}
	trap.Run(func(unsafe.Pointer) { tick.Start(0) }, nil)
	data := make([]byte, 1000)
	want := sha256.Sum256(data)
	for end := time.Now().Add(200 * time.Millisecond); time.Now().Before(end); {
		sendFIQ()
		trap.Run(func(unsafe.Pointer) { sendFIQ() }, nil)
		if got := sha256.Sum256(data); got != want {
			t.Fatalf("SHA-256 is %x, was %x", got, want)
		}
	}
	trap.Run(func(unsafe.Pointer) { tick.Cancel() }, nil)
	if n := kernel.FIQCount() - before; n != fiqsSent.Load() || n < 10 {
		t.Errorf("%d FIQs were taken, %d sent", n, fiqsSent.Load())
	}
}

// The controller has one register for both to be acknowledged with: what becomes
// pending between an exception and its look there is read by the wrong one.
func TestAnFIQThatIsReadAsAnInterruptStaysEnabled(t *testing.T) {
	inImage(t)
	if !kernel.RouteFIQ(softIRQ) {
		t.Fatal("no FIQ: not in secure state?")
	}
	defer kernel.RouteIRQ(softIRQ)
	before, spurious := kernel.FIQCount(), kernel.Spurious()
	trap.Run(func(unsafe.Pointer) {
		kernel.FIQAsIRQ(true)
		kernel.PendIRQ(softIRQ)
	}, nil)
	kernel.FIQAsIRQ(false)
	if n := kernel.FIQCount() - before; n != 0 || kernel.Spurious() != spurious {
		t.Fatalf("taken as FIQ %d times, spurious %d", n, kernel.Spurious()-spurious)
	}
	sendFIQ()
	if n := kernel.FIQCount() - before; n != 1 {
		t.Errorf("%d FIQs afterwards, 1 sent", n)
	}
}

func TestAnInterruptThatIsReadAsTheFIQIsTakenAfterwards(t *testing.T) {
	inImage(t)
	before := topRuns.Load()
	kernel.HandleIRQ(softIRQ, func() { topRuns.Add(1) })
	defer kernel.DisableIRQ(softIRQ)
	for want := int32(1); want <= 2; want++ {
		trap.Run(func(unsafe.Pointer) {
			kernel.PendIRQ(softIRQ)
			kernel.FIQ()
		}, nil)
		if n := topRuns.Load() - before; n != want {
			t.Fatalf("%d of %d interrupts arrived", n, want)
		}
	}
}

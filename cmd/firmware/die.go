//go:build arm

package main

import (
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/gasp-go/gasp"
	"github.com/gasp-go/gasp/board/kernel"
	"github.com/gasp-go/gasp/board/trap"
)

// deaths are the ways to die, by name.
var deaths = map[string]func(){
	"panic":     func() { panic("asked to panic") },
	"nil":       nilDereference,
	"throw":     concurrentMapWrites,
	"oom":       outOfMemory,
	"stack":     func() { depth = overflow(1) },
	"undef":     undefined,
	"garbage":   jumpToGarbage,
	"exit":      func() { os.Exit(3) },
	"trap":      gasp.FaultInTrap,
	"tophalf":   gasp.FaultInTopHalf,
	"twice":     gasp.FaultInPanic,
	"spin":      spinForever,
	"text":      func() { writeByte(text()) },
	"rodata":    func() { writeByte(unsafe.Pointer(unsafe.StringData(constant))) },
	"data":      executeData,
	"align":     misaligned,
	"alloff":    allOff,
	"irqsoff":   irqsOff,
	"traphang":  gasp.HangInTrap,
	"tophang":   gasp.HangInTopHalf,
	"soft":      starve,
	"panichang": gasp.HangInPanic,
	"always":    gasp.FaultAlwaysInPanic,
}

// deadlock sleeps for ever. The runtime sees a deadlock only while there is no
// other goroutine that could wake up, no timer, and no thread in a system call:
// before gasp.Start, which has the panic path ready all the same.
func deadlock() { select {} }

// deadly reports whether how is a way to die.
func deadly(how string) bool { return deaths[how] != nil }

// ways lists the ways to die.
func ways() string {
	var names []string
	for name := range deaths {
		names = append(names, name)
	}
	sort.Strings(names)
	return strings.Join(names, " ")
}

// die dies of how on the calling goroutine; an unknown way is a panic too.
func die(how string) {
	f := deaths[how]
	if f == nil {
		panic("gasp.die: no such way to die: " + how)
	}
	f()
}

type victim struct{ a, b int }

//go:noinline
func nilDereference() {
	var p *victim
	p.b = 1
}

// concurrentMapWrites makes the runtime throw: a fatal error that no recover
// catches.
func concurrentMapWrites() {
	m := map[int]int{}
	for range 4 {
		go func() {
			for i := 0; ; i++ {
				m[i&1023] = i
			}
		}()
	}
	select {}
}

var hoard [][]byte

func outOfMemory() {
	for {
		b := make([]byte, 1<<20)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		hoard = append(hoard, b)
	}
}

// depth keeps the calls below from being optimised away.
var depth int

//lint:ignore SA5007 that it never ends is the point
func overflow(n int) int { return overflow(n+1) + n }

func undefined() // executes an undefined instruction, in assembly

func jumpToGarbage() {
	target := uintptr(0xdeadbeec)
	fn := &target
	(*(*func())(unsafe.Pointer(&fn)))()
}

// constant lies in read-only data.
const constant = "this must not change"

func writeByte(p unsafe.Pointer) { *(*byte)(p) = 1 }

func text() unsafe.Pointer {
	fn := nilDereference
	return **(**unsafe.Pointer)(unsafe.Pointer(&fn))
}

// code is "bx lr", in a variable.
var code = [1]uint32{0xe12fff1e}

func executeData() {
	target := uintptr(unsafe.Pointer(&code))
	fn := &target
	(*(*func())(unsafe.Pointer(&fn)))()
}

func misaligned() // loads two words from an odd address, in assembly

func allOff() // loops for ever with FIQ masked too, in assembly

func irqsOff() // loops for ever with interrupts masked, in assembly

// loop runs until *stop is not 0, in assembly, where the runtime cannot preempt it.
func loop(stop *uint32)

const (
	starveLimit = int64(time.Minute)            // until starve gives up
	starveCheck = int64(100 * time.Millisecond) // between two looks of it
)

// starving is what starve's timer works on.
var starving struct {
	timer *kernel.Timer
	seen  uint32 // soft lockups before it
	since int64
	stop  uint32
}

// makeStarveTimer makes the timer, which lasts for ever.
var makeStarveTimer = sync.OnceFunc(func() { starving.timer = kernel.NewTimer(checkStarved) })

// checkStarved ends loop once a soft lockup was reported. Trap context.
func checkStarved() {
	s := &starving
	if kernel.SoftLockups() != s.seen || kernel.Nanotime()-s.since >= starveLimit {
		s.stop = 1
		return
	}
	s.timer.Start(starveCheck)
}

// endCollections lets no collection begin any more, and returns when none is under
// way, with the percentage for debug.SetGCPercent to have them again. While one marks,
// or waits for all Ps, a goroutine that loops keeps the world from being stopped, and
// all others run on.
func endCollections() int {
	was := debug.SetGCPercent(-1)
	runtime.GC()           // behind one that had decided to begin
	debug.SetGCPercent(-1) // waits for what runtime.GC does not: its last step
	return was
}

// starve keeps all goroutines from running until the kernel has reported it, and
// then goes on: one of them wants to stop the world, and another does not stop.
func starve() {
	defer debug.SetGCPercent(endCollections())
	s := &starving
	makeStarveTimer()
	s.seen, s.since, s.stop = kernel.SoftLockups(), kernel.Nanotime(), 0
	begun := make(chan struct{})
	go func() {
		close(begun)
		// To stop the world before loop has begun does no harm: the next attempt
		// waits for loop. Gosched leaves this P, which may be loop's.
		var m runtime.MemStats
		for atomic.LoadUint32(&s.stop) == 0 {
			runtime.ReadMemStats(&m)
			runtime.Gosched()
		}
	}()
	<-begun
	trap.Run(func(unsafe.Pointer) { starving.timer.Start(starveCheck) }, nil)
	loop(&s.stop)
	if kernel.SoftLockups() == s.seen {
		slog.Error("starved, and no soft lockup was found", "for", time.Duration(starveLimit))
		return
	}
	slog.Info("starved for long enough")
}

var spins uint64

// spinForever computes without ever calling anything. It is no death: the
// runtime preempts it, and the network goes on.
func spinForever() {
	for {
		spins++
	}
}

//go:build arm

package main

import (
	"os"
	"sort"
	"strings"
	"unsafe"

	"github.com/gasp-go/gasp"
)

// deaths are the ways to die, by name.
var deaths = map[string]func(){
	"panic":   func() { panic("asked to panic") },
	"nil":     nilDereference,
	"throw":   concurrentMapWrites,
	"oom":     outOfMemory,
	"stack":   func() { depth = overflow(1) },
	"undef":   undefined,
	"garbage": jumpToGarbage,
	"exit":    func() { os.Exit(3) },
	"trap":    gasp.FaultInTrap,
	"tophalf": gasp.FaultInTopHalf,
	"twice":   gasp.FaultInPanic,
	"spin":    spinForever,
}

// deadlock sleeps for ever. The runtime sees a deadlock only while there is no
// other goroutine that could wake up, nor a timer: at boot.
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
	if how == "deadlock" {
		f = deadlock
	}
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

var spins uint64

// spinForever computes without ever calling anything. It is no death: the
// runtime preempts it, and the network goes on.
func spinForever() {
	for {
		spins++
	}
}

//go:build arm

package kernel

import (
	"unsafe"

	"github.com/gasp-go/gasp/board/trap"
)

// For tests in package kernel_test.

// Counter returns the timer's counter and how many ns it takes for 1<<32 counts.
func Counter() (count uint64, wrap int64) {
	return counter(), clk.ns(clk.boot + 1<<32)
}

// After is the deadline ns from now.
func After(ns int64) int64 { return after(ns) }

// TimerOrder puts n threads that there are not into the queue of deadlines and
// returns the deadlines in the order in which they would wake up.
func TimerOrder(deadlines []int64) []int64 {
	x := timerOrder{n: min(len(deadlines), len(timerOrder{}.at))}
	copy(x.at[:], deadlines)
	trap.Run(func(p unsafe.Pointer) {
		x := (*timerOrder)(p)
		last := int16(maxThreads)
		for i := range x.at[:x.n] {
			last--
			if threads[last].state != threadFree {
				x.n = 0 // a thread after all
				break
			}
			timerAdd(last, x.at[i])
		}
		out := 0
		for pass := int16(0); timerLen > 0 && out < x.n && pass < maxThreads; pass++ {
			i := timerQueue[0]
			if i >= last {
				x.at[out] = threads[i].deadline
				out++
			} else {
				x.real[x.nreal] = i
				x.nreal++
			}
			timerRemove(i)
		}
		for _, i := range x.real[:x.nreal] {
			timerAdd(i, threads[i].deadline)
		}
		x.n = out
	}, unsafe.Pointer(&x))
	return append([]int64(nil), x.at[:x.n]...)
}

type timerOrder struct {
	n, nreal int
	at       [32]int64
	real     [maxThreads]int16
}

// ForgetSeed makes the generator not seeded, with some samples of jitter taken,
// and Seed seeded again.
func ForgetSeed(taken uint32) {
	trap.Run(func(p unsafe.Pointer) {
		seeded, credits, samples = false, 0, *(*uint32)(p)
	}, unsafe.Pointer(&taken))
}

func Seed() { trap.Run(func(unsafe.Pointer) { seeded = true }, nil) }

// Samples returns how many samples of jitter were taken, how many counted and
// the most that are taken.
func Samples() (taken, counted, most uint32) { return samples, credits, maxSamples }

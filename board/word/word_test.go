package word

import (
	"runtime"
	"sync/atomic"
	"testing"
)

func TestCounterCountsBeyond32Bits(t *testing.T) {
	var c Counter
	want := uint64(0)
	for i := range 1000 {
		n := uint32(1<<31-1) >> (i % 3)
		c.Add(n)
		if want += uint64(n); c.Load() != want {
			t.Fatalf("%d after %d additions, want %d", c.Load(), i+1, want)
		}
	}
}

// A reader that interrupted the writer sees it stopped in front of any of its
// stores.
func TestCounterIsRightInTheMiddleOfAnAddition(t *testing.T) {
	const before, after = 7<<32 | 0xffff_fff0, 8<<32 | 0x10
	var c Counter
	c.high.Store(7)
	c.next.Store(7)
	atomic.StoreUint32(&c.low, 0xffff_fff0)
	for i, step := range []struct {
		store func()
		want  uint64
	}{
		{func() {}, before},
		{func() { c.next.Store(8) }, before},
		{func() { atomic.StoreUint32(&c.low, 0x10) }, after},
		{func() { c.high.Store(8) }, after},
	} {
		if step.store(); c.Load() != step.want {
			t.Errorf("%#x after %d stores, want %#x", c.Load(), i, step.want)
		}
	}
}

func TestCounterNeverShowsWhatItWasNot(t *testing.T) {
	const n = 1 << 29 // wraps all the time
	additions := 20_000
	if runtime.GOARCH == "arm" {
		additions = 200 // on one CPU each takes two turns of the scheduler's
	}
	var c Counter
	var begun, done, reads atomic.Uint64
	go func() {
		for range additions {
			// A read meets no more than it may.
			for r, i := reads.Load(), 1; reads.Load() == r; i++ {
				if i%1000 == 0 {
					runtime.Gosched()
				}
			}
			begun.Add(1)
			c.Add(n)
			done.Add(1)
		}
	}()
	for done.Load() < uint64(additions) {
		least := done.Load() * n
		v := c.Load()
		most := begun.Load() * n
		if v < least || v > most {
			t.Fatalf("%#x, which is not from %#x to %#x", v, least, most)
		}
		reads.Add(1)
		if v == most { // nothing is under way: the writer's turn
			runtime.Gosched()
		}
	}
}

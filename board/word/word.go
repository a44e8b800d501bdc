// Package word reads and writes words that goroutines and trap context share, for
// what is done with every frame. The operations of sync/atomic are calls on ARM,
// with barriers for other CPUs in them, or loops; on the one CPU there is, its own
// loads and stores are in order, interrupts included, and a store of an aligned
// word is whole.
//
// On ARM each operation is one plain load or store in the order of the program,
// elsewhere it is sync/atomic's. That is enough to pass something on. It is not for
// words that are waited for in a loop, nor for words that two change.
package word

import "sync/atomic"

// Counter is a 64-bit counter that one writer at a time adds to: for example
// whoever owns what is counted. Any context may read it at any time, one that
// interrupted the writer too. The zero Counter is 0. It must not be copied.
type Counter struct {
	low        uint32
	high, next atomic.Uint32 // the upper half twice; they differ while low is about to wrap or has just done so
}

// carry is Add where low has wrapped. Whoever reads in between sees the halves
// differ, and which one goes with low, as low is small only after it has wrapped.
func (c *Counter) carry(low uint32) {
	high := c.high.Load() + 1
	c.next.Store(high)
	atomic.StoreUint32(&c.low, low)
	c.high.Store(high)
}

// Load returns the count. The reader may be held up between its loads for as long
// as it takes to count 1<<31. Any context.
func (c *Counter) Load() uint64 {
	high, low, next := c.high.Load(), atomic.LoadUint32(&c.low), c.next.Load()
	if high != next && low < 1<<31 {
		high = next
	}
	return uint64(high)<<32 | uint64(low)
}

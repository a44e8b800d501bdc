//go:build !arm

package word

import "sync/atomic"

// Load reads w.
func Load(w *atomic.Uint32) uint32 { return w.Load() }

// Store writes w. Nobody else does at the time.
func Store(w *atomic.Uint32, v uint32) { w.Store(v) }

// LoadBool reads b.
func LoadBool(b *atomic.Bool) bool { return b.Load() }

// StoreBool writes b. Nobody else does at the time.
func StoreBool(b *atomic.Bool, v bool) { b.Store(v) }

// LoadPointer reads p.
func LoadPointer[T any](p *atomic.Pointer[T]) *T { return p.Load() }

// Add adds n, which is less than 1<<31. One writer at a time; any context.
func (c *Counter) Add(n uint32) {
	if low := atomic.LoadUint32(&c.low) + n; low < n {
		c.carry(low)
	} else {
		atomic.StoreUint32(&c.low, low)
	}
}

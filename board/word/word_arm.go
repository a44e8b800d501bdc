package word

import (
	"sync/atomic"
	"unsafe"
)

// An atomic type is its value and nothing else that takes room.

// Load reads w.
func Load(w *atomic.Uint32) uint32 { return *(*uint32)(unsafe.Pointer(w)) }

// Store writes w. Nobody else does at the time.
func Store(w *atomic.Uint32, v uint32) { *(*uint32)(unsafe.Pointer(w)) = v }

// LoadBool reads b.
func LoadBool(b *atomic.Bool) bool { return *(*uint32)(unsafe.Pointer(b)) != 0 }

// StoreBool writes b. Nobody else does at the time.
func StoreBool(b *atomic.Bool, v bool) {
	n := uint32(0)
	if v {
		n = 1
	}
	*(*uint32)(unsafe.Pointer(b)) = n
}

// LoadPointer reads p.
func LoadPointer[T any](p *atomic.Pointer[T]) *T { return *(**T)(unsafe.Pointer(p)) }

// Add adds n, which is less than 1<<31. One writer at a time; any context.
func (c *Counter) Add(n uint32) {
	if low := c.low + n; low < n {
		c.carry(low)
	} else {
		c.low = low
	}
}

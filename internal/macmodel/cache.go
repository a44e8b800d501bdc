package macmodel

import (
	"bytes"
	"sync"
	"unsafe"
)

// Line is the length of a cache line in bytes.
const Line = 64

// Cache is a write-back data cache over memory that the device masters (it is a
// dma.Cache). The CPU works in its own copy of the memory; a line of it is
// brought in line with the memory when it is invalidated, or evicted by
// EvictDirty. So the CPU reads old data, and old data overwrites the device's,
// wherever maintenance is missing.
type Cache struct {
	mu   sync.Mutex
	cpu  []byte // what the CPU sees
	was  []byte // what it was given: a line that differs is dirty
	mem  []byte // what the device sees
	skip func(call int) bool
	n    int
}

// NewCache returns a cache over size bytes of new memory, all of it cached.
func NewCache(size int) *Cache {
	return &Cache{cpu: make([]byte, size), was: make([]byte, size), mem: make([]byte, size)}
}

// CPU and Memory are the two sides.
func (c *Cache) CPU() []byte { return c.cpu }

// Memory: see CPU.
func (c *Cache) Memory() []byte { return c.mem }

// Skip makes calls of Invalidate do nothing, by their number, to see what comes
// of it.
func (c *Cache) Skip(fn func(call int) bool) { c.skip = fn }

// Invalidate is part of dma.Cache.
func (c *Cache) Invalidate(p unsafe.Pointer, n uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n++; c.skip != nil && c.skip(c.n-1) {
		return
	}
	start := int(uintptr(p) - uintptr(unsafe.Pointer(&c.cpu[0])))
	for at := start / Line * Line; at < start+int(n); at += Line {
		copy(c.cpu[at:at+Line], c.mem[at:])
		copy(c.was[at:at+Line], c.mem[at:])
	}
}

// EvictDirty writes every changed line back, as the cache may at any time.
func (c *Cache) EvictDirty() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for at := 0; at+Line <= len(c.cpu); at += Line {
		if !bytes.Equal(c.cpu[at:at+Line], c.was[at:at+Line]) {
			copy(c.mem[at:at+Line], c.cpu[at:])
			copy(c.was[at:at+Line], c.cpu[at:])
		}
	}
}

// Package dma hands out memory that devices read and write: physically
// contiguous and at a known bus address. It is coherent (mapped without caches),
// so that no cache maintenance is needed for what is in it, or streaming: cached,
// for data that the CPU reads much of, with maintenance at each change of hands.
//
// A device that writes a streaming buffer needs Invalidate twice. Before it gets
// the buffer: a line that the CPU has written could be evicted on top of the
// device's data. And before the CPU reads it: the CPU may have fetched lines on
// speculation while the device was writing.
package dma

import (
	"fmt"
	"sync"
	"unsafe"
)

// Mem is one allocation: the bytes as the CPU sees them and the address at
// which a device finds them.
type Mem struct {
	Bytes []byte
	Phys  uint32

	cache Cache // nil: coherent
}

// Cache is the maintenance of the data caches for a range of addresses: the CPU's
// own, or a test's model of one. Trap context.
type Cache interface {
	// Invalidate throws away what the caches hold of the range, changed or not,
	// so that the next read comes from memory. Whole lines go: the range must
	// share none with anything else.
	Invalidate(p unsafe.Pointer, n uint32)
}

// Invalidate prepares bytes off to off+n of m for a device that is about to write
// them, or for the CPU after a device has. It does nothing for coherent memory.
// Allocations must be aligned to cache lines (64 bytes). Trap context.
func (m *Mem) Invalidate(off, n uint32) {
	if m.cache != nil && n != 0 {
		m.cache.Invalidate(unsafe.Pointer(&m.Bytes[off]), n)
	}
}

// Addr returns the CPU's address of byte off of m.
func (m Mem) Addr(off int) unsafe.Pointer { return unsafe.Pointer(&m.Bytes[off]) }

// Region is a range of memory from which allocations are cut. They
// are never returned: drivers allocate when a device is first opened and keep
// what they have.
type Region struct {
	mu   sync.Mutex
	mem  []byte
	phys uint32
	next uint32

	cache Cache
}

// NewStreaming makes a region of cached memory, likewise.
func NewStreaming(mem []byte, phys uint32, cache Cache) *Region {
	return &Region{mem: mem, phys: phys, cache: cache}
}

// NewRegion makes a region of mem, whose first byte a device sees at phys. The
// caller gives mem away.
func NewRegion(mem []byte, phys uint32) *Region {
	return &Region{mem: mem, phys: phys}
}

// Alloc cuts size bytes from the region, zeroed, at a bus address that is a
// multiple of align (a power of two). It fails when the region is exhausted or
// an argument makes no sense.
func (r *Region) Alloc(size, align int) (Mem, error) {
	if size <= 0 || align <= 0 || align&(align-1) != 0 {
		return Mem{}, fmt.Errorf("dma: bad allocation: %d bytes aligned to %d", size, align)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	start := (uint64(r.phys)+uint64(r.next)+uint64(align)-1)&^uint64(align-1) - uint64(r.phys)
	if start+uint64(size) > uint64(len(r.mem)) {
		return Mem{}, fmt.Errorf("dma: out of memory: %d bytes asked, %d of %d left",
			size, uint64(len(r.mem))-uint64(r.next), len(r.mem))
	}
	r.next = uint32(start) + uint32(size)
	m := Mem{Bytes: r.mem[start : start+uint64(size) : start+uint64(size)], Phys: r.phys + uint32(start), cache: r.cache}
	clear(m.Bytes)
	return m, nil
}

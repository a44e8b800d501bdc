// Package dma hands out memory that devices read and write: physically
// contiguous, at a known bus address, and coherent (mapped without caches), so
// that no cache maintenance is needed for what is in it.
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
}

// Addr returns the CPU's address of byte off of m.
func (m Mem) Addr(off int) unsafe.Pointer { return unsafe.Pointer(&m.Bytes[off]) }

// Region is a range of coherent memory from which allocations are cut. They
// are never returned: drivers allocate when a device is first opened and keep
// what they have.
type Region struct {
	mu   sync.Mutex
	mem  []byte
	phys uint32
	next uint32
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
		return Mem{}, fmt.Errorf("dma: out of coherent memory: %d bytes asked, %d of %d left",
			size, uint64(len(r.mem))-uint64(r.next), len(r.mem))
	}
	r.next = uint32(start) + uint32(size)
	m := Mem{Bytes: r.mem[start : start+uint64(size) : start+uint64(size)], Phys: r.phys + uint32(start)}
	clear(m.Bytes)
	return m, nil
}

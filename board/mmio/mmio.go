// Package mmio accesses device registers: one load or one store each, 32 bits
// wide, never split, merged or repeated.
//
// Accesses to device memory (mapped Device-nGnRE/strongly ordered by the
// kernel) stay in program order among themselves. They are not ordered against
// accesses to normal or coherent memory; use Barrier for that, for instance
// between filling a descriptor and ringing its doorbell.
package mmio

// Bus is a register file other than the CPU's own bus: a model of a device or
// a connection to an emulator. It lets the very driver that runs on the target
// run in a test. Addresses are physical.
type Bus interface {
	Read32(addr uintptr) uint32
	Write32(addr uintptr, v uint32)
}

// Block is the register block of one device. The zero Block is not usable.
type Block struct {
	base uintptr
	bus  Bus
}

// At returns the block at base on the CPU's own bus.
func At(base uintptr) Block { return Block{base: base} }

// Through returns the block at base on bus.
func Through(bus Bus, base uintptr) Block { return Block{base: base, bus: bus} }

// Read32 reads the register at byte offset off. It may be called from trap
// context.
func (b Block) Read32(off uintptr) uint32 {
	if b.bus != nil {
		return b.bus.Read32(b.base + off)
	}
	return read32(b.base + off)
}

// Write32 writes the register at byte offset off. It may be called from trap
// context.
func (b Block) Write32(off uintptr, v uint32) {
	if b.bus != nil {
		b.bus.Write32(b.base+off, v)
		return
	}
	write32(b.base+off, v)
}

// Read16 reads the 16-bit register at byte offset off. Only blocks on the CPU's
// own bus have such registers. It may be called from trap context.
func (b Block) Read16(off uintptr) uint16 { return read16(b.base + off) }

// Write16 writes the 16-bit register at byte offset off, likewise.
func (b Block) Write16(off uintptr, v uint16) { write16(b.base+off, v) }

// Barrier completes all memory accesses before it (DSB) before any after it
// begins, whatever the kind of memory. It may be called from trap context.
func Barrier() { barrier() }

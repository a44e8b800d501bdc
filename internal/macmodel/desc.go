package macmodel

import (
	"sync/atomic"
	"unsafe"
)

// desc is a descriptor as the device has read it.
type desc struct {
	addr           uint32 // of the descriptor
	status, length uint32
	buf            uint32
	control        uint32 // of an enhanced one
	enhanced       bool
	words          [5]*uint32
}

// The words of descriptors are read and written as one each, as the device's
// bus master does, and so that the race detector sees who hands what to whom.
func (m *Model) word(addr uint32) *uint32 {
	off := addr - m.phys
	if addr < m.phys || uint64(off)+4 > uint64(len(m.mem)) || off%4 != 0 {
		return nil
	}
	return (*uint32)(unsafe.Pointer(&m.mem[off]))
}

// load reads the descriptor at addr; ok is false if there is no memory.
func (m *Model) load(addr uint32) (d desc, ok bool) {
	d.addr = addr
	d.enhanced = m.regs[ECR/4]&ecrEN1588 != 0
	n := 2
	if d.enhanced {
		n = 5
	}
	for i := range n {
		if d.words[i] = m.word(addr + uint32(i)*4); d.words[i] == nil {
			return d, false
		}
	}
	s := atomic.LoadUint32(d.words[0])
	d.status, d.length, d.buf = s>>16, s&0xffff, atomic.LoadUint32(d.words[1])
	if d.enhanced {
		d.control = atomic.LoadUint32(d.words[2])
	}
	return d, true
}

// store completes a descriptor: the status last.
func (d *desc) store(status, length uint32) {
	if d.enhanced {
		atomic.StoreUint32(d.words[2], d.control)
		atomic.StoreUint32(d.words[4], bduUpdate)
	}
	atomic.StoreUint32(d.words[0], status<<16|length&0xffff)
}

// interrupts reports whether events of this descriptor are to be raised: always
// those of legacy descriptors, else if INT says so.
func (d *desc) interrupts(bit uint32) bool { return !d.enhanced || d.control&bit != 0 }

// after is the address of the descriptor that follows d in the ring at base.
func (d *desc) after(base uint32) uint32 {
	switch {
	case d.status&flagWrap != 0:
		return base
	case d.enhanced:
		return d.addr + 32
	}
	return d.addr + 8
}

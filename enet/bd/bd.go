// Package bd keeps the buffer descriptor rings that an ENET and its driver
// share. It touches no register: it moves words in memory, in an order that
// lets the other side see a descriptor only when it is complete. That makes it
// possible to reason about it, and to test it, alone.
//
// # Who owns a descriptor
//
// One bit decides: E of a receive descriptor and R of a transmit descriptor,
// both bit 15 of the status. While it is set the descriptor and its buffer are
// the device's and the driver does not touch them; the device clears it when
// it is done. The bit sits in one aligned 32-bit word with the rest of the
// status and the length, so it changes together with them in a single store.
//
// # Order
//
// Giving a descriptor away: buffer, address word, barrier, {length, status}
// word with the bit set, barrier. The caller rings the doorbell (RDAR, TDAR)
// after that. Taking it back: read {length, status}, and only if the bit is
// clear, after a barrier, look at the buffer.
//
// The status word is always written whole. Devices may OR their flags into
// what they find there, so a flag left from the previous frame would condemn
// the next one.
//
// # Buffers
//
// Every descriptor has its own buffer from the day the ring is made. Buffers
// are lent to a function for the time of a call, never handed out.
//
// All methods are trap context code: no allocation, no waiting. A ring has no
// lock; the driver says who may use it when.
package bd

import (
	"errors"
	"fmt"
	"sync/atomic"
	"unsafe"

	"github.com/gasp-go/gasp/board/dma"
	"github.com/gasp-go/gasp/board/mmio"
)

// Status bits of a legacy descriptor (i.MX 6UltraLite Applications Processor
// Reference Manual, IMX6ULRM, chapter "10/100-Mbps Ethernet MAC (ENET)",
// sections "Legacy buffer descriptors": receive, transmit).
const (
	Empty = 1 << 15 // receive: E, the device may fill the buffer
	Ready = 1 << 15 // transmit: R, the device is to send the buffer
	Wrap  = 1 << 13 // W: the next descriptor is the first of the ring
	Last  = 1 << 11 // L: the buffer holds the end of a frame
	TxCRC = 1 << 10 // TC: append the FCS; valid with Last

	Miss      = 1 << 8 // M: not for us, received since the MAC is promiscuous
	Broadcast = 1 << 7 // BC
	Multicast = 1 << 6 // MC
	TooLong   = 1 << 5 // LG: longer than RCR.MAX_FL
	NonOctet  = 1 << 4 // NO: not a whole number of octets
	BadCRC    = 1 << 2 // CR: FCS or receive code error
	Overrun   = 1 << 1 // OV: the receive FIFO overran; the other flags mean nothing
	Truncated = 1 << 0 // TR: cut at FTRL; to be discarded
)

const (
	// Size of a legacy descriptor: length u16, status u16, buffer address u32,
	// all little-endian.
	Size = 8

	// Align is the alignment of rings and buffers (RDSR and TDSR take
	// multiples of 64 on parts with the wide bus interface, and a buffer then
	// starts a cache line).
	Align = 64

	// MinRing is the shortest ring: an ENET sends a frame twice from a ring of
	// one descriptor.
	MinRing = 2
)

// ErrRing is wrapped by the errors of NewRX and NewTX about their arguments.
var ErrRing = errors.New("bd: bad ring")

// ring is what both kinds of ring are made of.
type ring struct {
	desc dma.Mem
	buf  dma.Mem
	n    uint32 // descriptors
	size uint32 // bytes in each buffer, a multiple of Align
}

func (r *ring) init(region *dma.Region, n, size int) error {
	if n < MinRing || size < Align || size%Align != 0 || size > 0xffff {
		return fmt.Errorf("%w: %d descriptors with buffers of %d bytes", ErrRing, n, size)
	}
	var err error
	if r.desc, err = region.Alloc(n*Size, Align); err != nil {
		return err
	}
	if r.buf, err = region.Alloc(n*size, Align); err != nil {
		return err
	}
	r.n, r.size = uint32(n), uint32(size)
	return nil
}

// Base returns the bus address of the ring, for RDSR or TDSR.
func (r *ring) Base() uint32 { return r.desc.Phys }

// Len returns the number of descriptors.
func (r *ring) Len() int { return int(r.n) }

// BufSize returns the size of each buffer in bytes.
func (r *ring) BufSize() int { return int(r.size) }

// Word returns descriptor slot as it stands in memory: {status, length} and the
// buffer's address. For reports; slot is taken modulo the ring.
func (r *ring) Word(slot int) (statusLength, addr uint32) {
	s := uint32(slot) % r.n
	return atomic.LoadUint32(r.status(s)), atomic.LoadUint32(r.addr(s))
}

// give hands slot to the device: length and status in one store, after
// everything else of the descriptor and its buffer is in memory.
func (r *ring) give(slot uint32, length, status uint32) {
	if slot == r.n-1 {
		status |= Wrap
	}
	atomic.StoreUint32(r.addr(slot), r.buf.Phys+slot*r.size)
	mmio.Barrier() // buffer and address before the ownership bit
	atomic.StoreUint32(r.status(slot), status<<16|length)
	mmio.Barrier() // ownership bit before the doorbell the caller rings
	// Read it back: on a bus that posts writes the doorbell could otherwise
	// overtake the descriptor.
	atomic.LoadUint32(r.status(slot))
}

// take reads slot's status and length and orders the buffer's contents after
// them.
func (r *ring) take(slot uint32) (status, length uint32) {
	w := atomic.LoadUint32(r.status(slot))
	mmio.Barrier() // ownership bit before the buffer
	return w >> 16, w & 0xffff
}

func (r *ring) buffer(slot uint32) []byte {
	return r.buf.Bytes[slot*r.size : (slot+1)*r.size : (slot+1)*r.size]
}

// The words of a descriptor in memory. The region is aligned and little-endian
// like every CPU this runs on, so {length u16, status u16} is one word with the
// status in the upper half.
func (r *ring) status(slot uint32) *uint32 {
	return (*uint32)(unsafe.Pointer(&r.desc.Bytes[slot*Size]))
}

func (r *ring) addr(slot uint32) *uint32 {
	return (*uint32)(unsafe.Pointer(&r.desc.Bytes[slot*Size+4]))
}

// cursor is a position in a ring: seq runs freely and wraps by itself, so that
// the difference of two is the number of descriptors between them; slot is
// where in the ring that is. Keeping both allows rings of any length.
type cursor struct {
	seq, slot uint32
}

func (c *cursor) advance(n uint32) {
	c.seq++
	c.slot++
	if c.slot >= n {
		c.slot = 0
	}
}

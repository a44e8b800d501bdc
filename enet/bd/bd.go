// Package bd keeps the rings of enhanced buffer descriptors that an ENET and its
// driver share. It touches no register: it moves words in memory, in an order that
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
// Giving a descriptor away: buffer and the other words, barrier, {length,
// status} word with the bit set. Taking it back: read {length, status}, and
// only if the bit is clear, after a barrier, look at the rest and the buffer.
// Before the doorbell (RDAR, TDAR) the caller calls Flush, once for however
// many descriptors it gave away.
//
// Status and control words are always written whole. Devices may OR their flags
// into what they find there, so a flag left from the previous frame would
// condemn the next one.
//
// # Buffers
//
// Every descriptor has its own buffer from the day the ring is made. It is the
// driver's between Next and Recycle, or Buffer and Send, and never longer.
//
// All methods are trap context code: no allocation, no waiting. A ring has no
// lock; the driver says who may use it when.
package bd

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/gasp-go/gasp/board/dma"
	"github.com/gasp-go/gasp/board/mmio"
)

// Status bits (i.MX 6UltraLite Applications Processor Reference Manual, IMX6ULRM,
// chapter "10/100-Mbps Ethernet MAC (ENET)", sections "Enhanced receive buffer
// descriptor" and "Enhanced transmit buffer descriptor").
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

// Bits of the control word of a receive descriptor, the manual's offsets 8
// and A in one. The checksum bits are valid with Last.
const (
	RxInt    = 1 << 23 // INT: raise RXF or RXB for this descriptor
	BadIP    = 1 << 5  // ICE: not IP, or the header's checksum is wrong
	BadProto = 1 << 4  // PCR: the protocol's checksum is wrong, or the protocol unknown
	RxVLAN   = 1 << 2  // VLAN: the frame has a tag
	RxIPv6   = 1 << 1  // IPV6
	Fragment = 1 << 0  // FRAG: a fragment of an IPv4 packet
)

// Bits of the control word of a transmit descriptor, the same in all
// descriptors of a frame except for TxInt.
const (
	TxInt    = 1 << 30 // INT: raise TXF (with Last) and TXB for this descriptor
	SumProto = 1 << 28 // PINS: insert the checksum of TCP, UDP or ICMP; its field must be 0
	SumIP    = 1 << 27 // IINS: insert the IPv4 header's checksum; its field must be 0
)

const (
	// Size of an enhanced descriptor. Its words, little-endian: {length u16,
	// status u16}, buffer address, control, {checksum u16, protocol and header
	// length u16}, BDU, time stamp, two reserved.
	Size = 32

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

// init allocates descriptors from region, which is coherent, and buffers from
// bufs, which need not be: one for each descriptor, and spare more.
func (r *ring) init(region, bufs *dma.Region, n, size, spare int) error {
	if n < MinRing || size < Align || size%Align != 0 || size > 0xffff {
		return fmt.Errorf("%w: %d descriptors with buffers of %d bytes", ErrRing, n, size)
	}
	var err error
	// The larger first: if there is no room nothing is taken.
	if r.buf, err = bufs.Alloc((n+spare)*size, Align); err != nil {
		return err
	}
	if r.desc, err = region.Alloc(n*Size, Align); err != nil {
		return err
	}
	r.n, r.size = uint32(n), uint32(size)
	return nil
}

// resized is a ring of n descriptors in r's memory if that is enough, else in
// memory of its own; r's is then lost, since a region takes nothing back.
func (r *ring) resized(region, bufs *dma.Region, n, spare int) (ring, error) {
	if n < MinRing || n*Size > len(r.desc.Bytes) {
		var s ring
		err := s.init(region, bufs, n, int(r.size), spare)
		return s, err
	}
	s := *r
	s.n = uint32(n)
	return s, nil
}

// Base returns the bus address of the ring, for RDSR or TDSR.
func (r *ring) Base() uint32 { return r.desc.Phys }

// Len returns the number of descriptors.
func (r *ring) Len() int { return int(r.n) }

// BufSize returns the size of each buffer in bytes.
func (r *ring) BufSize() int { return int(r.size) }

// Words returns descriptor slot as it stands in memory: {status, length}, the
// buffer's address and control. For reports; slot is taken modulo the ring.
func (r *ring) Words(slot int) (statusLength, addr, control uint32) {
	d := r.word(uint32(slot) % r.n)
	return load(d, wordStatus), load(d, wordAddr), load(d, wordControl)
}

// flush orders the descriptors given away before the doorbell that the caller
// rings next. Reading the last of them back sees to it that it has arrived: on
// a bus that posts writes the doorbell could otherwise overtake it.
func (r *ring) flush(slot uint32) {
	mmio.Barrier()
	load(r.word(slot), wordStatus)
}

// Words of a descriptor. Status shares its word with the length, in the upper
// half, since memory is little-endian like every CPU this runs on.
const (
	wordStatus = iota
	wordAddr
	wordControl
	wordProto
	wordUpdate
)

// descriptor is the memory of one.
type descriptor [Size / 4]uint32

func (r *ring) word(slot uint32) *descriptor {
	return (*descriptor)(unsafe.Pointer(&r.desc.Bytes[slot*Size]))
}

// wrap is W in the last descriptor's status, else 0.
func (r *ring) wrap(slot uint32) uint32 {
	if slot == r.n-1 {
		return Wrap << 16
	}
	return 0
}

func (r *ring) buffer(slot uint32) []byte {
	return r.buf.Bytes[slot*r.size : (slot+1)*r.size : (slot+1)*r.size]
}

func (r *ring) addr(slot uint32) uint32 { return r.buf.Phys + slot*r.size }

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

package bd

import (
	"github.com/gasp-go/gasp/board/dma"
	"github.com/gasp-go/gasp/board/mmio"
)

// RX is a receive ring. Every descriptor is the device's except the ones it
// has filled; these the driver takes one by one, in order, and gives back at
// once:
//
//	for r.Next(&d) { use d and r.Data(d.Length); r.Recycle() }
//	r.Flush(), then RDAR: a device that found none empty has stopped
//
// There is one buffer more than descriptors, for Lend.
type RX struct {
	ring
	next cursor // the descriptor the device fills, or has filled, next
	read uint32 // how much of its buffer the CPU was given, and may have changed

	at    []uint32 // where each descriptor's buffer begins, in bytes from the first
	spare uint32   // where the one begins that no descriptor has
	lent  bool     // somebody reads in that one
}

// RxDesc is a filled descriptor: what the device wrote, believed by nobody.
type RxDesc struct {
	Status  uint32
	Length  int    // as the device claims
	Control uint32 // see BadIP
	Proto   uint32 // payload checksum and, in the upper half, protocol and header length; 0 if the device has no accelerator
}

// NewRX allocates a ring of n descriptors from region, which is coherent, with
// buffers of size bytes, a multiple of Align, from bufs, which may be streaming.
// The descriptors are empty and the device's.
func NewRX(region, bufs *dma.Region, n, size int) (*RX, error) {
	r := new(RX)
	if err := r.init(region, bufs, n, size, 1); err != nil {
		return nil, err
	}
	r.at = make([]uint32, n)
	r.Reset()
	return r, nil
}

// Resized returns an empty ring of n descriptors with buffers of the same size,
// which takes r's place and memory: the device must be stopped, and r is not to
// be used any more. On an error r stays as it is.
func (r *RX) Resized(region, bufs *dma.Region, n int) (*RX, error) {
	s, err := r.resized(region, bufs, n, 1)
	if err != nil {
		return nil, err
	}
	rx := &RX{ring: s, at: make([]uint32, n)}
	rx.Reset()
	return rx, nil
}

// Reset gives the whole ring to the device, from its first descriptor on. What
// was received and not taken is lost. The device must be stopped.
func (r *RX) Reset() {
	r.next, r.read = cursor{}, 0
	r.spare, r.lent = uint32(len(r.buf.Bytes))-r.size, false
	r.buf.Invalidate(0, uint32(len(r.buf.Bytes))) // the spare buffer's, too: Lend gives it away as it is
	for s := uint32(0); s < r.n; s++ {
		r.at[s] = s * r.size
		r.give(s)
	}
	r.flush(r.n - 1)
}

// give hands slot to the device, everything before its status.
func (r *RX) give(slot uint32) {
	d := r.word(slot)
	store(d, wordAddr, r.buf.Phys+r.at[slot])
	store(d, wordControl, RxInt)
	store(d, wordProto, 0)
	store(d, wordUpdate, 0)
	mmio.Barrier()
	store(d, wordStatus, Empty<<16|r.wrap(slot))
}

// Pending reports whether a filled descriptor waits to be received.
func (r *RX) Pending() bool {
	return load(r.word(r.next.slot), wordStatus)&(Empty<<16) == 0
}

// Next tells what is in the oldest filled descriptor, or returns false if there
// is none. It and its buffer are the driver's until it calls Recycle; called
// again without that, Next tells the same.
func (r *RX) Next(d *RxDesc) bool {
	w := r.word(r.next.slot)
	v := load(w, wordStatus)
	if v&(Empty<<16) != 0 {
		return false
	}
	mmio.Barrier() // ownership bit before all else
	d.Status, d.Length = v>>16, int(v&0xffff)
	d.Control, d.Proto = load(w, wordControl), load(w, wordProto)
	return true
}

// Data returns the start of the buffer of the descriptor that Next told of,
// length bytes, but never more than it has. They may be changed. It is called
// once for each descriptor.
func (r *RX) Data(length int) []byte {
	r.read = min(uint32(length), r.size)
	at := r.at[r.next.slot]
	r.buf.Invalidate(at, r.read) // after the ownership bit was seen
	return r.buf.Bytes[at : at+r.read : at+r.size]
}

// Recycle gives the descriptor that Next told of back to the device.
func (r *RX) Recycle() {
	r.buf.Invalidate(r.at[r.next.slot], r.read) // what was changed must not follow
	r.read = 0
	r.give(r.next.slot)
	r.next.advance(r.n)
}

// Lend is Recycle for a descriptor whose frame somebody goes on to read, however
// long that takes: the descriptor goes back to the device with the spare buffer,
// and its own is the reader's until Return. Only one can be lent at a time; Lend
// reports whether it was.
func (r *RX) Lend() bool {
	if r.lent {
		return false
	}
	slot := r.next.slot
	r.at[slot], r.spare, r.lent = r.spare, r.at[slot], true
	r.read = 0
	r.give(slot)
	r.next.advance(r.n)
	return true
}

// Lent reports whether a buffer is lent.
func (r *RX) Lent() bool { return r.lent }

// Return takes the lent buffer back from its reader, as the next spare one.
func (r *RX) Return() {
	r.buf.Invalidate(r.spare, r.size) // what was changed must not follow
	r.lent = false
}

// Flush orders what was recycled before the doorbell.
func (r *RX) Flush() { r.flush((r.next.slot + r.n - 1) % r.n) }

// Slot returns the slot of the descriptor that is filled next. For reports.
func (r *RX) Slot() int { return int(r.next.slot) }

// Filled counts the descriptors the device has filled and the driver has not
// given back yet. It looks at every one, so it is for statistics only; it may
// be called in any context.
func (r *RX) Filled() int {
	n := 0
	for s := uint32(0); s < r.n; s++ {
		if load(r.word(s), wordStatus)&(Empty<<16) == 0 {
			n++
		}
	}
	return n
}

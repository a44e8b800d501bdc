package bd

import (
	"sync/atomic"

	"github.com/gasp-go/gasp/board/dma"
)

// RX is a receive ring. Every descriptor is the device's except the ones it
// has filled; these are lent to the driver one by one, in order, and go back
// to the device at once.
type RX struct {
	ring
	next cursor // the descriptor the device fills, or has filled, next
}

// NewRX allocates a ring of n descriptors with buffers of size bytes, a
// multiple of Align. The descriptors are empty and the device's.
func NewRX(region *dma.Region, n, size int) (*RX, error) {
	r := new(RX)
	if err := r.init(region, n, size); err != nil {
		return nil, err
	}
	r.Reset()
	return r, nil
}

// Reset gives the whole ring to the device, from its first descriptor on. What
// was received and not taken is lost. The device must be stopped.
func (r *RX) Reset() {
	r.next = cursor{}
	for s := uint32(0); s < r.n; s++ {
		r.give(s, 0, Empty)
	}
}

// Pending reports whether a filled descriptor waits to be received.
func (r *RX) Pending() bool {
	return atomic.LoadUint32(r.status(r.next.slot))>>16&Empty == 0
}

// Receive lends the oldest filled descriptor to body and then gives it back to
// the device. It returns false if there is none. The caller writes RDAR after
// some descriptors were given back: a device that found none empty has
// stopped.
//
// status and length are what the device wrote, believed by nobody: data is the
// start of the buffer, length bytes but never more than the buffer has. It is
// body's until body returns.
func (r *RX) Receive(body func(status uint16, length int, data []byte)) bool {
	slot := r.next.slot
	status, length := r.take(slot)
	if status&Empty != 0 {
		return false
	}
	n := length
	if n > r.size {
		n = r.size
	}
	body(uint16(status), int(length), r.buffer(slot)[:n])
	r.give(slot, 0, Empty)
	r.next.advance(r.n)
	return true
}

// Next returns the slot of the descriptor that is filled next. For reports.
func (r *RX) Next() int { return int(r.next.slot) }

// Filled counts the descriptors the device has filled and the driver has not
// given back yet. It looks at every one, so it is for statistics only; it may
// be called in any context.
func (r *RX) Filled() int {
	n := 0
	for s := uint32(0); s < r.n; s++ {
		if atomic.LoadUint32(r.status(s))>>16&Empty == 0 {
			n++
		}
	}
	return n
}

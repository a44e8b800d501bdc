package bd

import (
	"sync/atomic"

	"github.com/gasp-go/gasp/board/dma"
)

// TX is a transmit ring. Frames go in at the head and are reclaimed, once the
// device has sent them, at the tail:
//
//	tail <= sent by the device, not reclaimed <= being sent <= head
//
// The ring is full when head is a whole ring ahead of tail. One frame is one
// descriptor.
type TX struct {
	ring
	head cursor // next to fill
	tail cursor // oldest not reclaimed
}

// NewTX allocates a ring of n descriptors with buffers of size bytes, a
// multiple of Align. The ring is empty.
func NewTX(region *dma.Region, n, size int) (*TX, error) {
	t := new(TX)
	if err := t.init(region, n, size); err != nil {
		return nil, err
	}
	t.Reset()
	return t, nil
}

// Reset takes every descriptor from the device and starts again at the first.
// What was queued is forgotten. The device must be stopped. It returns how
// many frames were queued.
func (t *TX) Reset() int {
	queued := t.Queued()
	t.head, t.tail = cursor{}, cursor{}
	for s := uint32(0); s < t.n; s++ {
		t.give(s, 0, 0)
	}
	return queued
}

// Queued returns the number of frames in the ring that were not reclaimed yet.
func (t *TX) Queued() int {
	n := t.head.seq - t.tail.seq
	if n > t.n { // only if an update was interrupted for good
		n = t.n
	}
	return int(n)
}

// Free returns the number of frames that Send still accepts.
func (t *TX) Free() int { return int(t.n) - t.Queued() }

// Send queues one frame of length bytes: it lends the next buffer to fill,
// cut to length, and then gives the descriptor to the device. It returns false,
// without calling fill, if the ring is full; that is an ordinary result. The
// caller writes TDAR afterwards. length must not exceed BufSize.
func (t *TX) Send(length int, fill func(buf []byte)) bool {
	if t.Free() <= 0 || length < 0 || length > int(t.size) {
		return false
	}
	slot := t.head.slot
	fill(t.buffer(slot)[:length])
	t.give(slot, uint32(length), Ready|Last|TxCRC)
	t.head.advance(t.n)
	return true
}

// Reclaim takes back what the device has sent, in order, and returns how many
// frames that were.
func (t *TX) Reclaim() int {
	n := 0
	for t.head.seq != t.tail.seq && n < int(t.n) {
		status, _ := t.take(t.tail.slot)
		if status&Ready != 0 {
			break
		}
		t.tail.advance(t.n)
		n++
	}
	return n
}

// Done reports whether the oldest queued frame was sent and can be reclaimed.
func (t *TX) Done() bool {
	return t.head.seq != t.tail.seq && atomic.LoadUint32(t.status(t.tail.slot))>>16&Ready == 0
}

// Head and Tail return the slots where the next frame goes in and where the
// oldest one is. For reports.
func (t *TX) Head() int { return int(t.head.slot) }

// Tail: see Head.
func (t *TX) Tail() int { return int(t.tail.slot) }

package bd

import (
	"github.com/gasp-go/gasp/board/dma"
	"github.com/gasp-go/gasp/board/mmio"
)

// TX is a transmit ring. Frames go in at the head and are reclaimed, once the
// device has sent them, at the tail:
//
//	tail <= sent by the device, not reclaimed <= being sent <= head
//
// The ring is full when head is a whole ring ahead of tail. A frame is one
// descriptor, or with SendParts several.
type TX struct {
	ring
	head cursor // next to fill
	tail cursor // oldest not reclaimed
}

// Part is a piece of a frame that lies in memory the device can read: in
// coherent memory, or cleaned from the caches. It stays untouched until the
// frame was reclaimed.
type Part struct {
	Phys uint32
	Len  uint32 // bytes, at least 1, at most 65535
}

// NewTX allocates a ring of n descriptors with buffers of size bytes, a
// multiple of Align. The ring is empty.
func NewTX(region *dma.Region, n, size int) (*TX, error) {
	t := new(TX)
	if err := t.init(region, region, n, size, 0); err != nil {
		return nil, err
	}
	t.Reset()
	return t, nil
}

// Resized: see RX.Resized.
func (t *TX) Resized(region *dma.Region, n int) (*TX, error) {
	s, err := t.resized(region, region, n, 0)
	if err != nil {
		return nil, err
	}
	tx := &TX{ring: s}
	tx.Reset()
	return tx, nil
}

// Reset takes every descriptor from the device and starts again at the first.
// What was queued is forgotten. The device must be stopped. It returns how
// many frames were queued, the one on the wire included.
func (t *TX) Reset() (frames int) {
	for n := t.Queued(); n > 0; n-- {
		if load(t.word(t.tail.slot), wordStatus)&(Last<<16) != 0 {
			frames++
		}
		t.tail.advance(t.n)
	}
	t.head, t.tail = cursor{}, cursor{}
	for s := uint32(0); s < t.n; s++ {
		t.give(s, Part{t.addr(s), 0}, 0, 0)
	}
	t.flush(t.n - 1)
	return frames
}

// Queued returns the number of descriptors that were not reclaimed yet.
func (t *TX) Queued() int {
	n := t.head.seq - t.tail.seq
	if n > t.n { // only if an update was interrupted for good
		n = t.n
	}
	return int(n)
}

// Free returns the number of descriptors that can still be queued.
func (t *TX) Free() int { return int(t.n) - t.Queued() }

// Buffer returns the buffer of the next free descriptor, to be filled for Send,
// nil if the ring is full; that is an ordinary result.
func (t *TX) Buffer() []byte {
	if t.head.seq-t.tail.seq >= t.n {
		return nil
	}
	return t.buffer(t.head.slot)
}

// Send queues the first length bytes of what Buffer returned as one frame.
// control is TxInt, SumProto and SumIP as wanted. The caller calls Flush and
// writes TDAR afterwards. It must not be called without Buffer, nor with a
// length above BufSize.
func (t *TX) Send(length int, control uint32) {
	slot := t.head.slot
	d := t.word(slot)
	store(d, wordAddr, t.addr(slot))
	store(d, wordControl, control)
	store(d, wordUpdate, 0)
	mmio.Barrier()
	store(d, wordStatus, (Ready|Last|TxCRC)<<16|t.wrap(slot)|uint32(length))
	t.head.advance(t.n)
}

// SendParts queues one frame made of parts, a descriptor each, and reports
// whether there was room for all of them; if not, nothing is queued. TxInt of
// control applies to the frame's end. The caller continues as after Send.
//
// The first descriptor is given away last: a device at work would otherwise
// start on a frame that has no end yet.
func (t *TX) SendParts(parts []Part, control uint32) bool {
	n := uint32(len(parts))
	if n == 0 || int(n) > t.Free() {
		return false
	}
	at := t.head
	first := at.slot
	for i := range parts {
		if i > 0 {
			status, c := uint32(Ready), control&^TxInt
			if i == len(parts)-1 {
				status, c = Ready|Last|TxCRC, control
			}
			t.give(at.slot, parts[i], status, c)
		}
		at.advance(t.n)
	}
	if n == 1 {
		t.give(first, parts[0], Ready|Last|TxCRC, control)
	} else {
		t.give(first, parts[0], Ready, control&^TxInt)
	}
	t.head = at
	return true
}

// give writes descriptor slot, its status after everything else of it and its
// buffer is in memory.
func (t *TX) give(slot uint32, p Part, status, control uint32) {
	d := t.word(slot)
	store(d, wordAddr, p.Phys)
	store(d, wordControl, control)
	store(d, wordUpdate, 0)
	mmio.Barrier()
	store(d, wordStatus, status<<16|t.wrap(slot)|p.Len)
}

// Spoil writes half of the next free descriptor, as a fault in the middle of Send
// would leave it: another address and length, and not the device's. For tests of what
// takes over then.
func (t *TX) Spoil() {
	d := t.word(t.head.slot)
	store(d, wordAddr, 0xdeadbee0)
	store(d, wordStatus, t.wrap(t.head.slot)|0xffff)
}

// Flush orders what was sent before the doorbell.
func (t *TX) Flush() { t.flush(t.newest()) }

// newest is the slot of the descriptor that was given away last.
func (t *TX) newest() uint32 {
	if t.head.slot == 0 {
		return t.n - 1
	}
	return t.head.slot - 1
}

// Reclaim takes back what the device has sent, in order, and returns how many
// frames that were. A frame counts when its last descriptor comes back.
func (t *TX) Reclaim() (frames int) {
	for n := uint32(0); t.head.seq != t.tail.seq && n < t.n; n++ {
		v := load(t.word(t.tail.slot), wordStatus)
		if v&(Ready<<16) != 0 {
			break
		}
		t.tail.advance(t.n)
		if v&(Last<<16) != 0 {
			frames++
		}
	}
	return frames
}

// Waiting returns the i-th frame, from 0, that was queued and not reclaimed, and its
// control word, nil if there are not so many. Frames made with SendParts come in
// pieces. For who takes over from a device that hangs.
func (t *TX) Waiting(i int) (frame []byte, control uint32) {
	if i < 0 || i >= t.Queued() {
		return nil, 0
	}
	slot := (t.tail.slot + uint32(i)) % t.n
	d := t.word(slot)
	n := min(load(d, wordStatus)&0xffff, t.size)
	return t.buffer(slot)[:n], load(d, wordControl)
}

// Done reports whether the oldest queued descriptor can be reclaimed.
func (t *TX) Done() bool {
	return t.head.seq != t.tail.seq && load(t.word(t.tail.slot), wordStatus)&(Ready<<16) == 0
}

// Idle reports whether the device has sent all it was given: frames leave in order.
func (t *TX) Idle() bool {
	return t.head.seq == t.tail.seq || load(t.word(t.newest()), wordStatus)&(Ready<<16) == 0
}

// Head and Tail return the slots where the next frame goes in and where the
// oldest one is. For reports.
func (t *TX) Head() int { return int(t.head.slot) }

// Tail: see Head.
func (t *TX) Tail() int { return int(t.tail.slot) }

package netdev

import (
	"encoding/binary"
	"errors"
	"math/bits"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/gasp-go/gasp/board/trap"
)

// The backlog (Linux: netif_rx, process_backlog) is for frames that come from
// no ring of a driver: from devices without NAPI, and from software. Any
// context puts copies of them into a queue, which is a NAPI instance of the
// softnet like any other.

// MaxBacklog is how many frames the backlog holds unless SetMaxBacklog says
// otherwise (net.core.netdev_max_backlog).
const MaxBacklog = 1000

const (
	// backlogBytes bounds the memory, whatever the frames' number: room for
	// 1000 of full size. A power of two. The kernel gives page frames on first
	// touch, so what is never used costs nothing.
	backlogBytes = 2 << 20

	// maxBacklogFrame is the longest frame, in bytes.
	maxBacklogFrame = 65535

	maxBacklogDevices = 16
)

// ErrBacklogFull is returned when more devices than there is room for want to
// use the backlog.
var ErrBacklogFull = errors.New("netdev: too many devices for the backlog")

// backlog is a ring of records: a header, then the frame, padded to a multiple
// of the header. Records do not wrap; before one that does not fit the ring's
// end, a header without a device skips what is left there. Trap context writes
// records, the network thread takes them, each stores its own indices only.
type backlog struct {
	admin sync.Mutex // serialises UseBacklog
	napi  NAPI
	mem   []byte // written once, before the first device
	dev   [maxBacklogDevices]*Device
	n     int

	limit   atomic.Uint32 // frames
	dropped atomic.Uint64

	in, out       atomic.Uint32 // bytes, free-running
	queued, taken atomic.Uint32 // frames, free-running
}

const recordHeader = 8 // 1 + the device's index u16, length u16, RxFlags u32

// UseBacklog prepares the backlog for frames of d; before, NetifRx drops them.
// The first device's call allocates its memory, 2 MiB. More calls for a device
// do nothing. Goroutine.
func (d *Device) UseBacklog() error {
	b := &d.soft.backlog
	b.admin.Lock()
	defer b.admin.Unlock()
	switch {
	case d.backlog.Load() != 0:
		return nil
	case b.n == maxBacklogDevices:
		return ErrBacklogFull
	case b.n == 0:
		if b.mem == nil {
			b.mem = make([]byte, backlogBytes)
		}
		b.napi.Init(d.soft, "backlog", 0, b.poll)
		b.napi.Enable() // for ever
	}
	b.dev[b.n] = d
	b.n++
	d.backlog.Store(uint32(b.n))
	return nil
}

// NetifRx puts a copy of frame (Ethernet header first, without FCS) in the
// backlog, to be received with flags like a frame of a driver's poll (Linux:
// netif_rx). It
// returns false if it was dropped: the backlog is full, which counts in the
// softnet's dropped and the device's RxDropped, or the frame is empty or longer
// than 65535 bytes, or the device is closed or not prepared by UseBacklog, which
// count in RxDropped alone. It does not allocate. Any goroutine.
func (d *Device) NetifRx(frame []byte, flags RxFlags) bool {
	x := netifRxSection{dev: d, frame: frame, flags: flags}
	trap.Run(netifRx, trap.NoEscape(unsafe.Pointer(&x)))
	return x.ok
}

// netifRxSection carries NetifRx's arguments and result in and out of trap
// context.
type netifRxSection struct {
	dev   *Device
	frame []byte
	flags RxFlags
	ok    bool
}

func netifRx(p unsafe.Pointer) {
	x := (*netifRxSection)(p)
	x.ok = x.dev.NetifRxTrap(x.frame, x.flags)
}

// NetifRxTrap is NetifRx for callers that are in trap context already. Trap
// context.
func (d *Device) NetifRxTrap(frame []byte, flags RxFlags) bool {
	i := d.backlog.Load()
	if i == 0 || !d.up.Load() || len(frame) == 0 || len(frame) > maxBacklogFrame {
		d.counters.RxDropped.Add(1)
		return false
	}
	b := &d.soft.backlog
	if !b.put(i, frame, flags) {
		b.dropped.Add(1)
		d.counters.RxDropped.Add(1)
		return false
	}
	// After the frame is in the queue: a poll that does not see it is still in
	// progress, and is missed.
	b.napi.Schedule()
	return true
}

// put queues a frame of the device with that mark, and reports whether there
// was room. Trap context.
func (b *backlog) put(mark uint32, frame []byte, flags RxFlags) bool {
	if b.len() >= b.limit.Load() {
		return false
	}
	in := b.in.Load()
	at := in % backlogBytes
	size := recordSize(len(frame))
	free := backlogBytes - (in - b.out.Load())
	if end := backlogBytes - at; size > end {
		if end+size > free {
			return false
		}
		binary.LittleEndian.PutUint16(b.mem[at:], 0)
		in, at = in+end, 0
	} else if size > free {
		return false
	}
	binary.LittleEndian.PutUint16(b.mem[at:], uint16(mark))
	binary.LittleEndian.PutUint16(b.mem[at+2:], uint16(len(frame)))
	binary.LittleEndian.PutUint32(b.mem[at+4:], uint32(flags))
	copy(b.mem[at+recordHeader:], frame)
	b.in.Store(in + size)
	b.queued.Store(b.queued.Load() + 1)
	return true
}

// recordSize is what a frame of n bytes takes up.
func recordSize(n int) uint32 {
	return uint32(n+2*recordHeader-1) &^ (recordHeader - 1)
}

// poll is process_backlog: it receives up to budget frames. Nothing of a
// device's frames stays in its GRO: each batch may be the last for long.
// Network thread; with budget 0 trap context.
func (b *backlog) poll(budget int) (work int) {
	seen := uint32(0) // devices
	for work < budget && b.out.Load() != b.in.Load() {
		out := b.out.Load()
		at := out % backlogBytes
		mark := binary.LittleEndian.Uint16(b.mem[at:])
		if mark == 0 {
			b.out.Store(out + backlogBytes - at)
			continue
		}
		n := int(binary.LittleEndian.Uint16(b.mem[at+2:]))
		flags := RxFlags(binary.LittleEndian.Uint32(b.mem[at+4:]))
		frame := b.mem[at+recordHeader:][:n:n]
		if d := b.dev[mark-1]; d.up.Load() {
			seen |= 1 << (mark - 1)
			d.Receive(frame, flags)
		} else { // it was closed meanwhile
			d.counters.RxDropped.Add(1)
		}
		b.taken.Store(b.taken.Load() + 1)
		b.out.Store(out + recordSize(n))
		work++
	}
	for ; seen != 0; seen &= seen - 1 {
		if d := b.dev[bits.TrailingZeros32(seen)]; d.groFlush != nil {
			d.groFlush(false)
		}
	}
	if work < budget {
		b.napi.CompleteDone(work)
	}
	return work
}

// len returns the number of frames in the queue. Any context.
func (b *backlog) len() uint32 {
	taken := b.taken.Load() // first: it never overtakes queued
	return b.queued.Load() - taken
}

// Package pcap records the frames of a network device into a ring in memory
// and writes and reads them as pcap files.
package pcap

import (
	"errors"
	"fmt"
	"sync"
	"unsafe"

	"github.com/gasp-go/gasp/board/trap"
	"github.com/gasp-go/gasp/stack/netdev"
)

// Limits of a Recorder, in bytes.
const (
	MinRing     = 4 << 10
	MaxRing     = 16 << 20
	DefaultRing = 256 << 10
	MinSnap     = 96 // what a Filter looks at
	MaxSnap     = 2048
)

// Recorder is a tap of a device (see netdev.SetTap) with a ring of the latest
// frames in both directions: what the driver received, before a program (XDP)
// or anybody else saw it, and what the driver took for transmission. While it
// is off it is not attached and holds no memory.
type Recorder struct {
	dev *netdev.Device
	now func() int64

	admin sync.Mutex // serialises Start, Stop and Keep
	users int
	kept  bool // one of the users is Keep

	// In trap context from here on, except that ring is set while on is false.
	on         bool
	busy       bool // a fault in push led back into it
	ring       []byte
	snap       int
	head, tail uint64 // ends of the newest and beginning of the oldest record; free-running
	seq, first uint64 // numbers of the next and of the oldest record
	over       uint64 // records overwritten
	nested     uint64
	scratch    [MaxSnap]byte // a frame whose checksums are put in
}

// Stats are the counters of a Recorder since it was started last.
type Stats struct {
	Recording   bool   `json:"recording"`
	RingSize    int    `json:"ring_size"` // bytes
	SnapLen     int    `json:"snaplen"`
	Frames      uint64 `json:"frames"`      // recorded
	Overwritten uint64 `json:"overwritten"` // of these, no longer in the ring
	Dropped     uint64 `json:"dropped"`     // seen while another was being recorded
}

// NewRecorder returns a recorder of dev that is off. now is the clock in
// nanoseconds, callable in trap context.
func NewRecorder(dev *netdev.Device, now func() int64) *Recorder {
	return &Recorder{dev: dev, now: now}
}

// Device returns what is recorded.
func (r *Recorder) Device() *netdev.Device { return r.dev }

// ErrConfig is returned for sizes out of range.
var ErrConfig = errors.New("pcap: out of range")

// Start begins to record into a ring of size bytes, of each frame the first
// snap bytes; 0 stands for DefaultRing and MaxSnap. If it records already it
// goes on as it is, with one more user. Each Start needs a Stop. Goroutine.
func (r *Recorder) Start(size, snap int) error {
	size, snap, err := sizes(size, snap)
	if err != nil {
		return err
	}
	r.admin.Lock()
	defer r.admin.Unlock()
	r.start(size, snap)
	return nil
}

func (r *Recorder) start(size, snap int) {
	if r.users++; r.users > 1 {
		return
	}
	r.ring, r.snap = make([]byte, size), snap
	trap.Run(start, unsafe.Pointer(r))
	r.dev.SetTap(r)
}

// sizes puts in the defaults and checks.
func sizes(size, snap int) (int, int, error) {
	if size == 0 {
		size = DefaultRing
	}
	if snap == 0 {
		snap = MaxSnap
	}
	if size < MinRing || size > MaxRing {
		return 0, 0, fmt.Errorf("%w: a ring of %d bytes, not %d to %d", ErrConfig, size, MinRing, MaxRing)
	}
	if snap < MinSnap || snap > MaxSnap {
		return 0, 0, fmt.Errorf("%w: snaplen %d, not %d to %d", ErrConfig, snap, MinSnap, MaxSnap)
	}
	return size, snap, nil
}

func start(p unsafe.Pointer) {
	r := (*Recorder)(p)
	r.head, r.tail, r.seq, r.first, r.over, r.nested = 0, 0, 0, 0, 0, 0
	r.on = true
}

// Stop undoes one Start; the last one ends the recording and gives the ring
// back. Goroutine.
func (r *Recorder) Stop() {
	r.admin.Lock()
	defer r.admin.Unlock()
	r.stop()
}

func (r *Recorder) stop() {
	if r.users == 0 {
		return
	}
	if r.users--; r.users > 0 {
		return
	}
	r.dev.SetTap(nil)
	trap.Run(stop, unsafe.Pointer(r))
	r.ring = nil
}

func stop(p unsafe.Pointer) { (*Recorder)(p).on = false }

// Keep switches a recording on that needs no reader, to be looked at later, or
// off. Switching it on anew changes nothing. Goroutine.
func (r *Recorder) Keep(on bool, size, snap int) error {
	size, snap, err := sizes(size, snap)
	if err != nil {
		return err
	}
	r.admin.Lock()
	defer r.admin.Unlock()
	switch {
	case on && !r.kept:
		r.start(size, snap)
	case !on && r.kept:
		r.stop()
	}
	r.kept = on
	return nil
}

// Kept reports whether Keep switched a recording on. Goroutine.
func (r *Recorder) Kept() bool {
	r.admin.Lock()
	defer r.admin.Unlock()
	return r.kept
}

// Stats returns a snapshot of the counters. Goroutine.
func (r *Recorder) Stats() Stats {
	x := statSection{r: r}
	trap.Run(stat, unsafe.Pointer(&x))
	return x.Stats
}

type statSection struct {
	r *Recorder
	Stats
}

func stat(p unsafe.Pointer) {
	x := (*statSection)(p)
	r := x.r
	x.Stats = Stats{
		Recording: r.on, SnapLen: r.snap, Frames: r.seq,
		Overwritten: r.over, Dropped: r.nested,
	}
	if r.on {
		x.RingSize = len(r.ring)
	}
}

// Received is part of netdev.Tap. Network thread.
func (r *Recorder) Received(frame []byte) {
	x := pushSection{r: r, frame: frame}
	trap.Run(push, unsafe.Pointer(&x))
}

type pushSection struct {
	r     *Recorder
	frame []byte
}

func push(p unsafe.Pointer) {
	x := (*pushSection)(p)
	parts := [1][]byte{x.frame}
	x.r.push(parts[:], false)
}

// Sent is part of netdev.Tap. The frame is recorded with the checksums that the
// device will insert. Trap context.
func (r *Recorder) Sent(parts [][]byte, flags netdev.TxFlags) {
	if flags == 0 || r.busy {
		r.push(parts, true)
		return
	}
	n := 0
	for _, p := range parts {
		n += copy(r.scratch[n:], p)
	}
	netdev.InsertChecksums(r.scratch[:n], flags)
	whole := [1][]byte{r.scratch[:n]}
	r.push(whole[:], true)
}

// A record in the ring is a header and up to snap bytes of the frame. Neither
// is aligned, both may wrap around.
//
//	0   int64   time
//	8   uint32  length of the frame
//	12  uint16  bytes that follow
//	14  uint8   1: sent
const recordHeader = 15

// push records a frame and makes room for it by forgetting the oldest. Trap
// context.
func (r *Recorder) push(parts [][]byte, sent bool) {
	if !r.on {
		return
	}
	if r.busy {
		r.nested++
		return
	}
	r.busy = true
	length := 0
	for _, p := range parts {
		length += len(p)
	}
	n := min(length, r.snap)
	for r.head+uint64(recordHeader+n)-r.tail > uint64(len(r.ring)) {
		var h [recordHeader]byte
		r.get(h[:], r.tail)
		r.tail += recordHeader + uint64(h[12]) + uint64(h[13])<<8
		r.first++
		r.over++
	}
	var h [recordHeader]byte
	putLE(h[:8], uint64(r.now()))
	putLE(h[8:12], uint64(length))
	putLE(h[12:14], uint64(n))
	if sent {
		h[14] = 1
	}
	at := r.head + r.put(h[:], r.head)
	for _, p := range parts {
		m := min(len(p), n)
		at += r.put(p[:m], at)
		n -= m
	}
	r.head = at
	r.seq++
	r.busy = false
}

// put copies b to offset at of the ring, get from there.
func (r *Recorder) put(b []byte, at uint64) uint64 {
	i := int(at % uint64(len(r.ring)))
	n := copy(r.ring[i:], b)
	copy(r.ring, b[n:])
	return uint64(len(b))
}

func (r *Recorder) get(b []byte, at uint64) {
	i := int(at % uint64(len(r.ring)))
	n := copy(b, r.ring[i:])
	copy(b[n:], r.ring)
}

func putLE(b []byte, v uint64) {
	for i := range b {
		b[i] = byte(v >> (8 * i))
	}
}

func getLE(b []byte) (v uint64) {
	for i := range b {
		v |= uint64(b[i]) << (8 * i)
	}
	return v
}

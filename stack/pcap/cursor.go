package pcap

import (
	"unsafe"

	"github.com/gasp-go/gasp/board/trap"
)

// Record is one recorded frame.
type Record struct {
	Time int64  // of the recorder's clock, ns
	Len  int    // of the frame, in bytes without FCS; Data may be shorter
	Sent bool   // by us; otherwise received
	Data []byte // valid until the next call
}

// Cursor reads a Recorder's ring while it is being written. One goroutine uses
// it at a time.
type Cursor struct {
	r        *Recorder
	at, next uint64 // offset and number of the next record
	lost     uint64
	buf      [MaxSnap]byte
}

// Oldest returns a cursor on the oldest frame in the ring, Newest one behind
// the newest. The recorder must have been started, and not be stopped while the
// cursor is in use: then there is nothing more to read. Goroutine.
func (r *Recorder) Oldest() *Cursor { return r.cursor(false) }

// Newest: see Oldest.
func (r *Recorder) Newest() *Cursor { return r.cursor(true) }

func (r *Recorder) cursor(newest bool) *Cursor {
	c := &Cursor{r: r}
	x := cursorSection{c: c, newest: newest}
	trap.Run(place, unsafe.Pointer(&x))
	return c
}

type cursorSection struct {
	c      *Cursor
	newest bool
}

func place(p unsafe.Pointer) {
	x := (*cursorSection)(p)
	c, r := x.c, x.c.r
	c.at, c.next = r.tail, r.first
	if x.newest {
		c.at, c.next = r.head, r.seq
	}
}

// Lost is how many frames were overwritten before the cursor got to them.
func (c *Cursor) Lost() uint64 { return c.lost }

// Next reads one frame, if there is one yet. Goroutine.
func (c *Cursor) Next() (rec Record, ok bool) {
	x := nextSection{c: c}
	trap.Run(next, unsafe.Pointer(&x))
	if !x.ok {
		return Record{}, false
	}
	return Record{Time: x.time, Len: x.length, Sent: x.sent, Data: c.buf[:x.n]}, true
}

type nextSection struct {
	c         *Cursor
	ok, sent  bool
	time      int64
	length, n int
}

func next(p unsafe.Pointer) {
	x := (*nextSection)(p)
	c, r := x.c, x.c.r
	if !r.on || c.next >= r.seq {
		return
	}
	if c.next < r.first {
		c.lost += r.first - c.next
		c.at, c.next = r.tail, r.first
	}
	var h [recordHeader]byte
	r.get(h[:], c.at)
	x.ok, x.sent = true, h[14] == 1
	x.time = int64(getLE(h[:8]))
	x.length, x.n = int(getLE(h[8:12])), int(getLE(h[12:14]))
	r.get(c.buf[:x.n], c.at+recordHeader)
	c.at += recordHeader + uint64(x.n)
	c.next++
}

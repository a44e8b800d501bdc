package ncrx

import (
	"bytes"
	"container/list"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// maxPieces bounds into how many pieces a record may come. Senders need 40 for
// the longest. maxPendingEach is how many of maxPending an address may have
// before it loses its own.
const (
	maxPieces      = 128
	maxPendingEach = 64
)

// partial is a record of which some fragments have come. It holds no more
// than what came, whatever total a fragment claims.
type partial struct {
	from   netip.AddrPort
	head   Packet  // of the first fragment that came; Body is nil
	sender *sender // nil if it is not known yet whether it is to be believed
	note   note    // if sequence was asked when the first fragment came
	pieces []piece // ascending, without overlap
	left   int     // bytes that have not come
	since  time.Time
	asked  time.Time
}

type piece struct {
	at   int
	data []byte
}

// early tells that a record takes its number when the first fragment comes: it
// is not given out of order by then, nor has it to be whole to be believed.
func (r *Receiver) early() bool { return !r.opts.Ack && r.opts.Key == nil }

// fragment puts a fragment where it belongs. Fragments of one record have the
// same header and total. Where fragments overlap, what came first stays.
func (r *Receiver) fragment(from netip.AddrPort, p *Packet, now time.Time) {
	e := r.find(from, p)
	if e == nil {
		if e = r.begin(from, p, now); e == nil {
			return
		}
	}
	q := e.Value.(*partial)
	fresh, fits := q.insert(p.Offset, p.Body)
	switch {
	case !fits:
		r.stats.Malformed++
	case fresh == 0:
		r.stats.Duplicates++
	}
	if q.left -= fresh; q.left == 0 {
		r.pending.Remove(e)
		r.joined(q, now)
	}
}

func (r *Receiver) find(from netip.AddrPort, p *Packet) *list.Element {
	for e := r.pending.Back(); e != nil; e = e.Prev() {
		q := e.Value.(*partial)
		if q.from == from && q.head.Total == p.Total && q.head.Head == p.Head {
			return e
		}
	}
	return nil
}

// begin makes room for a record, unless it was given already.
func (r *Receiver) begin(from netip.AddrPort, p *Packet, now time.Time) *list.Element {
	q := &partial{from: from, head: *p, since: now, left: p.Total}
	q.head.Body = nil
	if r.early() {
		var ok bool
		q.sender = r.sender(identity{addr: from}, from)
		if q.note, ok = r.sequence(q.sender, p.Seq, p.Usec, now); !ok {
			return nil
		}
	} else if q.sender = r.at(from); q.sender != nil && (q.sender.has(p.Seq, p.Usec) || q.sender.queue.holds(p.Seq, p.Usec)) {
		r.stats.Duplicates++
		q.sender.queue.unheard = true
		return nil
	}
	var oldest *list.Element
	n := 0
	for e := r.pending.Back(); e != nil; e = e.Prev() {
		if e.Value.(*partial).from == from {
			oldest = e
			n++
		}
	}
	switch {
	case n >= maxPendingEach:
	case r.pending.Len() >= maxPending:
		oldest = r.pending.Front()
	default:
		oldest = nil
	}
	if oldest != nil {
		r.stats.Evicted++
		r.giveUp(oldest, now)
	}
	return r.pending.PushBack(q)
}

// joined goes on with what is whole, or was given up.
func (r *Receiver) joined(q *partial, now time.Time) {
	q.head.Body = q.body()
	if !r.early() {
		r.whole(q.from, &q.head, q.left, now)
		return
	}
	rec := r.extended(q.from, &q.head, now)
	rec.Missing = q.left
	q.note.mark(&rec)
	r.emit(rec)
}

// insert copies what is new of data, which begins at, into the holes between
// the pieces, and returns how many bytes that was. fits is false if there
// were too many pieces for all of it.
func (q *partial) insert(at int, data []byte) (fresh int, fits bool) {
	end, base := at+len(data), at
	for i := 0; at < end; i++ {
		hole := end
		if i < len(q.pieces) {
			hole = min(end, q.pieces[i].at)
		}
		if at < hole {
			if len(q.pieces) == maxPieces {
				return fresh, false
			}
			q.pieces = slices.Insert(q.pieces, i, piece{at, bytes.Clone(data[at-base : hole-base])})
			fresh += hole - at
		}
		if i < len(q.pieces) {
			at = max(at, q.pieces[i].at+len(q.pieces[i].data))
		}
	}
	return fresh, true
}

// body is what has come, with marks in place of what has not.
func (q *partial) body() []byte {
	var b bytes.Buffer
	at := 0
	missing := func(n int) {
		if n > 0 {
			fmt.Fprintf(&b, "[... %d bytes missing ...]", n)
		}
	}
	for _, p := range q.pieces {
		missing(p.at - at)
		b.Write(p.data)
		at = p.at + len(p.data)
	}
	missing(q.head.Total - at)
	return b.Bytes()
}

// giveUp gives what has come of a record.
func (r *Receiver) giveUp(e *list.Element, now time.Time) {
	q := r.pending.Remove(e).(*partial)
	r.stats.Incomplete++
	r.joined(q, now)
}

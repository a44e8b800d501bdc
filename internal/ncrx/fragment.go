package ncrx

import (
	"bytes"
	"container/list"
	"fmt"
	"slices"
	"time"
)

// maxPieces bounds into how many pieces a record may come. Senders need 40 for
// the longest.
const maxPieces = 128

// partial is a record of which some fragments have come. It holds no more
// than what came, whatever total a fragment claims.
type partial struct {
	sender *sender
	head   Packet // of the first fragment that came; Body is nil
	note   note
	pieces []piece // ascending, without overlap
	left   int     // bytes that have not come
	since  time.Time
}

type piece struct {
	at   int
	data []byte
}

// fragment puts a fragment where it belongs. Fragments of one record have the
// same sequence number, time and total. Where fragments overlap, what came
// first stays.
func (r *Receiver) fragment(s *sender, p *Packet, now time.Time) {
	e := r.find(s, p)
	if e == nil {
		n, ok := r.sequence(s, p.Seq, p.Usec, now)
		if !ok {
			return // of a record that was given already
		}
		if r.pending.Len() >= maxPending {
			r.stats.Evicted++
			r.giveUp(r.pending.Front(), now)
		}
		head := *p
		head.Body = nil
		e = r.pending.PushBack(&partial{sender: s, head: head, note: n, since: now, left: p.Total})
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
		q.head.Body = q.body()
		r.emit(r.extended(s, &q.head, q.note, now))
	}
}

func (r *Receiver) find(s *sender, p *Packet) *list.Element {
	for e := r.pending.Back(); e != nil; e = e.Prev() {
		q := e.Value.(*partial)
		if q.sender == s && q.head.Seq == p.Seq && q.head.Usec == p.Usec && q.head.Total == p.Total {
			return e
		}
	}
	return nil
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
	q.head.Body = q.body()
	rec := r.extended(q.sender, &q.head, q.note, now)
	rec.Missing = q.left
	r.emit(rec)
}

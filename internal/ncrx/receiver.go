package ncrx

import (
	"container/list"
	"net/netip"
	"time"
)

// Bounds of a Receiver's memory: at most maxPending*maxBody bytes (8 MB) in
// fragments, whoever sends them, and maxSenders states of about 20 KB.
const (
	maxSenders = 256 // beyond it the one that was silent longest is forgotten
	maxPending = 256 // records of which only some fragments have come, of all senders
)

// Timeouts of what is incomplete. Senders send all parts of a record at once.
const (
	fragmentTimeout = 3 * time.Second
	lineTimeout     = 1 * time.Second
)

// Stats counts what came and what did not fit together.
type Stats struct {
	Datagrams, Records uint64
	Fragments          uint64 // among Datagrams
	Duplicates         uint64 // datagrams that brought nothing new
	Malformed          uint64 // see Record.Malformed
	Incomplete         uint64 // records given with bytes missing
	Evicted            uint64 // incomplete records given early, and senders forgotten, for lack of room
	Gap                uint64 // sum of Record.Gap
	Late               uint64
	Restarts           uint64
}

// Receiver makes records of datagrams. It is not safe for concurrent use.
type Receiver struct {
	senders map[netip.AddrPort]*list.Element // values of recent
	recent  *list.List                       // of *sender, the latest first
	pending *list.List                       // of *partial, the oldest first
	stats   Stats
	out     []Record
}

// NewReceiver returns a Receiver that has seen nothing.
func NewReceiver() *Receiver {
	return &Receiver{senders: map[netip.AddrPort]*list.Element{}, recent: list.New(), pending: list.New()}
}

// Stats returns the counters.
func (r *Receiver) Stats() Stats { return r.stats }

// Datagram takes a datagram that came at now and returns the records it
// completes, in order. The records do not refer to data.
func (r *Receiver) Datagram(from netip.AddrPort, data []byte, now time.Time) []Record {
	r.stats.Datagrams++
	r.expire(now)
	s := r.sender(from)
	p, err := Parse(data)
	switch {
	case err == ErrBasic:
		r.basic(s, data, now)
	case err != nil:
		r.stats.Malformed++
		rec := r.record(s, now)
		rec.Malformed, rec.Level, rec.Text = true, -1, string(data)
		r.emit(rec)
	case p.Fragment:
		r.stats.Fragments++
		r.fragment(s, &p, now)
	default:
		if n, ok := r.sequence(s, p.Seq, p.Usec, now); ok {
			r.emit(r.extended(s, &p, n, now))
		}
	}
	return r.take()
}

// Tick returns what is incomplete and has waited too long at now. It is to be
// called from time to time while nothing comes.
func (r *Receiver) Tick(now time.Time) []Record {
	r.expire(now)
	return r.take()
}

// Flush returns all that is incomplete.
func (r *Receiver) Flush(now time.Time) []Record {
	for e := r.pending.Front(); e != nil; e = r.pending.Front() {
		r.giveUp(e, now)
	}
	for e := r.recent.Back(); e != nil; e = e.Prev() {
		r.endLine(e.Value.(*sender), now)
	}
	return r.take()
}

// expire gives up what has waited too long.
func (r *Receiver) expire(now time.Time) {
	for e := r.pending.Front(); e != nil; e = r.pending.Front() {
		if now.Sub(e.Value.(*partial).since) < fragmentTimeout {
			break
		}
		r.giveUp(e, now)
	}
	for e := r.recent.Back(); e != nil; e = e.Prev() {
		if s := e.Value.(*sender); s.line != nil && now.Sub(s.lineSince) >= lineTimeout {
			r.endLine(s, now)
		}
	}
}

// sender returns the state of a sender and makes it the latest.
func (r *Receiver) sender(from netip.AddrPort) *sender {
	if e := r.senders[from]; e != nil {
		r.recent.MoveToFront(e)
		return e.Value.(*sender)
	}
	if r.recent.Len() >= maxSenders {
		e := r.recent.Back()
		s := e.Value.(*sender)
		r.stats.Evicted++
		r.endLine(s, s.lineSince)
		for p := r.pending.Front(); p != nil; {
			next := p.Next()
			if p.Value.(*partial).sender == s {
				r.giveUp(p, s.lineSince)
			}
			p = next
		}
		r.recent.Remove(e)
		delete(r.senders, s.from)
	}
	s := &sender{from: from}
	r.senders[from] = r.recent.PushFront(s)
	return s
}

// record returns a record of s with what all formats share.
func (r *Receiver) record(s *sender, now time.Time) Record {
	return Record{From: s.from, Time: now}
}

// extended makes a record of a whole packet.
func (r *Receiver) extended(s *sender, p *Packet, n note, now time.Time) Record {
	rec := r.record(s, now)
	rec.Extended, rec.HasTime = true, true
	rec.Release, rec.Level, rec.Facility = p.Release, p.Level, p.Facility
	rec.Seq, rec.Usec, rec.Cont, rec.Fields = p.Seq, p.Usec, p.Cont, p.Fields
	rec.Gap, rec.Late, rec.Restarted = n.gap, n.late, n.restarted
	rec.Text, rec.Dict = Body(p.Body)
	return rec
}

func (r *Receiver) emit(rec Record) {
	r.stats.Records++
	r.out = append(r.out, rec)
}

func (r *Receiver) take() []Record {
	out := r.out
	r.out = nil
	return out
}

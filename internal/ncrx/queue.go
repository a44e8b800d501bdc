package ncrx

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"
)

// With Options.Ack a record is given when all before it have been, or were
// waited for in vain. The times are those of netconsd's library ncrx, and so
// is the answer:
//
//	ncrx<ack> <missing> <missing> ...
//
// where ack is the number up to which all is done. A sender that was first
// heard in mid-stream is asked, as this receiver and gasp's netconsole have
// agreed, with
//
//	ncrx-resend <from>
const (
	askInterval  = 1 * time.Second  // a number is asked for when it is missed so long, and again
	askStride    = 256              // and when so many came behind it meanwhile
	ackInterval  = 1 * time.Second  // what came is acknowledged then; senders wait for 10 s
	gapTimeout   = 30 * time.Second // and then a number is given up
	maxAhead     = 8192             // or when so many came behind it
	answerTime   = 5 * time.Second  // within which an answer is looked for
	answerPacket = 1000             // bytes of an answer

	// MaxResend is how many records before its first a sender may be asked for: they
	// and what is new come behind what it holds, which maxAhead bounds.
	MaxResend = 4096
)

// Most senders do not know any of this, and the address of one may be made up.
// So one that has never answered is waited for, and asked, but a little.
const (
	silentTimeout  = 3 * time.Second
	silentNumbers  = 16  // asked for and not answered
	unsureNumbers  = 16  // before the first that it sends when asked to begin
	askedAtOnce    = 128 // the same, of a sender that answers; gasp's netconsole notes so many
	maxHeldRecords = 8192
	maxHeldEach    = 4 << 20  // bytes
	maxHeldAll     = 64 << 20 // bytes, of all senders
)

// queue holds the records of a sender that came before their turn.
type queue struct {
	given    bool // a record was; before that sender.last means nothing
	next     uint64
	waiting  []*waiting // ascending, none is next
	bytes    int
	answered time.Time // when it last sent what was asked for; zero: never
	asked    time.Time
	stride   bool // another askStride of records have come

	acked   uint64 // last number that was acknowledged, 0 none
	ackedAt time.Time
	ackNow  bool
	unheard bool // what was acknowledged comes again: say it again
}

// waiting is a record that waits for those before it: for the numbers between
// the record in front of it and itself.
type waiting struct {
	rec   Record
	since time.Time // when the first of them was missed
	asked time.Time
	upTo  uint64 // those below have been asked for
	// The sender is asked to begin there; nobody knows what it still has. Once
	// it has begun, with rec, those just before rec may have been lost, or are
	// no longer there.
	resume, unsure bool
}

// Response is a datagram that a sender is to get.
type Response struct {
	To   netip.AddrPort
	Data []byte
}

// Responses returns what is to be sent after a call to Datagram or Tick.
func (r *Receiver) Responses() []Response {
	out := r.answers
	r.answers = nil
	return out
}

func (s *sender) patience() time.Duration {
	if s.queue.answered.IsZero() {
		return silentTimeout
	}
	return gapTimeout
}

// head is the number after the highest that came.
func (q *queue) head() uint64 {
	if n := len(q.waiting); n > 0 {
		return q.waiting[n-1].rec.Seq + 1
	}
	return q.next
}

func (q *queue) find(seq uint64) (int, bool) {
	return slices.BinarySearchFunc(q.waiting, seq, func(w *waiting, seq uint64) int {
		switch {
		case w.rec.Seq < seq:
			return -1
		case w.rec.Seq > seq:
			return 1
		}
		return 0
	})
}

// holds tells whether a record waits.
func (q *queue) holds(seq, usec uint64) bool {
	i, ok := q.find(seq)
	return ok && q.waiting[i].rec.Usec == usec
}

// enqueue takes a whole record, and gives what can be given. ok is false for
// one that was there before.
func (r *Receiver) enqueue(s *sender, rec Record) (ok bool) {
	q := &s.queue
	if !s.started {
		r.start(s, rec)
		return true
	}
	if q.acked+1 == q.next && !q.unheard {
		q.ackedAt = rec.Time // nothing waits for an acknowledgement since before
	}
	if slices.ContainsFunc(rec.Fields, func(f KV) bool { return f.Key == "ncemg" }) {
		q.ackNow = true // the sender repeats itself until it hears of us
		if s.has(rec.Seq, rec.Usec) {
			r.stats.Duplicates++
			return false
		}
	}
	i, found := q.find(rec.Seq)
	switch {
	case found && (q.waiting[i].rec.Usec == rec.Usec || s.id.boot != ""):
		r.stats.Duplicates++
		return false
	case found, q.given && rec.Seq >= q.next && s.bootedAhead(rec.Usec):
		r.restart(s, rec)
		return true
	case rec.Seq < q.next && q.given:
		n, ok := r.old(s, seen{rec.Seq, rec.Usec, rec.Time})
		switch {
		case !ok:
			q.unheard = true
		case n.restarted:
			r.stats.Restarts-- // restart counts it
			r.restart(s, rec)
		default:
			if n.late && rec.Time.Sub(q.asked) < answerTime {
				q.answered = rec.Time
				r.stats.Recovered++
			}
			n.mark(&rec)
			r.emit(rec)
		}
		return ok
	case rec.Seq < q.next: // it has more than was asked for
		q.next = rec.Seq
	case rec.Seq-q.next > maxAhead:
		r.giveAll(s)
		q.next = rec.Seq
		i = 0
	}
	r.insert(s, i, rec)
	r.drain(s)
	for len(q.waiting) > maxHeldRecords || q.bytes > maxHeldEach {
		r.stats.Evicted++
		r.pass(s)
	}
	for r.held > maxHeldAll {
		r.stats.Evicted++
		r.pass(r.largest())
	}
	return true
}

// start begins a sequence with rec.
func (r *Receiver) start(s *sender, rec Record) {
	s.started = true
	s.queue = queue{answered: s.queue.answered, next: rec.Seq, ackedAt: rec.Time}
	if r.opts.Resend > 0 {
		s.queue.next -= min(rec.Seq, r.opts.Resend, MaxResend)
	}
	r.insert(s, 0, rec)
	s.queue.waiting[0].resume = s.queue.next < rec.Seq
	r.drain(s)
}

func (r *Receiver) restart(s *sender, rec Record) {
	r.giveAll(s)
	r.stats.Restarts++
	rec.Restarted = true
	r.start(s, rec)
}

// insert puts rec where it belongs, and so parts the gap it falls into.
func (r *Receiver) insert(s *sender, i int, rec Record) {
	q := &s.queue
	w := &waiting{rec: rec, since: rec.Time}
	if i < len(q.waiting) {
		behind := q.waiting[i]
		if !behind.asked.IsZero() {
			q.answered = rec.Time
			r.stats.Recovered++
		}
		if behind.resume {
			// Answers come in order, so this is among the first it has: far
			// from what was asked for, its oldest or one soon behind.
			if rec.Seq-q.next > unsureNumbers {
				q.next = rec.Seq - unsureNumbers
				w.unsure = true
			}
			behind.resume, behind.since, behind.asked = false, rec.Time, time.Time{}
		} else {
			w.since, w.asked, w.upTo, w.unsure = behind.since, behind.asked, behind.upTo, behind.unsure
			behind.unsure = false
		}
	} else if q.head()/askStride != rec.Seq/askStride {
		q.stride = true
	}
	if lost, ok := dropped(&rec); ok && rec.Seq-q.next < lost {
		w.since = time.Time{} // the sender itself says that they are gone
	}
	q.waiting = slices.Insert(q.waiting, i, w)
	q.bytes += rec.size()
	r.held += rec.size()
}

// dropped tells how many records, up to its own number, a record says its
// sender has lost.
func dropped(rec *Record) (n uint64, ok bool) {
	c, err := fmt.Sscanf(rec.Text, "** %d printk messages dropped **", &n)
	return n, c == 1 && err == nil
}

// drain gives the records whose turn it is.
func (r *Receiver) drain(s *sender) {
	q := &s.queue
	for len(q.waiting) > 0 && q.waiting[0].rec.Seq == q.next {
		rec := q.waiting[0].rec
		q.waiting[0] = nil
		q.waiting = q.waiting[1:]
		q.bytes -= rec.size()
		r.held -= rec.size()
		q.next++
		at := seen{rec.Seq, rec.Usec, rec.Time}
		switch {
		case !q.given:
			s.start(at, r.windowSize())
			q.given = true
		case rec.Missing > 0: // should it come whole after all, it is late
			rec.Gap = rec.Seq - s.last.seq - 1
			s.last = at
			*s.place(rec.Seq) = seen{}
		default:
			rec.Gap = rec.Seq - s.last.seq - 1
			s.note(at)
		}
		r.stats.Gap += rec.Gap
		r.emit(rec)
	}
}

// pass gives up the numbers that the first record waits for.
func (r *Receiver) pass(s *sender) {
	if q := &s.queue; len(q.waiting) > 0 {
		q.next = q.waiting[0].rec.Seq
		r.drain(s)
	}
}

// giveAll gives all that waits.
func (r *Receiver) giveAll(s *sender) {
	for len(s.queue.waiting) > 0 {
		r.pass(s)
	}
}

func (r *Receiver) largest() *sender {
	var most *sender
	for e := r.recent.Front(); e != nil; e = e.Next() {
		if s := e.Value.(*sender); most == nil || s.queue.bytes > most.queue.bytes {
			most = s
		}
	}
	return most
}

// giveUpGaps gives what has waited long enough.
func (r *Receiver) giveUpGaps(s *sender, now time.Time) {
	q := &s.queue
	for len(q.waiting) > 0 {
		w := q.waiting[0]
		wait := s.patience()
		if w.resume || w.unsure {
			wait = silentTimeout
		}
		if now.Sub(w.since) < wait {
			return
		}
		r.pass(s)
	}
}

// answer makes what s is to get now.
func (r *Receiver) answer(s *sender, now time.Time) {
	q := &s.queue
	if s.over || r.opts.Key != nil && s.id.boot == "" {
		return
	}
	// What came before the first record cannot be acknowledged while that is
	// number 0, so it cannot be asked for by number either.
	if !q.given && (q.waiting[0].resume || q.next == 0) {
		if w := q.waiting[0]; due(w.asked, now) && (w.resume || due(w.since, now)) {
			w.asked, q.asked = now, now
			r.stats.Asked++
			r.respond(s, fmt.Appendf(nil, "ncrx-resend %d", q.next))
		}
		return
	}
	room := silentNumbers
	if !q.answered.IsZero() {
		room = askedAtOnce
	}
	var missing []uint64
	head, from := q.head(), q.next
	for _, w := range q.waiting {
		first := from
		from = w.rec.Seq + 1
		if first == w.rec.Seq {
			continue
		}
		// Those that were asked for are asked for again in their time, the
		// rest when there is room.
		at := first
		if !due(w.asked, now) {
			at = max(first, w.upTo)
			room -= int(min(at-first, askedAtOnce))
		}
		if at < w.rec.Seq && len(missing) < room && (due(w.since, now) || q.stride && head-w.rec.Seq > askStride) {
			if at == first {
				w.asked = now
			}
			for ; at < w.rec.Seq && len(missing) < room; at++ {
				missing = append(missing, at)
			}
			w.upTo = at
		}
	}
	q.stride = false
	for e := r.pending.Front(); e != nil; e = e.Next() {
		p := e.Value.(*partial)
		if p.head.Seq >= head && r.at(p.from) == s && len(missing) < room && due(later(p.since, p.asked), now) {
			missing = append(missing, p.head.Seq)
			p.asked = now
		}
	}
	done := q.next - 1
	if len(missing) == 0 && !q.ackNow && (done == q.acked && !q.unheard || now.Sub(q.ackedAt) < ackInterval) {
		return
	}
	q.acked, q.ackedAt, q.ackNow, q.unheard = done, now, false, false
	if len(missing) > 0 {
		q.asked = now
	}
	r.stats.Asked += uint64(len(missing))
	for first := true; first || len(missing) > 0; first = false {
		line := strconv.AppendUint([]byte("ncrx"), done, 10)
		for len(missing) > 0 && len(line) <= answerPacket-21 {
			line = strconv.AppendUint(append(line, ' '), missing[0], 10)
			missing = missing[1:]
		}
		r.respond(s, line)
	}
}

func (r *Receiver) respond(s *sender, line []byte) {
	r.answers = append(r.answers, Response{s.from, line})
}

// due tells whether it is time to ask.
func due(since, now time.Time) bool { return now.Sub(since) >= askInterval }

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

package ncrx

import (
	"container/list"
	"net/netip"
	"time"
)

// Bounds of a Receiver's memory: at most maxPending*maxBody bytes (8 MB) in
// fragments and maxHeldAll (64 MB) in records that wait for their turn,
// whoever sends them, and maxSenders states of about 40 KB (10 MB), with
// Options.Ack 160 KB (40 MB).
const (
	maxSenders = 256 // beyond it the one that was silent longest is forgotten
	maxPending = 256 // records of which only some fragments have come, of all senders
)

// Timeouts of what is incomplete. Senders send all parts of a record at once.
const (
	fragmentTimeout = 3 * time.Second
	lineTimeout     = 1 * time.Second
)

// Options say what a Receiver does beyond putting together what comes.
type Options struct {
	// Ack: acknowledge what came, ask for what did not, and give records in
	// the order of their numbers. The caller sends what Responses returns.
	Ack bool

	// Resend, with Ack: ask a sender whose first record is not its number 0
	// for as many records before it, at most MaxResend.
	Resend uint64

	// Key: check signatures. Records that are signed with it and others do not
	// touch each other's sequence, and only those senders are answered.
	// Strict: drop the others, and count them.
	Key    []byte
	Strict bool
}

// Stats counts what came and what did not fit together.
type Stats struct {
	Datagrams  uint64 `json:"datagrams"`
	Records    uint64 `json:"records"`
	Fragments  uint64 `json:"fragments"`  // among Datagrams
	Duplicates uint64 `json:"duplicates"` // datagrams that brought nothing new
	Repeated   uint64 `json:"repeated"`   // see Record
	Malformed  uint64 `json:"malformed"`
	Incomplete uint64 `json:"incomplete"` // records given with bytes missing
	Evicted    uint64 `json:"evicted"`    // records given early, and senders forgotten, for lack of room
	Gap        uint64 `json:"gap"`        // sum of Record.Gap
	Late       uint64 `json:"late"`
	Restarts   uint64 `json:"restarts"`
	Asked      uint64 `json:"asked"`     // numbers that were asked for, each time
	Recovered  uint64 `json:"recovered"` // records that came after they were asked for
	Unsigned   uint64 `json:"unsigned"`  // records, with a key
	Forged     uint64 `json:"forged"`
	Dropped    uint64 `json:"dropped"` // of these two, as Strict wants it
}

// Receiver makes records of datagrams. It is not safe for concurrent use.
type Receiver struct {
	opts    Options
	senders map[identity]*list.Element // values of recent
	recent  *list.List                 // of *sender, the latest first
	pending *list.List                 // of *partial, the oldest first
	held    int                        // bytes of records that wait, of all senders
	looked  time.Time                  // when expire looked
	stats   Stats
	out     []Record
	answers []Response
}

// NewReceiver returns a Receiver that has seen nothing, and does no more than
// put together what comes.
func NewReceiver() *Receiver { return New(Options{}) }

// New returns a Receiver that has seen nothing.
func New(opts Options) *Receiver {
	return &Receiver{opts: opts, senders: map[identity]*list.Element{}, recent: list.New(), pending: list.New()}
}

// Stats returns the counters.
func (r *Receiver) Stats() Stats { return r.stats }

// Datagram takes a datagram that came at now and returns the records that can
// be given, in order. The records do not refer to data.
func (r *Receiver) Datagram(from netip.AddrPort, data []byte, now time.Time) []Record {
	r.stats.Datagrams++
	if d := now.Sub(r.looked); d < 0 || d >= 50*time.Millisecond {
		r.expire(now) // a look at everything, so not for each of a burst
	}
	p, err := Parse(data)
	switch {
	case err == ErrBasic:
		if !r.strict(r.unsigned()) {
			r.basic(r.sender(identity{addr: from}, from), data, now)
		}
	case err != nil:
		r.stats.Malformed++
		if !r.strict(r.unsigned()) {
			rec := Record{From: from, Time: now, Malformed: true, Level: -1, Text: string(data), Auth: r.unsigned()}
			r.emit(rec)
		}
	case p.Fragment:
		r.stats.Fragments++
		r.fragment(from, &p, now)
	default:
		r.whole(from, &p, 0, now)
	}
	return r.take()
}

// Tick returns what has waited too long at now. It is to be called from time
// to time while nothing comes.
func (r *Receiver) Tick(now time.Time) []Record {
	r.expire(now)
	return r.take()
}

// Flush returns all that is incomplete or waits.
func (r *Receiver) Flush(now time.Time) []Record {
	for e := r.pending.Front(); e != nil; e = r.pending.Front() {
		r.giveUp(e, now)
	}
	for e := r.recent.Back(); e != nil; e = e.Prev() {
		s := e.Value.(*sender)
		r.endLine(s, now)
		r.giveAll(s)
	}
	return r.take()
}

// expire gives up what has waited too long, and asks for what may still come.
func (r *Receiver) expire(now time.Time) {
	r.looked = now
	var next *list.Element
	for e := r.pending.Front(); e != nil; e = next {
		next = e.Next()
		if p := e.Value.(*partial); now.Sub(p.since) >= r.patience(p.sender) {
			r.giveUp(e, now)
		}
	}
	for e := r.recent.Back(); e != nil; e = e.Prev() {
		s := e.Value.(*sender)
		if s.line != nil && now.Sub(s.lineSince) >= lineTimeout {
			r.endLine(s, now)
		}
		if r.opts.Ack && s.started {
			r.giveUpGaps(s, now)
			r.answer(s, now)
		}
	}
}

// patience is how long fragments of a sender are waited for.
func (r *Receiver) patience(s *sender) time.Duration {
	if !r.opts.Ack || s == nil {
		return fragmentTimeout
	}
	return s.patience()
}

// identity is what tells senders apart: the address, or of those that sign the
// BOOTID, whatever address that comes from.
type identity struct {
	addr netip.AddrPort
	boot string
}

// sender returns the state of a sender and makes it the latest. from is where
// a new one sends from.
func (r *Receiver) sender(id identity, from netip.AddrPort) *sender {
	if e := r.senders[id]; e != nil {
		r.recent.MoveToFront(e)
		return e.Value.(*sender)
	}
	if r.recent.Len() >= maxSenders {
		r.evict()
	}
	s := &sender{id: id, from: from}
	r.senders[id] = r.recent.PushFront(s)
	return s
}

// evict forgets the sender that was silent longest. One that signs goes only
// if all do: anybody can make the others.
func (r *Receiver) evict() {
	e := r.recent.Back()
	for u := e; u != nil; u = u.Prev() {
		if u.Value.(*sender).id.boot == "" {
			e = u
			break
		}
	}
	s := e.Value.(*sender)
	r.stats.Evicted++
	r.endLine(s, s.lineSince)
	var next *list.Element
	for p := r.pending.Front(); p != nil; p = next {
		next = p.Next()
		if q := p.Value.(*partial); q.sender == s {
			r.giveUp(p, q.since)
		}
	}
	r.giveAll(s)
	r.recent.Remove(e)
	delete(r.senders, s.id)
}

// at returns the sender that answers are for at an address, nil if there is
// none. With a key it is the one that signs.
func (r *Receiver) at(from netip.AddrPort) *sender {
	if r.opts.Key == nil {
		if e := r.senders[identity{addr: from}]; e != nil {
			return e.Value.(*sender)
		}
		return nil
	}
	for e := r.recent.Front(); e != nil; e = e.Next() {
		if s := e.Value.(*sender); s.from == from && s.id.boot != "" {
			return s
		}
	}
	return nil
}

// whole takes a record that is not in fragments, or no longer. missing bytes
// of it have not come.
func (r *Receiver) whole(from netip.AddrPort, p *Packet, missing int, now time.Time) {
	auth, boot := r.authenticate(p)
	if missing > 0 && auth != NotChecked {
		auth = Forged // nobody knows
	}
	if r.strict(auth) {
		return
	}
	rec := r.extended(from, p, now)
	rec.Missing, rec.Auth, rec.BootID = missing, auth, boot
	switch auth {
	case Forged:
		r.emit(rec) // its number means nothing
		return
	case Authentic:
		rec.Dict = rec.Dict[:max(len(rec.Dict)-2, 0)] // they have been read; without a text the first is it
		before := r.at(from)
		s := r.sender(identity{boot: boot}, from)
		if !s.started && before != nil {
			r.giveAll(before)
			before.over = true
			r.stats.Restarts++
			rec.Restarted = true
		}
		if r.ordered(s, rec) {
			s.from = from // a copy that somebody sends again does not move it
		}
	default:
		r.ordered(r.sender(identity{addr: from}, from), rec)
	}
}

// ordered gives a record of s when its turn is. ok is false for one that was
// there before.
func (r *Receiver) ordered(s *sender, rec Record) (ok bool) {
	if r.opts.Ack {
		return r.enqueue(s, rec)
	}
	n, ok := r.sequence(s, rec.Seq, rec.Usec, rec.Time)
	if ok {
		n.mark(&rec)
		r.emit(rec)
	}
	return ok
}

func (r *Receiver) unsigned() Auth {
	if r.opts.Key == nil {
		return NotChecked
	}
	return Unsigned
}

// strict counts what is not authentic and tells whether it is dropped.
func (r *Receiver) strict(a Auth) bool {
	switch a {
	case Unsigned:
		r.stats.Unsigned++
	case Forged:
		r.stats.Forged++
	default:
		return false
	}
	if r.opts.Strict {
		r.stats.Dropped++
	}
	return r.opts.Strict
}

// extended makes a record of a whole packet.
func (r *Receiver) extended(from netip.AddrPort, p *Packet, now time.Time) Record {
	rec := Record{From: from, Time: now, Extended: true, HasTime: true}
	rec.Release, rec.Level, rec.Facility = p.Release, p.Level, p.Facility
	rec.Seq, rec.Usec, rec.Cont, rec.Fields = p.Seq, p.Usec, p.Cont, p.Fields
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

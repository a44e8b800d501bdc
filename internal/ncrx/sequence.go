package ncrx

import (
	"net/netip"
	"time"
)

// sender is what is kept of one sender.
type sender struct {
	id   identity
	from netip.AddrPort // of the latest record that was new

	// Extended format: the first record since the sender was new or booted,
	// the one with the highest number that was given, and the latest, each in
	// the place of its number modulo the window's length.
	started     bool
	first, last seen
	window      []seen

	queue queue // with Options.Ack
	over  bool  // another life of it has begun: it is not answered

	// Basic format: the beginning of a line whose end has not come, nil if
	// there is none.
	line      []byte
	lineSince time.Time
}

// seen is a record that came.
type seen struct {
	seq, usec uint64
	at        time.Time // zero in an empty place of the window
}

// windowSize is how far back duplicates and late records are told apart. A
// sender that hears no acknowledgements sends again what its log still has.
const (
	windowSize    = 1024
	windowSizeAck = 4096
)

func (r *Receiver) windowSize() int {
	if r.opts.Ack {
		return windowSizeAck
	}
	return windowSize
}

// duplicateTime is within which the network delivers a datagram twice.
const duplicateTime = time.Second

// backwards is how far, in µs, time may run backwards from one number to a
// higher one before it is taken for a new boot.
const backwards = 1e6

// note is what the sequence number of a record tells.
type note struct {
	gap                       uint64
	late, restarted, repeated bool
}

func (n note) mark(rec *Record) {
	rec.Gap, rec.Late, rec.Repeated = n.gap, n.late, n.repeated
	rec.Restarted = rec.Restarted || n.restarted
}

// sequence notes that a record came. ok is false for one that was there
// before.
func (r *Receiver) sequence(s *sender, seq, usec uint64, now time.Time) (n note, ok bool) {
	rec := seen{seq, usec, now}
	switch {
	case !s.started:
		s.start(rec, r.windowSize())
	case seq > s.last.seq && !s.bootedAhead(usec):
		n.gap = seq - s.last.seq - 1
		r.stats.Gap += n.gap
		s.note(rec)
	default:
		if n, ok = r.old(s, rec); n.restarted {
			s.start(rec, r.windowSize())
		}
		return n, ok
	}
	return n, true
}

// old judges a record that is not the sequence's next. What is neither there
// already nor missed lately is the sign of a sender that booted again and
// counts from the beginning; not so of one that signs, whose lives are told
// apart by BOOTID.
func (r *Receiver) old(s *sender, rec seen) (n note, ok bool) {
	place := s.place(rec.seq)
	same := place.seq == rec.seq && place.usec == rec.usec && !place.at.IsZero()
	missed := s.missed(rec) && (place.seq != rec.seq || place.at.IsZero())
	// A sender that does not hear our acknowledgements sends again what it
	// sent, one that is asked may send what is older, too.
	asked := rec.at.Sub(s.queue.asked) < answerTime && rec.usec <= s.last.usec
	switch {
	case missed:
		n.late = true
		r.stats.Late++
		*place = rec
		return n, true
	case s.id.boot != "", same && (r.opts.Ack || rec.at.Sub(place.at) < duplicateTime), asked && s.last.seq-rec.seq >= uint64(len(s.window)):
		r.stats.Duplicates++
		return n, false
	case same && rec.seq > 0:
		n.repeated = true
		r.stats.Repeated++
		return n, true
	}
	n.restarted = true
	r.stats.Restarts++
	return n, true
}

func (s *sender) start(rec seen, window int) {
	s.started = true
	s.first, s.last = rec, rec
	s.window = make([]seen, window)
	*s.place(rec.seq) = rec
}

func (s *sender) place(seq uint64) *seen { return &s.window[seq%uint64(len(s.window))] }

// note makes rec the last one.
func (s *sender) note(rec seen) {
	*s.place(rec.seq) = rec
	s.last = rec
}

// missed tells whether a record fits into a gap of the window.
func (s *sender) missed(rec seen) bool {
	return s.last.seq-rec.seq < uint64(len(s.window)) &&
		rec.seq > s.first.seq && s.first.usec <= rec.usec && rec.usec <= s.last.usec
}

// bootedAhead tells from the time that a sender booted again, though it counts
// on, since the beginning of that life did not come.
func (s *sender) bootedAhead(usec uint64) bool {
	return s.id.boot == "" && usec+backwards < s.last.usec && usec+backwards > usec
}

// has tells whether a record was given.
func (s *sender) has(seq, usec uint64) bool {
	if s.window == nil {
		return false
	}
	p := s.place(seq)
	return p.seq == seq && p.usec == usec && !p.at.IsZero()
}

package ncrx

import (
	"net/netip"
	"time"
)

// sender is what is kept of one address that sends.
type sender struct {
	from netip.AddrPort

	// Extended format: the first record since the sender was new or booted,
	// the one with the highest number, and the latest windowSize, each in
	// the place of its number modulo windowSize.
	started     bool
	first, last seen
	window      [windowSize]seen

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

// windowSize is how far back duplicates and late records are told apart.
const windowSize = 64

// duplicateTime is within which the network delivers a datagram twice. The
// same number and time after longer is a sender that booted again and did the
// same.
const duplicateTime = time.Second

// note is what the sequence number of a record tells.
type note struct {
	gap             uint64
	late, restarted bool
}

// sequence notes that a record came. ok is false for one that was there
// before. What is neither that, nor new, nor missed lately is the sign of a
// sender that booted again and counts from the beginning.
func (r *Receiver) sequence(s *sender, seq, usec uint64, now time.Time) (n note, ok bool) {
	rec := seen{seq, usec, now}
	place := &s.window[seq%windowSize]
	switch {
	case !s.started:
		s.start(rec)
	case seq > s.last.seq:
		n.gap = seq - s.last.seq - 1
		r.stats.Gap += n.gap
		*place, s.last = rec, rec
	case place.seq == seq && place.usec == usec && !place.at.IsZero() && now.Sub(place.at) < duplicateTime:
		r.stats.Duplicates++
		return n, false
	case s.missed(rec) && place.seq != seq:
		n.late = true
		r.stats.Late++
		*place = rec
	default:
		n.restarted = true
		r.stats.Restarts++
		s.start(rec)
	}
	return n, true
}

func (s *sender) start(rec seen) {
	s.started = true
	s.first, s.last = rec, rec
	s.window = [windowSize]seen{}
	s.window[rec.seq%windowSize] = rec
}

// missed tells whether a record fits into a gap of the window.
func (s *sender) missed(rec seen) bool {
	return s.last.seq-rec.seq < windowSize &&
		rec.seq > s.first.seq && s.first.usec <= rec.usec && rec.usec <= s.last.usec
}

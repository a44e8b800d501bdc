package console

import "bytes"

// Line formats a record as text for people, the way Linux's consoles do: each
// line of the text begins with the time, "[    1.234567] ", and ends with a
// newline. It makes the bytes one after the other, so that a console can stop
// anywhere and needs no buffer. The text itself is passed on as it is.
type Line struct {
	prefix  [24]byte
	nprefix int
	at      int // in the prefix
	pos     int // in the text
	done    bool
}

// Begin starts at the beginning of r; time tells whether lines begin with it.
func (l *Line) Begin(r *Record, time bool) {
	l.at, l.pos, l.nprefix, l.done = 0, 0, 0, false
	if time {
		l.nprefix = len(AppendTime(l.prefix[:0], r.Time))
	}
}

// Next returns the next byte of r, or false after the last. r is the record
// that Begin got, or a copy.
func (l *Line) Next(r *Record) (b byte, ok bool) {
	switch {
	case l.done:
		return 0, false
	case l.at < l.nprefix && l.at < len(l.prefix):
		b = l.prefix[l.at]
		l.at++
		return b, true
	case l.pos >= r.N || l.pos >= MaxText || l.pos < 0:
		l.done = true
		return '\n', true
	}
	b = r.Text[l.pos]
	l.pos++
	if b == '\n' {
		l.at = 0
	}
	return b, true
}

// Fill makes the next bytes of r, at most len(dst), and returns how many; 0
// after the last. It is Next, many bytes at a time.
func (l *Line) Fill(r *Record, dst []byte) int {
	n := 0
	for n < len(dst) && !l.done {
		room := dst[n:]
		switch text := r.Message(); {
		case l.at < l.nprefix && l.at < len(l.prefix):
			k := copy(room, l.prefix[l.at:min(l.nprefix, len(l.prefix))])
			l.at += k
			n += k
		case l.pos >= len(text) || l.pos < 0:
			l.done = true
			room[0] = '\n'
			n++
		default:
			run := text[l.pos:]
			if i := bytes.IndexByte(run, '\n'); i >= 0 {
				run = run[:i+1]
			}
			k := copy(room, run)
			if run[k-1] == '\n' {
				l.at = 0
			}
			l.pos += k
			n += k
		}
	}
	return n
}

// AppendLine appends the formatted record to dst.
func AppendLine(dst []byte, r *Record, time bool) []byte {
	var l Line
	l.Begin(r, time)
	for {
		b, ok := l.Next(r)
		if !ok {
			return dst
		}
		dst = append(dst, b)
	}
}

// AppendTime appends the time ns as seconds, at least five characters wide,
// and microseconds.
func AppendTime(dst []byte, ns int64) []byte {
	if ns < 0 {
		ns = 0
	}
	usec := uint64(ns) / 1000
	sec := usec / 1e6
	dst = append(dst, '[')
	for _, width := range widths {
		if sec < uint64(width) {
			dst = append(dst, ' ')
		}
	}
	dst = AppendUint(dst, sec)
	digits := [...]byte{'.', '0', '0', '0', '0', '0', '0', ']', ' '}
	for frac, i := uint32(usec-sec*1e6), 6; frac > 0 && i > 0; i-- {
		digits[i] = '0' + byte(frac%10)
		frac /= 10 // by 32 bits, since 64 are dear here
	}
	return append(dst, digits[:]...)
}

var widths = [...]uint32{10000, 1000, 100, 10}

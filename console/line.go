package console

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
// after the last.
func (l *Line) Fill(r *Record, dst []byte) int {
	for i := range dst {
		b, ok := l.Next(r)
		if !ok {
			return i
		}
		dst[i] = b
	}
	return len(dst)
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
	for width := uint64(10000); width > 1 && sec < width; width /= 10 {
		dst = append(dst, ' ')
	}
	dst = AppendUint(dst, sec)
	dst = append(dst, '.')
	for frac, width := usec%1e6, uint64(100000); width > 0; width /= 10 {
		dst = append(dst, '0'+byte(frac/width%10))
	}
	return append(dst, "] "...)
}

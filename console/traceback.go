package console

// traceback bounds what one traceback of the Go runtime, of all goroutines, takes of
// the log: there may be tens of thousands, and the ring holds the beginning, which says
// why, for the consoles that are slow. The first goroutines, of which the very first is
// the one that died, are whole; of the others it is told how many they are.
//
// The runtime writes
//
//	goroutine 7 [select]:
//	main.f(0x4)
//		/src/main.go:7 +0x18
//	created by main.main in goroutine 1
//		/src/main.go:3 +0x24
//
// with an empty line between two goroutines (runtime/traceback.go).
type traceback struct {
	at         place
	size       uint32 // in the ring, of what was told
	goroutines uint32 // left out, and their lines
	lines      uint32
}

// place is where in a traceback the line before was.
type place uint8

const (
	outside place = iota
	inGoroutine
	between // empty
)

// unbounded is the bound of a traceback that has none.
const unbounded = ^uint32(0)

// SetTracebackMax sets how much of the ring the goroutines of a traceback on
// descriptor 1 or 2 may take, in bytes; the last one is told to its end. 0: there is no
// bound. Until it is called that is three quarters of the ring. Any goroutine, at start.
func SetTracebackMax(size uint32) {
	if size == 0 {
		size = unbounded
	}
	std.tracebackMax = size
}

// leavesOut decides whether the line, the beginning of one, is left out.
func (l *klog) leavesOut(s *Stream, line []byte) bool {
	t := &s.trace
	switch {
	case beginsGoroutine(line):
		if t.at != between {
			l.endTraceback(s) // another one begins
		} else if t.size >= l.maxTraceback() {
			t.goroutines++
		}
		t.at = inGoroutine
	case len(line) == 0 && t.at == inGoroutine:
		t.at = between
	case t.at == between:
		l.endTraceback(s)
	}
	if t.goroutines == 0 {
		return false
	}
	t.lines++
	return true
}

func (l *klog) maxTraceback() uint32 {
	if l.tracebackMax == 0 {
		return uint32(len(l.ring.mem()) / 4 * 3)
	}
	return l.tracebackMax
}

// endTraceback ends the traceback that the stream is in, if it is, and tells what was
// left out.
func (l *klog) endTraceback(s *Stream) {
	t := s.trace
	s.trace = traceback{}
	if t.goroutines == 0 {
		return
	}
	var buf [64]byte
	b := AppendUint(append(buf[:0], "..."...), uint64(t.goroutines))
	b = AppendUint(append(b, " goroutines elided, "...), uint64(t.lines))
	l.append(kind(s.severity(), s.facility), append(b, " lines..."...), nil)
}

// beginsGoroutine reports whether a line is the first of a goroutine's.
func beginsGoroutine(line []byte) bool {
	const first, last = "goroutine ", "]:"
	n := len(line)
	return n > len(first)+len(last) && string(line[:len(first)]) == first && string(line[n-len(last):]) == last
}

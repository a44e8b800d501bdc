package console

import "bytes"

// partialTimeout is how long a stream keeps the beginning of a line before it
// becomes a record without its end, in nanoseconds.
const partialTimeout = 1e9

// Stream turns bytes as they come, in pieces of any size and with any content,
// into records, one a line. Use the streams of FD for the program's output.
type Stream struct {
	level    Level
	facility uint8
	cont     bool  // the last record was not the end of its line
	crash    bool  // the runtime is reporting its end
	since    int64 // when the first byte held came
	trace    traceback
	n        int
	buf      [MaxText]byte
}

// FD takes what the program writes to a descriptor: level Info for 1 and
// Warning for 2, facility FacUser. When the Go runtime begins to report a crash
// there, the level is Err until a second has passed without a line, so that
// the traceback is seen on a console that is told to be quiet. A traceback has a bound
// (SetTracebackMax). Its time is proportional to len(p). Trap context.
func FD(fd int, p []byte) {
	std.fd(fd, p)
	std.flush(flushBudget)
}

func (l *klog) fd(fd int, p []byte) {
	switch fd {
	case 1:
		l.streams[0].level, l.streams[0].facility = Info, FacUser
		l.write(&l.streams[0], p)
	case 2:
		l.streams[1].level, l.streams[1].facility = Warning, FacUser
		l.write(&l.streams[1], p)
	}
}

// write appends p to the stream's line and emits the lines that are complete.
func (l *klog) write(s *Stream, p []byte) {
	for len(p) > 0 {
		end := bytes.IndexByte(p, '\n')
		if end == 0 && s.n == 0 && s.cont {
			// The line was as long as a record, which is out already.
			s.cont = false
			p = p[1:]
			continue
		}
		line := p
		if end >= 0 {
			line = p[:end]
		}
		if s.n == 0 {
			now := l.now()
			if now-s.since >= partialTimeout {
				s.crash = false
				l.endTraceback(s)
			}
			s.since = now
		}
		n := copy(s.buf[clamp(s.n, MaxText):], line)
		s.n += n
		if n == len(line) && end >= 0 {
			l.emitStream(s, false)
			n++
		} else if s.n >= MaxText {
			l.emitStream(s, true)
		}
		p = p[n:]
	}
}

// emitStream makes a record of what the stream holds. more tells that the line
// goes on.
func (l *klog) emitStream(s *Stream, more bool) {
	n := clamp(s.n, MaxText)
	cont := s.cont
	// The stream is emptied before the append: if that faults, the panic
	// does not try the same bytes again.
	s.n, s.cont = 0, more
	if s.level == Warning && !cont && reportsCrash(s.buf[:n]) {
		s.crash = true
	}
	if cont && s.trace.goroutines > 0 || !cont && l.leavesOut(s, s.buf[:n]) {
		return
	}
	if s.trace.at != outside {
		s.trace.size += sizeOf(n, 0)
	}
	k := kind(s.severity(), s.facility)
	if cont {
		k |= continues
	}
	l.append(k, s.buf[:n], nil)
}

func (s *Stream) severity() Level {
	if s.crash {
		return Err
	}
	return s.level
}

// flushStreams makes records of the partial lines held, and ends tracebacks.
func (l *klog) flushStreams() {
	for i := range l.streams {
		s := &l.streams[i]
		if s.n > 0 {
			l.emitStream(s, true)
		}
		l.endTraceback(s)
	}
}

// expireStreams emits the partial lines that have waited long enough.
func (l *klog) expireStreams() {
	for i := range l.streams {
		s := &l.streams[i]
		if s.n > 0 && l.now()-s.since >= partialTimeout {
			l.emitStream(s, true)
		}
	}
}

// reportsCrash reports whether a line is one of those with which the Go
// runtime begins to tell of its end (runtime/panic.go, signal_unix.go).
func reportsCrash(line []byte) bool {
	for _, s := range [...]string{"panic: ", "fatal error: ", "runtime: ", "SIG"} {
		if len(line) > len(s) && string(line[:len(s)]) == s {
			return true
		}
	}
	return false
}

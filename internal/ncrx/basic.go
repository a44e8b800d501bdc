package ncrx

import (
	"bytes"
	"time"
)

// In the basic format a sender cuts text into datagrams of at most
// basicPacket bytes wherever that falls, and marks nothing. So a full datagram
// without a newline at its end goes on in the next one. maxLine bounds how
// far.
const (
	basicPacket = 1000
	maxLine     = 16 << 10
)

// basic takes a datagram in the basic format: one record for each line.
func (r *Receiver) basic(s *sender, data []byte, now time.Time) {
	if _, _, stamped := CutTime(string(data[:min(len(data), 64)])); stamped {
		r.endLine(s, now) // a new record: the rest of the last one is lost
	}
	full := len(data) >= basicPacket
	for len(data) > 0 {
		line, rest, ended := bytes.Cut(data, []byte{'\n'})
		data = rest
		if s.line == nil {
			s.line, s.lineSince = []byte{}, now
		}
		s.line = append(s.line, line...)
		if ended || !full || len(s.line) > maxLine {
			r.endLine(s, now)
		}
	}
}

// endLine makes a record of the line that was begun, if there is one.
func (r *Receiver) endLine(s *sender, now time.Time) {
	if s.line == nil {
		return
	}
	rec := Record{From: s.from, Time: now, Level: -1, Auth: r.unsigned()}
	rec.Usec, rec.Text, rec.HasTime = CutTime(string(s.line))
	s.line = nil
	r.emit(rec)
}

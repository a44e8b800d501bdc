package netconsole

import "github.com/gasp-go/gasp/console"

const (
	// maxChunk is the payload of a datagram at most, in both formats.
	maxChunk = 1000

	// maxBody bounds what follows the ";" of a record's header. netconsd takes
	// less than 8192 bytes.
	maxBody = 8191

	// maxRelease bounds the release so that a header always leaves room for
	// text.
	maxRelease = 256

	maxUserdata = 4096 // bytes of all user data lines
	maxTail     = 512  // of the lines after them
	maxCut      = 24   // of the TRUNCATED line
)

// extended makes the datagrams of one record in the extended format:
//
//	[release,]<level>,<seq>,<usec>,<-|c>[,ncfrag=<offset>/<total>];<text>\n
//	 KEY=value\n ...
//
// level holds the facility too, usec is the time since boot, c marks a record
// that continues the one before it. In text and dictionary bytes below 0x20,
// above 0x7e and the backslash are written \xNN. What is longer than a
// datagram goes in fragments that repeat the header; offset and total count
// the bytes after the ";".
//
// The body's lines are the text, the record's dictionary, the user data, the
// system data, and those that authenticate it. If it is longer than maxBody,
// first lines of the dictionary are left out, from its end, then the end of the
// text; a line TRUNCATED=<n> tells how many bytes these were.
type extended struct {
	header console.Header
	nhead  int
	total  int // bytes of the body
	off    int // of these in earlier datagrams
	head   [maxRelease + 80]byte
	tail   [maxTail]byte
	body   [maxBody]byte
}

// line makes the one datagram of a record that is a line of text with nothing to be
// escaped, and nothing around it but a header, as most are, and returns its length; 0:
// begin is to make it.
func (x *extended) line(dst *[maxChunk]byte, r *console.Record, release []byte) int {
	const most = maxChunk - maxRelease - console.MaxHeader - 2
	if r.NDict > 0 || r.N > most || r.N < 0 {
		return 0
	}
	n := 0
	if len(release) > 0 {
		n = copy(dst[:maxRelease], release)
	}
	n += x.header.Put(dst[n:], r)
	dst[n] = ';'
	if !console.CopyPlain(dst[n+1:], r.Text[:r.N]) {
		return 0
	}
	n += 1 + r.N
	dst[n] = '\n'
	x.off, x.total = 0, 0
	return n + 1
}

// begin makes the first datagram of r at dst, which has room for maxChunk bytes, and
// returns its length. whole tells whether all of r found room in the format; what does
// not fit the datagram is in the body, for fill.
func (x *extended) begin(dst []byte, r *console.Record, s *stamp, msgid uint32) (n int, whole bool) {
	x.off, x.total = 0, 0
	b := append(x.header.Append(append(dst[:0], s.release...), r), ';')
	end := s.sysdata.append(x.tail[:0], r, msgid)
	// Most records fit one datagram and are made where they are sent from, if there is
	// room for the least that body makes: nothing may be appended beyond it.
	if room := maxChunk - len(b); r.N+r.NDict+1+maxCut+s.behind(end) <= room {
		if body, left := s.body(b[:len(b)-1], b[len(b):len(b):maxChunk], r, end, room); left == 0 {
			return len(b) + len(body), true
		}
	}
	x.nhead = copy(x.head[:], b[:len(b)-1])
	body, left := s.body(x.head[:x.nhead], x.body[:0], r, end, maxBody)
	x.total = len(body)
	return x.fill(dst), left == 0
}

// body appends the body of r, at most size bytes, and returns how many bytes of the text
// and the dictionary were left out. There is room for a TRUNCATED line and for what
// follows it.
func (s *stamp) body(head, dst []byte, r *console.Record, end []byte, size int) (body []byte, left int) {
	limit := size - s.behind(end)
	b, text := console.AppendEscaped(dst, r.Message(), limit-1)
	if left = r.N - text; left > 0 {
		// There is a TRUNCATED line to be made room for.
		b, text = console.AppendEscaped(dst, r.Message(), limit-1-maxCut)
		left = r.N - text
	}
	b = append(b, '\n')
	if r.NDict > 0 {
		skipped := 0
		b, skipped = appendDict(b, r.Dictionary(), limit, left > 0)
		if skipped > 0 && len(b) > limit-maxCut {
			// The text has taken the room of the TRUNCATED line.
			b, text = console.AppendEscaped(dst, r.Message(), limit-1-maxCut)
			b, left = append(b, '\n'), r.N-text
		}
		left += skipped
	}
	if left > 0 {
		b = console.AppendUint(append(b, " TRUNCATED="...), uint64(left))
		b = append(b, '\n')
	}
	if len(s.userdata)+len(end) > 0 {
		b = append(append(b, s.userdata...), end...)
	}
	if s.auth != nil {
		b = s.auth.sign(head, b)
	}
	return b, left
}

// behind is how many bytes follow text and dictionary.
func (s *stamp) behind(end []byte) int {
	n := len(s.userdata) + len(end)
	if s.auth != nil {
		n += authLen
	}
	return n
}

// appendDict appends the lines of a dictionary as long as b is not longer than
// limit, with room for a TRUNCATED line if there will be one, and returns how
// many bytes of the dictionary were left out.
func appendDict(b, dict []byte, limit int, cut bool) ([]byte, int) {
	all := b
	for rest, bound := dict, limit; len(rest) > 0; {
		n := 0
		for n < len(rest) && rest[n] != 0 {
			n++
		}
		if cut {
			bound = limit - maxCut
		}
		room := bound - len(all) - 2 // the space and the newline
		line, took := all, -1
		if room >= n {
			line, took = console.AppendEscaped(append(all, ' '), rest[:n], room)
		}
		if took < n {
			if cut {
				return all, len(rest)
			}
			// From the start again: there is a line more.
			cut, all, rest = true, b, dict
			continue
		}
		all = append(line, '\n')
		if n == len(rest) {
			break
		}
		rest = rest[n+1:]
	}
	return all, 0
}

// fill makes the next datagram and returns its length, 0 after the last. dst
// has room for maxChunk bytes.
func (x *extended) fill(dst []byte) int {
	if x.off >= x.total || x.total > len(x.body) || len(dst) < maxChunk {
		return 0
	}
	b := append(dst[:0], x.head[:x.nhead]...)
	if x.nhead+1+x.total > maxChunk {
		b = console.AppendUint(append(b, ",ncfrag="...), uint64(x.off))
		b = console.AppendUint(append(b, '/'), uint64(x.total))
	}
	b = append(b, ';')
	n := copy(dst[len(b):maxChunk], x.body[x.off:x.total])
	x.off += n
	return len(b) + n
}

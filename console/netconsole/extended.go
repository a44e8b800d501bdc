package netconsole

import "github.com/gasp-go/gasp/console"

// maxChunk is the payload of a datagram at most, in both formats.
const maxChunk = 1000

// maxRelease bounds the release so that a header always leaves room for text.
const maxRelease = 256

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
// The body is made byte by byte, so no buffer holds the whole of it.
type extended struct {
	release  []byte // with its comma, set once
	userdata []byte // lines that follow each record, set once

	head  [maxRelease + 80]byte
	nhead int
	total int // bytes of the body
	off   int // of these in earlier datagrams

	part   part
	pos    int
	esc    int // bytes of the escape of the current byte that are out
	inside bool
}

// part is the part of the body that is being made.
type part uint8

const (
	partText part = iota
	partTextEnd
	partDict
	partUser
	partEnd
)

// begin starts at the beginning of r.
func (x *extended) begin(r *console.Record) {
	x.part, x.pos, x.esc, x.off, x.inside = partText, 0, 0, 0, false
	b := append(x.head[:0], x.release...)
	b = console.AppendUint(b, uint64(r.Facility)<<3|uint64(r.Level))
	b = console.AppendUint(append(b, ','), r.Seq)
	b = console.AppendUint(append(b, ','), uint64(max(r.Time, 0))/1000)
	if r.Cont {
		b = append(b, ",c"...)
	} else {
		b = append(b, ",-"...)
	}
	x.nhead = len(b)
	x.total = bodyLen(r) + len(x.userdata)
}

// fill makes the next datagram and returns its length, 0 after the last. dst
// has room for maxChunk bytes.
func (x *extended) fill(r *console.Record, dst []byte) int {
	if x.off >= x.total || len(dst) < maxChunk {
		return 0
	}
	b := append(dst[:0], x.head[:x.nhead]...)
	if x.nhead+1+x.total > maxChunk {
		b = console.AppendUint(append(b, ",ncfrag="...), uint64(x.off))
		b = console.AppendUint(append(b, '/'), uint64(x.total))
	}
	b = append(b, ';')
	for len(b) < maxChunk {
		c, ok := x.next(r)
		if !ok {
			break
		}
		b = append(b, c)
		x.off++
	}
	return len(b)
}

// next makes the next byte of the body.
func (x *extended) next(r *console.Record) (byte, bool) {
	for {
		switch x.part {
		case partText:
			if text := r.Message(); x.pos < len(text) {
				return x.escaped(text[x.pos]), true
			}
			x.part, x.pos = partTextEnd, 0
		case partTextEnd:
			x.part = partDict
			return '\n', true
		case partDict:
			dict := r.Dictionary()
			switch {
			case x.pos >= len(dict) && !x.inside:
				x.part, x.pos = partUser, 0
			case !x.inside:
				x.inside = true
				return ' ', true
			case x.pos >= len(dict) || dict[x.pos] == 0 && x.esc == 0:
				x.inside = false
				x.pos++
				return '\n', true
			default:
				return x.escaped(dict[x.pos]), true
			}
		case partUser:
			if x.pos < len(x.userdata) {
				x.pos++
				return x.userdata[x.pos-1], true
			}
			x.part = partEnd
		default:
			return 0, false
		}
	}
}

const hex = "0123456789abcdef"

func plain(c byte) bool { return c >= 0x20 && c < 0x7f && c != '\\' }

// escaped makes the next byte of c, or of its escape, and moves on after it.
func (x *extended) escaped(c byte) byte {
	if plain(c) {
		x.pos++
		return c
	}
	x.esc++
	switch x.esc {
	case 1:
		return '\\'
	case 2:
		return 'x'
	case 3:
		return hex[c>>4]
	}
	x.esc = 0
	x.pos++
	return hex[c&15]
}

// bodyLen is the number of bytes next will make of r, without userdata.
func bodyLen(r *console.Record) int {
	n := 1
	for _, c := range r.Message() {
		n += escapedLen(c)
	}
	dict := r.Dictionary()
	if len(dict) == 0 {
		return n
	}
	n += 2 // the first space, the last newline
	for _, c := range dict {
		if c == 0 {
			n += 2
		} else {
			n += escapedLen(c)
		}
	}
	// An entry after a NUL at the very end does not exist.
	if dict[len(dict)-1] == 0 {
		n -= 2
	}
	return n
}

func escapedLen(c byte) int {
	if plain(c) {
		return 1
	}
	return 4
}

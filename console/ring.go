package console

import "encoding/binary"

// RingSize is the memory of the ring in bytes; a record takes its text, its
// dictionary and recordHeader.
const RingSize = 256 << 10

// In the ring a record is a header, the text, the dictionary, and padding to a
// multiple of 8 bytes. The header, little-endian:
//
//	 0  u16  length of the text
//	 2  u16  length of the dictionary
//	 4  u8   level
//	 5  u8   facility
//	 6  u8   1: continues the record before it
//	 7  u8   recordMagic
//	 8  u64  sequence number
//	16  i64  time
const (
	recordHeader = 24
	recordMagic  = 0xa5
)

// ring holds the newest records. Positions are byte counts since boot and are
// reduced to an index only at the access; they never run backwards.
//
// An append publishes the record last, by moving head, so a fault in the
// middle of one leaves the ring as it was. Whoever reads checks every header:
// in a panic the memory may have been written over.
type ring struct {
	head, tail  uint64 // positions: end of the newest, start of the oldest record
	next, first uint64 // sequence numbers: of the next append, of the oldest record
	hint        cursor // where the last read ended, for those who read in order
	buf         [RingSize]byte
}

// cursor is a place between two records: the next to be read and where it is.
type cursor struct {
	seq uint64
	pos uint64
}

type header struct {
	text, dict      int
	level, facility uint8
	cont            bool
	seq             uint64
	time            int64
}

func (h *header) size() uint64 { return uint64(recordHeader+h.text+h.dict+7) &^ 7 }

// append adds a record. text and dict are within their bounds.
func (g *ring) append(level Level, facility uint8, cont bool, now int64, text, dict []byte) {
	h := header{text: len(text), dict: len(dict), seq: g.next}
	need := h.size()
	for g.head+need-g.tail > RingSize {
		g.evict()
	}
	var b [recordHeader]byte
	binary.LittleEndian.PutUint16(b[0:], uint16(h.text))
	binary.LittleEndian.PutUint16(b[2:], uint16(h.dict))
	b[4], b[5], b[7] = uint8(level&7), facility, recordMagic
	if cont {
		b[6] = 1
	}
	binary.LittleEndian.PutUint64(b[8:], h.seq)
	binary.LittleEndian.PutUint64(b[16:], uint64(now))
	g.put(g.head, b[:])
	g.put(g.head+recordHeader, text)
	g.put(g.head+recordHeader+uint64(h.text), dict)
	g.head += need
	g.next++
}

// evict drops the oldest record.
func (g *ring) evict() {
	h, ok := g.header(cursor{g.first, g.tail})
	if !ok {
		g.clear()
		return
	}
	g.tail += h.size()
	g.first++
}

// clear drops all records, since the ring no longer makes sense.
func (g *ring) clear() { g.tail, g.first = g.head, g.next }

// header reads and checks the header at c.
func (g *ring) header(c cursor) (h header, ok bool) {
	if g.head-c.pos < recordHeader || g.head-c.pos > RingSize {
		return h, false
	}
	var b [recordHeader]byte
	g.get(c.pos, b[:])
	h = header{
		text:     int(binary.LittleEndian.Uint16(b[0:])),
		dict:     int(binary.LittleEndian.Uint16(b[2:])),
		level:    b[4],
		facility: b[5],
		cont:     b[6] != 0,
		seq:      binary.LittleEndian.Uint64(b[8:]),
		time:     int64(binary.LittleEndian.Uint64(b[16:])),
	}
	ok = b[7] == recordMagic && h.seq == c.seq && h.level <= uint8(Debug) &&
		h.text <= MaxText && h.dict <= MaxDict && h.size() <= g.head-c.pos
	return h, ok
}

// skip moves c over records that are gone, and over those less important than
// max. It returns how many were gone and whether there is a record at c.
func (g *ring) skip(c *cursor, max Level) (h header, lost uint64, ok bool) {
	if c.seq < g.first {
		lost = g.first - c.seq
		*c = cursor{g.first, g.tail}
	}
	for c.seq < g.next {
		h, ok = g.header(*c)
		if !ok {
			g.clear()
			lost += g.first - c.seq
			*c = cursor{g.first, g.tail}
			return h, lost, false
		}
		if Level(h.level) <= max {
			return h, lost, true
		}
		c.advance(h)
	}
	return h, lost, false
}

func (c *cursor) advance(h header) {
	c.seq++
	c.pos += h.size()
}

// load copies the record at c, whose header is h, to r.
func (g *ring) load(c cursor, h header, r *Record) {
	r.Seq, r.Time, r.Lost = h.seq, h.time, 0
	r.Level, r.Facility, r.Cont = Level(h.level), h.facility, h.cont
	r.N, r.NDict = h.text, h.dict
	g.get(c.pos+recordHeader, r.Text[:clamp(h.text, MaxText)])
	g.get(c.pos+recordHeader+uint64(h.text), r.Dict[:clamp(h.dict, MaxDict)])
}

// read is Read. It walks from the oldest record unless it is going on from the
// place of the last call.
func (g *ring) read(seq uint64, r *Record) (ok bool, lost uint64) {
	c := cursor{g.first, g.tail}
	if g.hint.seq >= g.first && g.hint.seq <= seq {
		c = g.hint
	}
	if seq < g.first {
		lost = g.first - seq
	}
	for {
		h, gone, ok := g.skip(&c, Debug)
		lost += gone
		if !ok {
			return false, lost
		}
		if c.seq >= seq {
			g.load(c, h, r)
			c.advance(h)
			g.hint = c
			return true, lost
		}
		c.advance(h)
	}
}

// put and get copy to and from a position, around the end of the memory.
func (g *ring) put(pos uint64, p []byte) {
	i := pos % RingSize
	n := copy(g.buf[i:], p)
	copy(g.buf[:], p[n:])
}

func (g *ring) get(pos uint64, p []byte) {
	i := pos % RingSize
	n := copy(p, g.buf[i:])
	copy(p[n:], g.buf[:])
}

package console

import (
	"sync/atomic"
	"unsafe"

	"github.com/gasp-go/gasp/board/word"
)

// RingSize is the memory of the ring in bytes unless Grow made it larger; a
// record takes its text, its dictionary and recordHeader.
const RingSize = 256 << 10

// In the ring a record is a header, the text, the dictionary, and padding to a
// multiple of 8 bytes. The header, in words of the CPU's order (here
// little-endian):
//
//	 0  u64  sequence number
//	 8  i64  time
//	16  u16  length of the text
//	18  u16  length of the dictionary
//	20  u8   level
//	21  u8   facility; bits 5 to 7: upper bits of the thread
//	22  u8   1: continues the record before it; bits 1 to 7: lower bits of the thread
//	23  u8   recordMagic
//
// The last word is written last: without it there is no record.
const (
	recordHeader = 24
	recordMagic  = 0xa5
)

// maxDepth bounds how deep appends may interrupt each other: in a goroutine's
// section, in an exception, in a FIQ, in the panic of one of them.
const maxDepth = 4

// ring holds the newest records. Positions are byte counts since boot, modulo
// 2^32, and are reduced to an index only at the access; they never run backwards.
//
// Appends run with interrupts masked, so that only what cannot be masked can
// come in between: a FIQ, or a fault and the panic that follows it. Both may
// append. So an append first reserves its place and number, by one
// compare-and-swap of published, then writes, and last stores the word that
// makes it a record. What interrupts it reserves behind it. If it is never
// resumed, its record is missing and counted as lost; nothing else is harmed.
//
// Whoever reads checks every header: an append may have ended half done, and in
// a panic the memory may have been written over. What does not check is passed
// over and counted.
type ring struct {
	// published is a counter in the upper 28 bits and in the lower 4 which of
	// states is valid. Each depth has two states of its own to prepare the next
	// one in, as an interrupted append goes on writing to the one it chose.
	published atomic.Uint32
	states    [2 * maxDepth]state
	depth     int // appends that are under way, one interrupting the other

	hint cursor // where the last read ended, for those who read in order

	step func() // tests: called at every store of an append that shows, may not return

	grown bool   // big is in use
	big   []byte // set on a goroutine before that
	buf   [RingSize / 8]uint64
}

// state is what the ring holds.
type state struct {
	head, tail  uint32 // positions: end of the newest, start of the oldest record
	next, first uint64 // sequence numbers: of the next append, of the oldest record
}

// cursor is a place between two records: the next to be read and where it is.
type cursor struct {
	seq uint64
	pos uint32
}

type header struct {
	text, dict      int
	level, facility uint8
	cont            bool
	thread          uint16
	seq             uint64
	time            int64
}

// set sets all of h but the number.
func (h *header) set(kind uint32, thread uint16, time int64, text, dict int) {
	h.text, h.dict, h.time = text, dict, time
	h.level, h.facility, h.cont, h.thread = uint8(kind), uint8(kind>>8), kind&continues != 0, thread
}

func (h *header) size() uint32 { return sizeOf(h.text, h.dict) }

func sizeOf(text, dict int) uint32 { return uint32(recordHeader+text+dict+7) &^ 7 }

// mem is the ring's memory, a power of two in size.
func (g *ring) mem() []byte {
	if g.grown {
		return g.big
	}
	return (*[RingSize]byte)(unsafe.Pointer(&g.buf))[:]
}

// state is the valid state.
func (g *ring) state() *state { return &g.states[word.Load(&g.published)%(2*maxDepth)] }

// append adds the record with the header h, whose seq it sets, and returns its
// position. text and dict are within their bounds and as long as h says.
func (g *ring) append(h *header, text, dict []byte) (at uint32) {
	depth := g.depth
	g.depth++
	if depth < 0 || depth >= maxDepth {
		depth = maxDepth - 1
	}
	at, h.seq = g.reserve(h.size(), uint32(depth))

	m := g.mem()
	w := pair(m, at+16)
	atomic.StoreUint32(&w[1], 0)
	g.stepped()
	w[0] = uint32(h.text) | uint32(h.dict)<<16
	v := pair(m, at)
	v[0], v[1] = uint32(h.seq), uint32(h.seq>>32)
	v = pair(m, at+8)
	v[0], v[1] = uint32(h.time), uint32(h.time>>32)
	g.stepped()
	if i := int(at+recordHeader) & (len(m) - 1); g.step == nil && len(text) <= len(m)-i {
		copy(m[i:], text) // most often
	} else {
		g.put(m, at+recordHeader, text)
	}
	if len(dict) > 0 {
		g.put(m, at+recordHeader+uint32(len(text)), dict)
	}
	c := uint32(h.level) | uint32(h.facility)<<8 | uint32(h.thread>>7&7)<<13 | uint32(h.thread&127)<<17 | recordMagic<<24
	if h.cont {
		c |= 1 << 16
	}
	word.Store((*atomic.Uint32)(unsafe.Pointer(&w[1])), c)
	g.stepped()
	g.depth--
	return at
}

// reserve makes room for a record of that size, and returns its position and
// number.
func (g *ring) reserve(need, depth uint32) (at uint32, seq uint64) {
	m := g.mem()
	size := uint32(len(m))
	for {
		v := word.Load(&g.published)
		slot := 2 * depth
		if v%(2*maxDepth) == slot {
			slot++
		}
		was, s := &g.states[v%(2*maxDepth)], &g.states[slot%(2*maxDepth)]
		at, seq = was.head, was.next
		s.tail, s.first = was.tail, was.first
		if at&7 != 0 || at-s.tail > size || int64(seq-s.first) < 0 {
			// Written over. Begin anew behind what was there.
			at = (at + 7) &^ 7
			s.tail, s.first = at, seq
		}
		for at+need-s.tail > size {
			s.head, s.next = at, seq
			g.evict(m, s)
		}
		s.head, s.next = at+need, seq+1
		g.stepped()
		if g.published.CompareAndSwap(v, (v>>4+1)<<4|slot) {
			g.stepped()
			return at, seq
		}
	}
}

// stepped lets a test interrupt an append.
func (g *ring) stepped() {
	if g.step != nil {
		g.step()
	}
}

// interrupted forgets the appends that were under way, since they will not be
// resumed.
func (g *ring) interrupted() { g.depth = 0 }

// evict drops the oldest record of s.
func (g *ring) evict(m []byte, s *state) {
	w, v := pair(m, s.tail+16), pair(m, s.tail)
	if text, dict := w[0]&0xffff, w[0]>>16; w[1]>>24 == recordMagic && text <= MaxText && dict <= MaxDict &&
		v[0] == uint32(s.first) && v[1] == uint32(s.first>>32) && sizeOf(int(text), int(dict)) <= s.head-s.tail {
		s.tail += sizeOf(int(text), int(dict))
		s.first++
		return
	}
	c := cursor{s.first, s.tail}
	g.resync(s, &c)
	if c.seq <= s.first || c.seq > s.next || c.pos == s.tail || s.head-c.pos > s.head-s.tail {
		c = cursor{s.next, s.head}
	}
	s.first, s.tail = c.seq, c.pos
}

// header reads and checks the header of the record that c says is there.
func (g *ring) header(s *state, c *cursor, h *header) bool {
	return g.headerAt(s, c.pos, h) && h.seq == c.seq
}

// headerAt reads and checks the header at pos, but for its number.
func (g *ring) headerAt(s *state, pos uint32, h *header) bool {
	m := g.mem()
	left := s.head - pos
	if left < recordHeader || left > uint32(len(m)) || pos&7 != 0 {
		return false
	}
	w := pair(m, pos+16)
	b := atomic.LoadUint32(&w[1])
	if b>>24 != recordMagic {
		return false
	}
	h.text, h.dict = int(w[0]&0xffff), int(w[0]>>16)
	h.level, h.facility, h.cont = uint8(b), uint8(b>>8)&31, b>>16&1 != 0
	h.thread = uint16(b>>17&127 | b>>13&7<<7)
	v := pair(m, pos)
	h.seq = uint64(v[0]) | uint64(v[1])<<32
	v = pair(m, pos+8)
	h.time = int64(uint64(v[0]) | uint64(v[1])<<32)
	return h.level <= uint8(Debug) && h.text <= MaxText && h.dict <= MaxDict && h.size() <= left
}

// resync moves c to the next record from c.seq on, whose header is not where c
// says: its writer did not finish, the cursor is torn, or memory was written
// over. It returns how many records were passed over; if there is none left, c
// is at the end. Its time is bounded by the size of the ring.
func (g *ring) resync(s *state, c *cursor) (lost uint64) {
	var h header
	walk := cursor{s.first, s.tail}
	for walk.seq < c.seq && g.header(s, &walk, &h) {
		walk.advance(&h)
	}
	from := walk.pos
	if walk.seq == c.seq {
		if g.header(s, &walk, &h) {
			*c = walk
			return 0
		}
	} else if c.pos-s.tail <= s.head-s.tail {
		from = c.pos
	}
	left := s.head - (from+7)&^7
	for left <= uint32(len(g.mem())) && left >= recordHeader {
		if g.headerAt(s, s.head-left, &h) && h.seq >= c.seq && h.seq < s.next {
			lost = h.seq - c.seq
			*c = cursor{h.seq, s.head - left}
			return lost
		}
		left -= 8
	}
	lost = s.next - c.seq
	*c = cursor{s.next, s.head}
	return lost
}

// skip moves c over records that are gone, and over those that want, which may
// be nil, does not want. It returns how many were gone and whether there is a
// record at c.
func (g *ring) skip(c *cursor, want *Registration, h *header) (lost uint64, ok bool) {
	s := g.state()
	if c.seq < s.first {
		lost = s.first - c.seq
		*c = cursor{s.first, s.tail}
	}
	for c.seq < s.next {
		switch ok := g.header(s, c, h); {
		case !ok && g.depth > 0:
			return lost, false // still being written, by what was interrupted
		case !ok:
			lost += g.resync(s, c)
		case want == nil || want.wants(h):
			return lost, true
		default:
			c.advance(h)
		}
	}
	return lost, false
}

func (c *cursor) advance(h *header) {
	c.seq++
	c.pos += h.size()
}

// describe sets all of r but its text and dictionary.
func (r *Record) describe(h *header) {
	r.Seq, r.Time, r.Lost = h.seq, h.time, 0
	r.Level, r.Facility, r.Cont, r.Thread = Level(h.level), h.facility, h.cont, h.thread
	r.N, r.NDict = h.text, h.dict
}

// load copies the record at c, whose header is h, to r.
func (g *ring) load(c *cursor, h *header, r *Record) {
	r.describe(h)
	g.get(c.pos+recordHeader, r.Text[:clamp(h.text, MaxText)])
	g.get(c.pos+recordHeader+uint32(h.text), r.Dict[:clamp(h.dict, MaxDict)])
}

// readTries bounds how often a read begins anew because what interrupted it
// has appended.
const readTries = 8

// read is Read. It walks from the oldest record unless it is going on from the
// place of the last call.
func (g *ring) read(seq uint64, r *Record) (ok bool, lost uint64) {
	for range readTries {
		v := g.published.Load()
		ok, lost = g.tryRead(seq, r)
		if g.published.Load() == v {
			break
		}
	}
	return ok, lost
}

func (g *ring) tryRead(seq uint64, r *Record) (ok bool, lost uint64) {
	s := g.state()
	c := cursor{s.first, s.tail}
	if g.hint.seq >= s.first && g.hint.seq <= seq {
		c = g.hint
	}
	var h header
	for {
		if _, ok = g.skip(&c, nil, &h); !ok {
			if c.seq > seq {
				lost = c.seq - seq
			}
			return false, lost
		}
		if c.seq >= seq {
			g.load(&c, &h, r)
			lost = c.seq - seq
			c.advance(&h)
			g.hint = c
			return true, lost
		}
		c.advance(&h)
	}
}

// grow makes the memory at big the ring's, with the records there are. Its size
// is a power of two and larger than the ring's.
func (g *ring) grow() {
	s := g.state()
	old := g.mem()
	pos := s.tail
	for left := s.head - s.tail; left > 0 && left <= uint32(len(old)); {
		i, j := pos&uint32(len(old)-1), pos&uint32(len(g.big)-1)
		n := min(uint32(len(old))-i, uint32(len(g.big))-j, left)
		copy(g.big[j:j+n], old[i:i+n])
		pos, left = pos+n, left-n
	}
	g.grown = true
}

// pair is the two halves of the 8 bytes at a position, which is a multiple of 8.
func pair(m []byte, pos uint32) *[2]uint32 {
	return (*[2]uint32)(unsafe.Pointer(&m[pos&uint32(len(m)-8)]))
}

// put and get copy to and from a position, around the end of the memory.
func (g *ring) put(m []byte, pos uint32, p []byte) {
	i := int(pos & uint32(len(m)-1))
	if g.step != nil {
		for k, b := range p {
			m[(i+k)&(len(m)-1)] = b
			g.step()
		}
		return
	}
	if n := copy(m[i:], p); n < len(p) {
		copy(m, p[n:])
	}
}

func (g *ring) get(pos uint32, p []byte) {
	m := g.mem()
	if n := copy(p, m[pos&uint32(len(m)-1):]); n < len(p) {
		copy(p[n:], m)
	}
}

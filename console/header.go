package console

// AppendHeader appends what begins a record in Linux's /dev/kmsg and extended
// netconsole: level (facility<<3 | level), number, microseconds and "-", or "c" for a
// record that continues the one before it. Any context.
func AppendHeader(dst []byte, r *Record) []byte {
	var h Header
	return h.Append(dst, r)
}

// Header is AppendHeader for one record after the other. It keeps the last header:
// the next differs in a few digits, and to count these up takes a fraction of what it
// takes to make them. The zero Header is ready for use, by one user at a time.
type Header struct {
	level   uint32 // with the facility, headerMade and headerCont; 0: nothing is known
	n       int    // bytes of b
	b       [MaxHeader]byte
	seq     uint64
	time    uint64 // ns, whole microseconds
	seqEnd  int    // where the digits end
	timeEnd int
}

// MaxHeader bounds a header in bytes.
const MaxHeader = 48

const (
	headerMade = 1 << 30
	headerCont = 1 << 31
	headerStep = 1 << 31 // so long a step is not counted up
)

// Append appends the header of r. Trap context, or a goroutine.
func (h *Header) Append(dst []byte, r *Record) []byte {
	h.next(r)
	return append(dst, h.b[:h.n]...)
}

// Put is Append at the beginning of dst, as far as there is room, and returns the
// length of the header.
func (h *Header) Put(dst []byte, r *Record) int {
	h.next(r)
	return copy(dst, h.b[:h.n])
}

// next makes b the header of r.
func (h *Header) next(r *Record) {
	time := uint64(max(r.Time, 0))
	seqs, ns := r.Seq-h.seq, time-h.time
	level := uint32(r.Facility)<<3 | uint32(r.Level) | headerMade
	if r.Cont {
		level |= headerCont
	}
	made := level == h.level
	h.level = 0 // until it is whole again: a panic may begin meanwhile
	us := uint32(ns) / 1000
	if !made || uint32(seqs)|uint32(ns) >= headerStep || uint32(seqs>>32)|uint32(ns>>32) != 0 ||
		!increase(h.b[:h.seqEnd], uint32(seqs)) || !increase(h.b[:h.timeEnd], us) {
		h.fill(r, time)
	} else {
		h.seq, h.time = r.Seq, h.time+uint64(us*1000)
	}
	h.level = level
}

// fill makes the header of r from nothing.
func (h *Header) fill(r *Record, time uint64) {
	b := AppendUint(h.b[:0], uint64(r.Facility)<<3|uint64(r.Level))
	b = AppendUint(append(b, ','), r.Seq)
	h.seqEnd = len(b)
	b = AppendUint(append(b, ','), time/1000)
	h.timeEnd = len(b)
	if r.Cont {
		b = append(b, ",c"...)
	} else {
		b = append(b, ",-"...)
	}
	h.n, h.seq, h.time = len(b), r.Seq, time-time%1000
}

// increase adds n to the decimal number at the end of p and reports whether it has
// digits enough.
func increase(p []byte, n uint32) bool {
	for i := len(p) - 1; n > 0; i-- {
		if i < 0 || p[i] < '0' { // a comma
			return false
		}
		q := n / 10
		d := p[i] + byte(n-10*q)
		if d > '9' {
			d -= 10
			q++
		}
		p[i], n = d, q
	}
	return true
}

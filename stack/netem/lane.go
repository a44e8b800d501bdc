package netem

// slotSize holds the longest frame, 1518 bytes with a VLAN tag and without FCS.
const slotSize = 1536

const none = -1 // no slot, no bit

// lane is one direction. It is used in trap context only, except for its making.
type lane struct {
	loss, duplicate, corrupt, reorder uint64 // chances of 2^32

	delay, jitter int64 // ns

	random uint64

	// The frames that wait, in a list by the time they are due.
	slots                   []slot
	free, first, last, used int

	stats Stats
}

type slot struct {
	due   int64
	next  int
	n     int
	flags uint32 // netdev.RxFlags or TxFlags
	data  [slotSize]byte
}

// Stats are the counters of one direction. In every moment
//
//	Frames + Duplicate = Passed + Loss + Limit + Refused + Flushed + Queued
type Stats struct {
	Frames    uint64 `json:"frames"`    // that came
	Duplicate uint64 `json:"duplicate"` // copies made of them
	Corrupt   uint64 `json:"corrupt"`   // copies with a bit turned over
	Reorder   uint64 `json:"reorder"`   // copies that overtook what was waiting
	Delayed   uint64 `json:"delayed"`   // copies that waited

	Passed  uint64 `json:"passed"`  // copies passed on
	Loss    uint64 `json:"loss"`    // frames lost on purpose
	Limit   uint64 `json:"limit"`   // lost: too many waited
	Refused uint64 `json:"refused"` // transmit: the driver did not take it
	Flushed uint64 `json:"flushed"` // lost: waiting when the faults were changed
	Queued  uint64 `json:"queued"`  // waiting now
}

func newLane(f *Faults, seed uint64) *lane {
	l := &lane{
		loss: chance(f.Loss), duplicate: chance(f.Duplicate), corrupt: chance(f.Corrupt), reorder: chance(f.Reorder),
		delay: int64(f.Delay), jitter: int64(f.Jitter), random: seed,
		free: none, first: none, last: none,
	}
	if f.Delay > 0 {
		limit := f.Limit
		if limit == 0 {
			limit = DefaultLimit
		}
		l.slots = make([]slot, limit)
		for i := range l.slots {
			l.slots[i].next, l.free = l.free, i
		}
	}
	return l
}

// rand is splitmix64: integers only, and the same on every machine.
func (l *lane) rand() uint64 {
	l.random += 0x9e3779b97f4a7c15
	z := l.random
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// happens draws for something that has a chance of c in 2^32.
func (l *lane) happens(c uint64) bool { return c != 0 && l.rand()>>32 < c }

// copies draws how many copies of a frame there will be.
func (l *lane) copies() int {
	l.stats.Frames++
	n := 1
	if l.happens(l.duplicate) {
		l.stats.Duplicate++
		n++
	}
	if l.happens(l.loss) {
		l.stats.Loss++
		n--
	}
	return n
}

// bit draws which bit of a copy of n bytes is turned over, none mostly.
func (l *lane) bit(n int) int {
	if n == 0 || !l.happens(l.corrupt) {
		return none
	}
	l.stats.Corrupt++
	return int(l.rand() % uint64(8*n))
}

func turn(frame []byte, bit int) {
	if bit != none {
		frame[bit/8] ^= 1 << (bit % 8)
	}
}

// wait draws whether a copy of the frame waits, and has it wait, or be lost if
// too many do.
func (l *lane) wait(now int64, parts [][]byte, n int, flags uint32) (waits bool) {
	if l.delay == 0 || n > slotSize {
		return false
	}
	if l.happens(l.reorder) {
		l.stats.Reorder++
		return false
	}
	i := l.free
	if i == none {
		l.stats.Limit++
		return true
	}
	s := &l.slots[i]
	l.free = s.next
	s.n, s.flags = gather(s.data[:], parts), flags
	s.due = now + l.delay
	if l.jitter > 0 {
		s.due += int64(l.rand()%uint64(2*l.jitter+1)) - l.jitter
	}
	l.insert(i)
	l.stats.Delayed++
	return true
}

// insert puts slot i behind those that are due before it or with it.
func (l *lane) insert(i int) {
	at := none
	if l.last != none && l.slots[l.last].due <= l.slots[i].due {
		at = l.last
	} else {
		for j := l.first; j != none && l.slots[j].due <= l.slots[i].due; j = l.slots[j].next {
			at = j
		}
	}
	if at == none {
		l.slots[i].next, l.first = l.first, i
	} else {
		l.slots[i].next, l.slots[at].next = l.slots[at].next, i
	}
	if l.slots[i].next == none {
		l.last = i
	}
	l.used++
}

// due returns the first slot if its time has come, otherwise none.
func (l *lane) due(now int64) int {
	if l.first == none || l.slots[l.first].due > now {
		return none
	}
	return l.first
}

// drop takes the first slot out.
func (l *lane) drop() {
	i := l.first
	if l.first = l.slots[i].next; l.first == none {
		l.last = none
	}
	l.slots[i].next, l.free = l.free, i
	l.used--
}

func gather(to []byte, parts [][]byte) (n int) {
	for _, p := range parts {
		n += copy(to[n:], p)
	}
	return n
}

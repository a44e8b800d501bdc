package console

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
)

// full returns a log whose ring has no room left, and how many records were
// written to it. The text of record i is longText(i).
func full() (l *klog, n int) {
	l = new(klog)
	for ; l.ring.state().first < 3; n++ {
		l.emit(Info, FacKern, longText(n), nil)
	}
	return l, n
}

var padding = bytes.Repeat([]byte("x"), 1200)

func longText(i int) []byte {
	text := fmt.Appendf(nil, "%d:", i)
	return append(text, padding[:1200-i%64]...)
}

// contents reads the whole log from record 0 on.
func contents(l *klog) (texts map[uint64]string, lost uint64) {
	texts = map[uint64]string{}
	var r Record
	for seq := uint64(0); ; seq = r.Seq + 1 {
		ok, gone := l.ring.read(seq, &r)
		lost += gone
		if !ok {
			return texts, lost
		}
		texts[r.Seq] = string(r.Message())
	}
}

// stepsOf counts the stores of the append of text.
func stepsOf(text []byte) int {
	l, _ := full()
	n := 0
	l.ring.step = func() { n++ }
	l.emit(Info, FacKern, text, []byte("K=v"))
	return n
}

var interruptedText = []byte(strings.Repeat("interrupted ", 3))

// An append that is interrupted at any of its stores, and never resumed, costs
// at most its own record: what was in the ring before, but for the oldest, and
// what is written afterwards can be read, and the count is right.
func TestAnAppendThatDiesAtAnyStoreCostsOneRecord(t *testing.T) {
	steps := stepsOf(interruptedText)
	if steps < 5+len(interruptedText) {
		t.Fatalf("only %d steps", steps)
	}
	for k := range steps {
		l, n := full()
		var live, late screen
		register(t, l, &live, Debug)
		for range n {
			l.flush(flushBudget)
		}
		at := 0
		l.ring.step = func() {
			if at++; at > k {
				l.ring.step = nil
				panic("fault")
			}
		}
		func() {
			defer func() { recover() }()
			l.emit(Info, FacKern, interruptedText, []byte("K=v"))
		}()
		l.panic()
		for i := range 3 {
			say(l, Emerg, "after %d", i)
		}
		register(t, l, &late, Debug)
		l.flush(flushBudget)

		s := l.ring.state()
		texts, lost := contents(l)
		if uint64(len(texts))+lost != s.next || lost > s.first+1 {
			t.Fatalf("step %d: %d records, %d lost, next %d, first %d", k, len(texts), lost, s.next, s.first)
		}
		after := 0
		for seq, text := range texts {
			switch {
			case strings.HasPrefix(text, "after "):
				after++
			case seq < uint64(n) && text != string(longText(int(seq))):
				t.Fatalf("step %d: record %d: %q", k, seq, text)
			case seq >= uint64(n) && text != string(interruptedText):
				t.Fatalf("step %d: record %d: %q", k, seq, text)
			}
		}
		for i := int(s.first); i < n; i++ {
			if _, ok := texts[uint64(i)]; !ok {
				t.Fatalf("step %d: record %d is missing", k, i)
			}
		}
		// Three: the console that was there has all from the interrupted one
		// on, the one that came later everything that is left.
		if after != 3 || !strings.HasSuffix(strings.Join(live.lines, "\n"), "after 0\nafter 1\nafter 2") ||
			!strings.HasSuffix(strings.Join(late.lines, "\n"), "after 0\nafter 1\nafter 2") {
			t.Fatalf("step %d: %d after, %q, %q", k, after, last(live.lines), last(late.lines))
		}
		if got := len(late.lines); got < len(texts) || got > len(texts)+2 {
			t.Fatalf("step %d: %d lines for %d records", k, got, len(texts))
		}
	}
}

func last(s []string) []string { return s[max(0, len(s)-5):] }

// An append may be interrupted at any of its stores by another that then
// returns to it, and that by a third: each is one record, whole.
func TestAppendsThatInterruptEachOtherAreAllWhole(t *testing.T) {
	steps := stepsOf(interruptedText)
	for k := 0; k < steps; k++ {
		l, n := full()
		var s screen
		register(t, l, &s, Debug)
		for range n {
			l.flush(flushBudget)
		}
		s.lines = nil
		var nest func(depth, k int) func()
		nest = func(depth, k int) func() {
			at := 0
			return func() {
				if at++; at != k+1 {
					return
				}
				outer := l.ring.step
				l.ring.step = nil
				if depth < maxDepth-1 {
					l.ring.step = nest(depth+1, k*7%steps)
				}
				for i := range 3 {
					l.emit(Info, FacKern, fmt.Appendf(nil, "depth %d.%d", depth, i), nil)
					l.flush(flushBudget) // as far as it is whole
				}
				l.ring.step = outer
			}
		}
		l.ring.step = nest(1, k)
		l.emit(Info, FacKern, interruptedText, []byte("K=v"))
		l.ring.step = nil
		l.flush(flushBudget)
		texts, lost := contents(l)
		st := l.ring.state()
		got := map[string]int{}
		for seq, text := range texts {
			if seq >= uint64(n) {
				got[text]++
			}
		}
		if lost != st.first || got[string(interruptedText)] != 1 || got["depth 1.0"] != 1 || got["depth 1.2"] != 1 || len(got) != int(st.next)-n {
			t.Fatalf("step %d: lost %d, first %d, %v", k, lost, st.first, got)
		}
		if len(s.lines) != len(got) {
			t.Fatalf("step %d: the console has %q", k, s.lines)
		}
	}
}

// A console's place and the reader's hint are two words each, which an
// interruption may leave half updated.
func TestATornPlaceIsFoundAgain(t *testing.T) {
	l, _ := full()
	var s screen
	r := register(t, l, &s, Debug)
	good := r.next
	for _, torn := range []cursor{
		{good.seq + 1, good.pos}, {good.seq, good.pos + 8}, {good.seq, good.pos + 1<<30}, {good.seq + 5, 0}, {good.seq, 3},
	} {
		s.records = nil
		lost := r.lost
		r.next = torn
		l.ring.hint = torn
		l.flush(flushBudget)
		if s.records[0] != torn.seq || r.lost != lost {
			t.Errorf("%v: %v, lost %d", torn, s.records[0], r.lost-lost)
		}
		var rec Record
		if ok, lost := l.ring.read(torn.seq, &rec); !ok || lost != 0 || rec.Seq != torn.seq {
			t.Errorf("%v: hint: %v %d %d", torn, ok, lost, rec.Seq)
		}
	}
}

func TestADamagedRecordIsPassedOverAndCounted(t *testing.T) {
	l, n := full()
	var h header
	var victims []*[2]uint32
	for c := (cursor{l.ring.state().first, l.ring.state().tail}); l.ring.header(l.ring.state(), &c, &h); c.advance(&h) {
		if c.seq == 10 || c.seq == 100 || c.seq == uint64(n)-1 {
			victims = append(victims, pair(l.ring.mem(), c.pos+16))
		}
	}
	for _, w := range victims {
		w[1] ^= 0xff000000
	}
	first := l.ring.state().first
	texts, lost := contents(l)
	if lost != first+3 || len(texts) != n-int(first)-3 {
		t.Errorf("%d records, %d lost of %d", len(texts), lost, n)
	}
	var s screen
	r := register(t, l, &s, Debug)
	for range n {
		l.flush(flushBudget)
	}
	if st := r.Stats(); st.Lost != first+3 || st.Written != uint64(n)-first-3 || st.Pending != 0 {
		t.Errorf("console: %+v", st)
	}
	// The damaged ones leave the ring like others.
	for i := range n {
		l.emit(Info, FacKern, longText(i), nil)
	}
	if texts, lost := contents(l); uint64(len(texts))+lost != l.ring.state().next || lost != l.ring.state().first {
		t.Errorf("later: %d records, %d lost", len(texts), lost)
	}
}

// Whatever was written over, reading ends, is in order and within bounds, and
// the log goes on.
func FuzzRingWrittenOver(f *testing.F) {
	f.Add(uint16(300), []byte{1, 0, 0, 0, 9, 2, 1, 0, 0, 255})
	f.Add(uint16(3000), []byte{255, 255, 3, 0, 9})
	f.Add(uint16(2000), []byte{0, 0, 4, 0, 1, 8, 0, 4, 0, 1, 16, 0, 4, 0, 9})
	f.Fuzz(func(t *testing.T, n uint16, writes []byte) {
		l := new(klog)
		for i := range int(n % 4000) {
			l.emit(Level(i%8), uint8(i)&7, textOf(i), []byte("K=v"))
		}
		written := l.ring.state().next
		var s screen
		reg := register(t, l, &s, Debug)
		for ; len(writes) >= 5; writes = writes[5:] {
			at, b := binary.LittleEndian.Uint32(writes), writes[4]
			st := l.ring.state()
			fields := []*uint64{&st.next, &st.first, &l.ring.hint.seq, &reg.next.seq}
			places := []*uint32{&st.head, &st.tail, &l.ring.hint.pos, &reg.next.pos}
			if at < RingSize {
				l.ring.mem()[at] = b
			} else {
				at -= RingSize
				if at&0x100 != 0 {
					*places[at/8%4] ^= uint32(b) << (at % 4 * 8)
				} else {
					*fields[at/8%4] ^= uint64(b) << (at % 8 * 8)
				}
			}
		}
		next := l.ring.state().next
		if next > 1<<62 {
			return // there are not that many records
		}
		check := func() {
			var r Record
			var next uint64
			for range 20000 {
				ok, _ := l.ring.read(next, &r)
				if !ok {
					return
				}
				if r.Seq < next || r.N > MaxText || r.NDict > MaxDict || r.Level > Debug {
					t.Fatalf("record %d after %d: %d %d", r.Seq, next, r.N, r.NDict)
				}
				next = r.Seq + 1
			}
			t.Fatal("reading does not end")
		}
		check()
		for i := range 50 {
			say(l, Info, "later %d", i)
		}
		check()
		l.panic()
		say(l, Emerg, "the end")
		var r Record
		if next != written {
			return // there may be several records of one number
		}
		if ok, _ := l.ring.read(l.ring.state().next-1, &r); !ok || string(r.Message()) != "the end" {
			t.Fatalf("the newest record: %v %q", ok, r.Message())
		}
	})
}

func TestAGrownRingHasTheRecordsAndMoreRoom(t *testing.T) {
	l, n := full()
	first := l.ring.state().first
	before, _ := contents(l)
	if got := l.grow(RingSize); got != RingSize {
		t.Fatalf("the same size: %d", got)
	}
	if got := l.grow(RingSize + 1); got != 2*RingSize {
		t.Fatalf("%d bytes", got)
	}
	after, lost := contents(l)
	if len(after) != len(before) || lost != first {
		t.Fatalf("%d records of %d, %d lost", len(after), len(before), lost)
	}
	for i := n; i < 2*n; i++ {
		l.emit(Info, FacKern, longText(i), nil)
		if i == n+100 && l.ring.state().first != first {
			t.Error("no more room than before")
		}
	}
	texts, lost := contents(l)
	for seq, text := range texts {
		if text != string(longText(int(seq))) {
			t.Fatalf("record %d: %q", seq, text)
		}
	}
	if uint64(len(texts))+lost != uint64(2*n) {
		t.Errorf("%d records, %d lost", len(texts), lost)
	}
	if got := l.grow(1 << 40); got != 2*RingSize {
		t.Errorf("grown twice: %d", got)
	}
}

func TestRecordsOfThePreviousLifeGoOnlyToThoseWhoWantThem(t *testing.T) {
	var l klog
	var s screen
	var p previousScreen
	register(t, &l, &s, Debug)
	register(t, &l, &p, Err)
	l.emit(Debug, FacPrevious, []byte("old"), nil)
	say(&l, Err, "new")
	if strings.Join(s.lines, ",") != "new" || strings.Join(p.lines, ",") != "old,new" {
		t.Errorf("%q, %q", s.lines, p.lines)
	}
}

// What the ring lost before a console took it has not been told.
func TestThePreviousLifeHasPassedWhenNoneOfItIsLost(t *testing.T) {
	long := strings.Repeat("x", 2000)
	for _, lost := range []bool{false, true} {
		var l klog
		var up, down previousScreen
		up.busy, down.busy = true, true
		register(t, &l, &up, Debug)
		register(t, &l, &down, Debug)
		for range 100 {
			say(&l, Info, "before %s", long)
		}
		const first, last = 100, 109
		for i := range 10 {
			l.emit(Info, FacPrevious, fmt.Appendf(nil, "old %d", i), nil)
		}
		for range 50 { // of the 130 that there is room for
			say(&l, Info, "after %s", long)
		}
		if lost {
			for range 100 {
				say(&l, Info, "much later %s", long)
			}
		}
		if l.passed(first, last) {
			t.Fatal("passed before it was offered")
		}
		up.busy = false
		for range 20 {
			l.flush(flushBudget)
		}
		got := strings.Contains(strings.Join(up.lines, " "), "old 0 old 1 old 2 old 3 old 4 old 5 old 6 old 7 old 8 old 9")
		if got == lost || l.passed(first, last) == lost {
			t.Errorf("lost %v: got %v, passed %v", lost, got, l.passed(first, last))
		}
	}
}

type previousScreen struct{ screen }

func (*previousScreen) Previous() {}

// What an append costs, and a read of the newest record by number.
func BenchmarkAppend(b *testing.B) {
	l, _ := full()
	text, dict := bytes.Repeat([]byte("x"), 80), []byte("SUBSYSTEM=net")
	for _, bb := range []struct {
		name string
		dict []byte
	}{{"80 bytes", nil}, {"80 bytes and a dictionary", dict}} {
		b.Run(bb.name, func(b *testing.B) {
			for range b.N {
				l.emit(Info, FacKern, text, bb.dict)
			}
		})
	}
	r := new(Record)
	b.Run("read in order", func(b *testing.B) {
		seq := l.ring.state().first
		for range b.N {
			if ok, _ := l.ring.read(seq, r); !ok {
				seq = l.ring.state().first
				l.ring.read(seq, r)
			}
			seq = r.Seq + 1
		}
	})
}

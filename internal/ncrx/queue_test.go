package ncrx_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gasp-go/gasp/internal/ncrx"
)

// life is a sender's end: it has records 0 to 9999 and answers from them what
// it is asked, unless it is told to be deaf.
type life struct {
	t    *testing.T
	r    *ncrx.Receiver
	now  time.Time
	got  []ncrx.Record
	said []string // answers of the receiver
}

func newLife(t *testing.T, o ncrx.Options) *life {
	o.Ack = true
	return &life{t: t, r: ncrx.New(o), now: start}
}

func (l *life) send(seqs ...uint64) {
	l.t.Helper()
	for _, n := range seqs {
		l.raw(fmt.Sprintf("6,%d,%d,-;record %d\n", n, 1000+n, n))
	}
}

func (l *life) raw(d string) { l.take(l.r.Datagram(peer, []byte(d), l.now)) }

func (l *life) take(rs []ncrx.Record) {
	l.got = append(l.got, rs...)
	for _, a := range l.r.Responses() {
		if a.To != peer {
			l.t.Errorf("answer to %v", a.To)
		}
		l.said = append(l.said, string(a.Data))
	}
}

func (l *life) wait(d time.Duration) {
	for end := l.now.Add(d); l.now.Before(end); {
		l.now = l.now.Add(250 * time.Millisecond)
		l.take(l.r.Tick(l.now))
	}
}

// order is what was given: numbers, each with what is to be said of it.
func (l *life) order() string {
	var b strings.Builder
	for i, r := range l.got {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprint(&b, r.Seq)
		for _, m := range []struct {
			is   bool
			mark string
		}{{r.Gap > 0, fmt.Sprintf("g%d", r.Gap)}, {r.Late, "l"}, {r.Restarted, "b"}, {r.Repeated, "r"}, {r.Missing > 0, "m"}} {
			if m.is {
				b.WriteString(m.mark)
			}
		}
	}
	return b.String()
}

func (l *life) expect(order string, said ...string) {
	l.t.Helper()
	if got := l.order(); got != order {
		l.t.Errorf("given %q, want %q", got, order)
	}
	if !slices.Equal(l.said, said) {
		l.t.Errorf("said %q, want %q", l.said, said)
	}
	l.got, l.said = nil, nil
}

func TestWhatIsMissingIsAskedForAndSlotsInOrder(t *testing.T) {
	l := newLife(t, ncrx.Options{})
	l.send(5, 6, 9, 10, 12)
	l.expect("5 6")
	l.wait(time.Second)
	l.expect("", "ncrx6 7 8 11")
	l.send(11, 7)
	l.expect("7")
	l.wait(time.Second)
	l.expect("", "ncrx7 8")
	l.send(8, 8, 11)
	l.expect("8 9 10 11 12")
	l.wait(3 * time.Second)
	l.expect("", "ncrx12") // and no more: all is acknowledged
	if s := l.r.Stats(); s.Recovered != 3 || s.Asked != 4 || s.Duplicates != 2 || s.Gap != 0 || s.Restarts != 0 {
		t.Errorf("%+v", s)
	}
}

func TestTheRestOfAGapIsAskedForInItsTime(t *testing.T) {
	l := newLife(t, ncrx.Options{})
	l.send(5, 8)
	l.now = l.now.Add(750 * time.Millisecond)
	l.send(7)
	l.wait(250 * time.Millisecond)
	l.expect("5", "ncrx5 6")
}

func TestASenderThatIsFarAheadIsFollowed(t *testing.T) {
	l := newLife(t, ncrx.Options{})
	l.send(5, 7, 8199)
	l.expect("5 7g1 8199g8191")
	l.send(8201, 8201+8191)
	l.expect("")
	l.send(8201 + 8192)
	l.expect("8201g1 16392g8190 16393")
}

func TestASenderThatDoesNotAnswerIsNotWaitedForLong(t *testing.T) {
	l := newLife(t, ncrx.Options{})
	l.send(5, 8)
	l.wait(2 * time.Second)
	l.expect("5", "ncrx5 6 7", "ncrx5 6 7")
	l.wait(time.Second)
	l.expect("8g2", "ncrx8") // given up, and so done
	l.send(6)
	l.expect("6l")
}

func TestASenderThatAnswersIsWaitedForAsNetconsdDoes(t *testing.T) {
	l := newLife(t, ncrx.Options{})
	l.send(5, 7)
	l.wait(time.Second)
	l.send(6)
	l.got, l.said = nil, nil
	l.send(9)
	l.wait(29 * time.Second)
	if l.order() != "" || len(l.said) != 29 {
		t.Errorf("given %q, asked %d times", l.order(), len(l.said))
	}
	l.wait(2 * time.Second)
	if l.order() != "9g1" {
		t.Errorf("given %q", l.order())
	}
}

func TestWhatTheSenderHasLostItselfIsNotAskedForLong(t *testing.T) {
	l := newLife(t, ncrx.Options{})
	l.send(5)
	l.raw("4,9,1009,-;** 4 printk messages dropped **\n")
	l.send(10)
	l.wait(250 * time.Millisecond)
	l.expect("5 9g3 10")
}

func TestASenderHeardInMidStreamIsAskedForWhatWasBefore(t *testing.T) {
	l := newLife(t, ncrx.Options{Resend: 100})
	l.send(300)
	l.wait(250 * time.Millisecond)
	l.expect("", "ncrx-resend 200")
	l.send(301)
	l.send(251, 252, 254) // from the oldest that it still has, but that is lost
	l.wait(time.Second)
	if want := "ncrx234 235 236 237 238 239 240 241 242 243 244 245 246 247 248 249 250 253 255 256 "; len(l.got) != 0 || !strings.HasPrefix(l.said[len(l.said)-1], want) {
		t.Errorf("said %q, given %q", l.said, l.order())
	}
	l.send(250)
	l.wait(3 * time.Second)
	if got := l.order(); got != "250 251 252" {
		t.Errorf("given %q", got)
	}
	l.send(253)
	for n := uint64(255); n < 300; n++ {
		l.send(n)
	}
	if l.got[len(l.got)-1].Seq != 301 || len(l.got) != 52 || l.r.Stats().Gap != 0 {
		t.Errorf("given %q", l.order())
	}
	// Number 0 has its own way.
	l = newLife(t, ncrx.Options{Resend: 100})
	l.send(9)
	l.wait(250 * time.Millisecond)
	l.send(1, 2)
	l.wait(time.Second)
	l.expect("", "ncrx-resend 0", "ncrx-resend 0")
	l.send(0, 1, 2, 3)
	l.expect("0 1 2 3")
	// From the beginning, if there is not so much before it; and no answer.
	l = newLife(t, ncrx.Options{Resend: 100})
	l.send(7)
	l.wait(4 * time.Second)
	l.expect("7", "ncrx-resend 0", "ncrx-resend 0", "ncrx-resend 0", "ncrx7")
	// Nothing is before the first.
	l = newLife(t, ncrx.Options{Resend: 100})
	l.send(0)
	l.wait(2 * time.Second)
	l.expect("0")
}

func TestAnIncompleteRecordIsAskedForAndGivenWhole(t *testing.T) {
	l := newLife(t, ncrx.Options{})
	l.send(5)
	l.raw("6,6,1006,-,ncfrag=0/14;record ")
	l.wait(time.Second)
	l.expect("5", "ncrx5 6")
	l.raw("6,6,1006,-,ncfrag=0/14;record ")
	l.raw("6,6,1006,-,ncfrag=7/14;6, long")
	l.raw("6,6,1006,-,ncfrag=13/14;\n")
	if l.order() != "6" || l.got[0].Text != "record 6, long" {
		t.Errorf("%+v", l.got)
	}
	// Not answered: what is there, in its place.
	l = newLife(t, ncrx.Options{})
	l.send(5)
	l.raw("6,6,1006,-,ncfrag=0/14;record ")
	l.send(7)
	l.wait(3 * time.Second)
	if l.order() != "5 6m 7" {
		t.Errorf("given %q", l.order())
	}
}

func TestARestartGivesWhatWaitsAndBeginsAgain(t *testing.T) {
	l := newLife(t, ncrx.Options{})
	l.now = start
	l.raw("6,500,900000000,-;a")
	l.raw("6,502,900000001,-;c")
	l.raw("6,0,3,-;boot")
	l.raw("6,1,4,-;boot")
	l.expect("500 502g1 0b 1")
	// The beginning did not come, and it counts higher than the life before.
	l.raw("6,3,900000000,-;late in life")
	l.wait(3 * time.Second)
	l.raw("6,10,3,-;boot")
	if l.order() != "3g1 10b" {
		t.Errorf("given %q", l.order())
	}
}

func TestAnEmergencyIsAnsweredAtOnce(t *testing.T) {
	l := newLife(t, ncrx.Options{})
	l.send(1, 2)
	l.wait(2 * time.Second)
	l.expect("1 2", "ncrx2")
	l.raw("6,2,1002,-,ncemg=1;record 2")
	l.wait(250 * time.Millisecond)
	l.expect("", "ncrx2")
}

func TestAnswersFitAPacketAndStrangersGetShortOnes(t *testing.T) {
	l := newLife(t, ncrx.Options{})
	l.send(5, 3000)
	l.wait(time.Second)
	if len(l.said) != 1 || len(strings.Fields(l.said[0])) != 1+16 {
		t.Errorf("said %q", l.said)
	}
	l.send(6)
	l.said = nil
	l.wait(time.Second)
	asked := map[string]bool{}
	for _, a := range l.said {
		numbers := strings.Fields(a)[1:]
		if len(a) > 1000 || len(numbers) > 128 {
			t.Errorf("%d bytes, %d numbers", len(a), len(numbers))
		}
		for _, n := range numbers {
			asked[n] = true
		}
	}
	if len(asked) != 128 || !asked["7"] || !asked["134"] {
		t.Errorf("asked for %d", len(asked))
	}
	// As soon as some have come there is room for others.
	l.said = nil
	for n := uint64(7); n < 57; n++ {
		l.send(n)
	}
	l.wait(250 * time.Millisecond)
	if len(l.said) != 1 || !strings.HasPrefix(l.said[0], "ncrx56 135 ") || len(strings.Fields(l.said[0])) != 51 {
		t.Errorf("said %q", l.said)
	}
	// And so on, until all have come: nothing is given up.
	l.got, l.said = nil, nil
	for next := uint64(57); next < 3000 && len(l.said) < 1000; {
		for range 50 {
			if next < 3000 {
				l.send(next)
				next++
			}
		}
		l.wait(250 * time.Millisecond)
	}
	if len(l.got) != 3000-57+1 || l.r.Stats().Gap != 0 {
		t.Errorf("%d records, %+v", len(l.got), l.r.Stats())
	}
}

func TestASenderThatHearsNoAcknowledgementRepeatsItself(t *testing.T) {
	l := newLife(t, ncrx.Options{})
	l.send(0, 1, 2)
	l.wait(2 * time.Second)
	l.send(0, 1, 2)
	l.wait(time.Second)
	l.expect("0 1 2", "ncrx2", "ncrx2") // so it is said again, but not for each
	l.send(3)
	l.expect("3")
	if s := l.r.Stats(); s.Duplicates != 3 || s.Repeated != 0 {
		t.Errorf("%+v", s)
	}
	// Of long ago, too.
	for n := uint64(4); n < 4000; n++ {
		l.send(n)
	}
	l.wait(10 * time.Second)
	l.got, l.said = nil, nil
	l.send(5, 6)
	l.expect("")
}

func TestRecordsThatWaitAreBoundedForEachAndForAll(t *testing.T) {
	r := ncrx.New(ncrx.Options{Ack: true})
	text := strings.Repeat("x", 8000)
	given := 0
	const senders, each = 20, 560
	for i := range each {
		for s := range senders {
			from := netip.AddrPortFrom(peer.Addr(), uint16(1+s))
			seq := 2*i + min(i, 1) // 0, then a gap
			given += len(r.Datagram(from, fmt.Appendf(nil, "6,%d,%d,-;%s", seq, seq, text), start))
		}
	}
	if r.Stats().Evicted == 0 || given == 0 {
		t.Errorf("%d given, %+v", given, r.Stats())
	}
	waiting := len(r.Flush(start))
	if given+waiting != senders*each || waiting*8000 > 64<<20 {
		t.Errorf("%d given, %d waited", given, waiting)
	}
}

func TestTheMostThatCanBeAskedForIsWaitedFor(t *testing.T) {
	l := newLife(t, ncrx.Options{Resend: 1 << 20})
	const first = 10_000
	l.send(first)
	for seq := uint64(first - ncrx.MaxResend); seq < first; seq++ {
		l.send(seq)
	}
	if len(l.got) != ncrx.MaxResend+1 || l.got[0].Seq != first-ncrx.MaxResend || l.got[0].Gap != 0 {
		t.Errorf("%d given, the first is %d", len(l.got), l.got[0].Seq)
	}
}

func TestALeapIsNoLoop(t *testing.T) {
	l := newLife(t, ncrx.Options{Resend: 1 << 62})
	l.send(1<<60, 1<<63, 0, 1<<64-2, 3)
	l.wait(4 * time.Second)
	l.take(l.r.Flush(l.now))
	if len(l.got) != 5 {
		t.Errorf("given %q", l.order())
	}
}

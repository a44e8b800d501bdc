package console

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// goroutine is what the runtime writes of one.
func goroutine(n int) string {
	return fmt.Sprintf("goroutine %d [select]:\nmain.f(0x%x)\n\t/src/main.go:7 +0x18\ncreated by main.main in goroutine 1\n\t/src/main.go:3 +0x24\n", n, n)
}

// goroutines is what it writes of all from first to last.
func goroutines(first, last int) string {
	var all []string
	for n := first; n <= last; n++ {
		all = append(all, goroutine(n))
	}
	return strings.Join(all, "\n")
}

// traced is a log that lets a traceback take max bytes, and a console of it.
func traced(t *testing.T, max uint32) (*klog, *screen) {
	l, s := &klog{tracebackMax: max}, &screen{}
	register(t, l, s, Debug)
	return l, s
}

func (l *klog) say(text string) {
	l.fd(2, []byte(text))
	l.flush(flushBudget)
}

// sizeOfText is what the lines of text take in the ring.
func sizeOfText(text string) (n uint32) {
	for line := range strings.Lines(text) {
		n += sizeOf(len(line)-1, 0)
	}
	return n
}

func TestALongTracebackKeepsItsFirstGoroutinesAndCountsTheRest(t *testing.T) {
	const fatal = "panic: boom\n\n"
	three := goroutines(1, 3) + "\n"
	for _, tt := range []struct {
		name, text, want string
		max              uint32
	}{
		{"what fits is whole", fatal + goroutines(1, 3), fatal + goroutines(1, 3), sizeOfText(three)},
		{"the first beyond the bound is elided", fatal + goroutines(1, 4), fatal + three + "...1 goroutines elided, 5 lines...\n", sizeOfText(three)},
		{"the last within it has its end", fatal + goroutines(1, 4), fatal + goroutines(1, 4), sizeOfText(three) + 1},
		{"many are", fatal + goroutines(1, 1000), fatal + three + "...997 goroutines elided, 5981 lines...\n", sizeOfText(three)},
		{"what follows is told", fatal + goroutines(1, 9) + "\nr0 0x1\n", fatal + three + "...6 goroutines elided, 36 lines...\nr0 0x1\n", sizeOfText(three)},
		{"a bound of one byte leaves one", fatal + goroutines(1, 2), fatal + goroutine(1) + "\n...1 goroutines elided, 5 lines...\n", 1},
		{"no bound", fatal + goroutines(1, 2000), fatal + goroutines(1, 2000), unbounded},
		// A program that prints where it is, again and again, is not cut short.
		{"each of several", strings.Repeat(goroutines(1, 3), 5), strings.Repeat(goroutines(1, 3), 5), sizeOfText(three)},
		{"with words between", strings.Repeat("here:\n\n"+goroutines(1, 3)+"\n", 5), strings.Repeat("here:\n\n"+goroutines(1, 3)+"\n", 5), sizeOfText(three)},
		{"what looks like one", "goroutine \n\ngoroutine 1\n\ngoroutine ]:\n\n", "goroutine \n\ngoroutine 1\n\ngoroutine ]:\n\n", 1},
	} {
		for _, piece := range []int{1, 7, 1000} {
			l, s := traced(t, tt.max)
			for text := range slices.Chunk([]byte(tt.text), piece) {
				l.say(string(text))
			}
			l.flushStreams()
			l.flush(flushBudget)
			for n := -1; n < len(s.lines); l.flush(flushBudget) {
				n = len(s.lines)
			}
			if got := strings.Join(s.lines, "\n") + "\n"; got != tt.want {
				t.Errorf("%s, pieces of %d: got\n%.1000s\nwant\n%.1000s", tt.name, piece, got, tt.want)
			}
		}
	}
}

func TestATracebackIsOverAfterASecondWithoutALine(t *testing.T) {
	l, s := traced(t, 1)
	now := int64(0)
	l.clock = func() int64 { return now }
	l.say(goroutines(1, 3) + "\n")
	now += partialTimeout
	l.say(goroutines(4, 4))
	want := goroutine(1) + "\n...2 goroutines elided, 12 lines...\n" + goroutine(4)
	if got := strings.Join(s.lines, "\n") + "\n"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestAnElidedLineLongerThanARecordIsElidedWhole(t *testing.T) {
	l, s := traced(t, 1)
	long := strings.Repeat("x", 3*MaxText)
	l.say(goroutine(1) + "\ngoroutine 2 [select]:\n" + long + "\n\t/x.go:1\n\nend\n")
	want := goroutine(1) + "\n...1 goroutines elided, 4 lines...\nend\n"
	if got := strings.Join(s.lines, "\n") + "\n"; got != want {
		t.Errorf("got\n%.500s\nwant\n%s", got, want)
	}
}

func TestTheRingHoldsAReportFromItsFirstWord(t *testing.T) {
	var l klog
	l.say("before\n")
	l.say("panic: boom\n\n" + goroutines(1, 20_000))
	l.flushStreams()
	for range 200 {
		l.emit(Emerg, FacKern, []byte(strings.Repeat("r", 100)), nil)
	}
	var r Record
	if ok, lost := l.ring.read(0, &r); !ok || lost != 0 || string(r.Message()) != "before" {
		t.Errorf("the oldest record is %d, %q, %d are lost", r.Seq, r.Message(), lost)
	}
}

func TestTheBoundOfATracebackFollowsTheRing(t *testing.T) {
	var l klog
	if n := l.maxTraceback(); n != RingSize/4*3 {
		t.Errorf("%d", n)
	}
	l.grow(1 << 20)
	if n := l.maxTraceback(); n != 1<<20/4*3 {
		t.Errorf("%d in a ring of a megabyte", n)
	}
}

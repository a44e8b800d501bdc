package systest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// stage is how far a death got.
type stage int

const (
	lived    stage = iota // it was not asked to die, or did not answer
	asked                 // it was, and the serial console has no end of a report
	reported              // that has one, netconsole has not
	complete              // both have
)

// outcome is what came of one death under load.
type outcome struct {
	how, load string
	round     int
	stage     stage
	lost      int      // lines of the serial console that netconsole has not
	first     string   // of these
	wrong     []string // what else there is to say against it
}

func (o *outcome) failed() bool { return o.stage != complete || o.lost > 0 || len(o.wrong) > 0 }

// String tells what was missing.
func (o *outcome) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s under %s, round %d: %s", o.how, o.load, o.round, [...]string{
		"did not come to die", "no report", "the end of the report is on the serial console alone", "the report has its end",
	}[o.stage])
	if o.lost > 0 {
		fmt.Fprintf(&b, "; %d on the serial console alone, the first: %q", o.lost, o.first)
	}
	for _, w := range o.wrong {
		fmt.Fprintf(&b, "; %s", w)
	}
	return b.String()
}

// tally sums up outcomes.
type tally struct {
	runs, lost                int
	alive, silent, cut, wrong int // runs, each in one of them at most
}

func (t *tally) add(o *outcome) {
	t.runs++
	t.lost += o.lost
	switch {
	case o.stage == lived:
		t.alive++
	case o.stage == asked:
		t.silent++
	case o.stage == reported:
		t.cut++
	case o.lost == 0 && len(o.wrong) > 0:
		t.wrong++
	}
}

// String is a cell of the table: lines lost in runs, and the runs that show less than
// that.
func (t *tally) String() string {
	s := fmt.Sprintf("%d in %d", t.lost, t.runs)
	switch t.lost {
	case 0:
	case 1:
		s = fmt.Sprintf("1 line in %d", t.runs)
	default:
		s = fmt.Sprintf("%d lines in %d", t.lost, t.runs)
	}
	for _, c := range []struct {
		n    int
		what string
	}{{t.alive, "did not come to die"}, {t.silent, "without a report"}, {t.cut, "without its end on the wire"}, {t.wrong, "otherwise wrong"}} {
		if c.n > 0 {
			s += fmt.Sprintf(", %d %s", c.n, c.what)
		}
	}
	return s
}

// table has a row for each death and one for all, a column for each load, and below
// what is to be said of each run that failed.
func table(board string, hows, loads []string, all []*outcome) string {
	var b, below strings.Builder
	cells := map[[2]string]*tally{}
	for _, o := range all {
		for _, how := range []string{o.how, "all"} {
			k := [2]string{how, o.load}
			if cells[k] == nil {
				cells[k] = &tally{}
			}
			cells[k].add(o)
		}
		if o.failed() {
			fmt.Fprintf(&below, "%v\n", o)
		}
	}
	fmt.Fprintf(&b, "lines lost in runs on %s\n| death | %s |\n|%s\n", board, strings.Join(loads, " | "), strings.Repeat("---|", len(loads)+1))
	for _, how := range append(slices.Clip(hows), "all") {
		fmt.Fprintf(&b, "| %s |", how)
		for _, l := range loads {
			c := cells[[2]string{how, l}]
			if c == nil {
				c = &tally{}
			}
			fmt.Fprintf(&b, " %v |", c)
		}
		fmt.Fprintln(&b)
	}
	return b.String() + below.String()
}

func TestMissingLinesAreCountedInOrder(t *testing.T) {
	for _, tt := range []struct {
		serial, wire string
		n            int
		first        string
	}{
		{"a b c", "a b c", 0, ""},
		{"a b c", "x a y b c", 0, ""},
		{"a b c d", "a c", 2, "b"},
		{"a b", "b a", 1, "b"},
		{"a a", "a", 1, "a"},
		{"a", "", 1, "a"},
		{"", "a", 0, ""},
	} {
		if n, first := missing(strings.Fields(tt.serial), strings.Fields(tt.wire)); n != tt.n || first != tt.first {
			t.Errorf("of %q in %q %d are missing, from %q", tt.serial, tt.wire, n, first)
		}
	}
}

func TestATableTellsHowFarEachDeathGot(t *testing.T) {
	all := []*outcome{
		{how: "panic", load: "both", stage: complete},
		{how: "panic", load: "both", round: 1, stage: complete},
		{how: "soft", load: "receive", stage: lived, wrong: []string{"no answer"}},
		{how: "soft", load: "both", round: 2, stage: asked, lost: 2, first: "fatal error"},
		{how: "soft", load: "both", round: 3, stage: reported, lost: 1, first: "---[ end"},
		{how: "soft", load: "both", round: 4, stage: complete, lost: 4, first: "r0", wrong: []string{"a gap"}},
		{how: "soft", load: "both", round: 5, stage: complete, wrong: []string{"no load"}},
		{how: "panic", load: "receive", stage: reported, lost: 1, first: "x"},
	}
	want := `lines lost in runs on a board
| death | receive | both |
|---|---|---|
| panic | 1 line in 1, 1 without its end on the wire | 0 in 2 |
| soft | 0 in 1, 1 did not come to die | 7 lines in 4, 1 without a report, 1 without its end on the wire, 1 otherwise wrong |
| stack | 0 in 0 | 0 in 0 |
| all | 1 line in 2, 1 did not come to die, 1 without its end on the wire | 7 lines in 6, 1 without a report, 1 without its end on the wire, 1 otherwise wrong |
soft under receive, round 0: did not come to die; no answer
soft under both, round 2: no report; 2 on the serial console alone, the first: "fatal error"
soft under both, round 3: the end of the report is on the serial console alone; 1 on the serial console alone, the first: "---[ end"
soft under both, round 4: the report has its end; 4 on the serial console alone, the first: "r0"; a gap
soft under both, round 5: the report has its end; no load
panic under receive, round 0: the end of the report is on the serial console alone; 1 on the serial console alone, the first: "x"
`
	if got := table("a board", []string{"panic", "soft", "stack"}, []string{"receive", "both"}, all); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// missing counts the lines of a that are not in b, in this order, and returns the
// first.
func missing(a, b []string) (n int, first string) {
	for _, l := range a {
		if i := slices.Index(b, l); i >= 0 {
			b = b[i+1:]
		} else if n++; n == 1 {
			first = l
		}
	}
	return n, first
}

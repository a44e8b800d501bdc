package console

import (
	"fmt"
	"strings"
	"testing"
)

// screen is a console that remembers; while busy it refuses.
type screen struct {
	lines    []string
	records  []uint64
	busy     bool
	panicked int
	onWrite  func(r *Record)
}

func (s *screen) Write(r *Record) bool {
	if s.busy {
		return false
	}
	if s.onWrite != nil {
		s.onWrite(r)
	}
	s.lines = append(s.lines, string(r.Message()))
	s.records = append(s.records, r.Seq)
	return true
}

func (s *screen) Panic() { s.panicked++ }

func register(t *testing.T, l *klog, c Console, max Level) *Registration {
	t.Helper()
	r, err := l.register(c, max)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func say(l *klog, level Level, format string, args ...any) {
	l.emit(level, FacKern, fmt.Appendf(nil, format, args...), nil)
	l.flush(flushBudget)
}

func TestANewConsoleGetsTheLogFromItsBeginning(t *testing.T) {
	var l klog
	for i := range 100 {
		say(&l, Info, "%d", i)
	}
	var s screen
	r := register(t, &l, &s, Info)
	if len(s.lines) != flushBudget {
		t.Errorf("%d records in one flush", len(s.lines))
	}
	for range 3 {
		l.flush(flushBudget)
	}
	say(&l, Info, "100")
	for i := range 101 {
		if s.lines[i] != fmt.Sprint(i) {
			t.Fatalf("line %d is %q", i, s.lines[i])
		}
	}
	if st := r.Stats(); len(s.lines) != 101 || st != (ConsoleStats{Written: 101}) {
		t.Errorf("%d lines, %+v", len(s.lines), st)
	}
}

func TestEveryConsoleHasItsOwnLevel(t *testing.T) {
	var l klog
	var errs, all screen
	r := register(t, &l, &errs, Err)
	register(t, &l, &all, Debug)
	for i := Emerg; i <= Debug; i++ {
		say(&l, i, "%v", i)
	}
	if got := strings.Join(errs.lines, " "); got != "emerg alert crit err" {
		t.Error(got)
	}
	if len(all.lines) != 8 {
		t.Error(all.lines)
	}
	r.SetLevel(Debug)
	say(&l, Debug, "late")
	if errs.lines[len(errs.lines)-1] != "late" {
		t.Error("the new level is not in force")
	}
}

func TestABusyConsoleResumesWithoutLossOrRepetition(t *testing.T) {
	var l klog
	var slow, fast screen
	register(t, &l, &slow, Debug)
	register(t, &l, &fast, Debug)
	say(&l, Info, "0")
	slow.busy = true
	for i := 1; i < 50; i++ {
		say(&l, Info, "%d", i)
	}
	if len(slow.lines) != 1 || len(fast.lines) != 50 {
		t.Fatalf("slow %d, fast %d", len(slow.lines), len(fast.lines))
	}
	slow.busy = false
	l.flush(flushBudget)
	l.flush(flushBudget)
	if strings.Join(slow.lines, " ") != strings.Join(fast.lines, " ") {
		t.Errorf("%q", slow.lines)
	}
}

func TestWhatTheRingLostIsToldInTheStream(t *testing.T) {
	var l klog
	var s screen
	r := register(t, &l, &s, Debug)
	say(&l, Info, "before")
	s.busy = true
	text := strings.Repeat("x", 1000)
	for range 2000 {
		say(&l, Info, "%s", text)
	}
	lost := l.ring.state().first - 1
	if st := r.Stats(); st.Lost != lost || st.Pending != l.ring.state().next-l.ring.state().first {
		t.Errorf("while busy: %+v", st)
	}
	s.busy = false
	for range 20 {
		l.flush(flushBudget)
	}
	if want := fmt.Sprintf("** %d printk messages dropped **", lost); s.lines[1] != want {
		t.Errorf("%q, want %q", s.lines[1], want)
	}
	for i := 1; i < len(s.records); i++ {
		if s.records[i] <= s.records[i-1] {
			t.Fatalf("sequence %d after %d", s.records[i], s.records[i-1])
		}
	}
	if st := r.Stats(); st.Lost != lost || st.Written+lost != 2001 || st.Pending != 0 {
		t.Errorf("%+v", st)
	}
}

func TestLoggingFromWithinAConsoleNeitherRecursesNorGetsLost(t *testing.T) {
	var l klog
	depth, deepest, extra := 0, 0, 0
	noisy := &screen{}
	noisy.onWrite = func(*Record) {
		depth++
		deepest = max(deepest, depth)
		if extra < 5 {
			extra++
			say(&l, Debug, "from the driver %d", extra)
		}
		depth--
	}
	var quiet screen
	register(t, &l, &quiet, Debug)
	register(t, &l, noisy, Debug)
	say(&l, Info, "first")
	want := "first,from the driver 1,from the driver 2,from the driver 3,from the driver 4,from the driver 5"
	if got := strings.Join(quiet.lines, ","); got != want {
		t.Errorf("quiet: %s", got)
	}
	if got := strings.Join(noisy.lines, ","); got != want || deepest != 1 {
		t.Errorf("noisy: %s (depth %d)", got, deepest)
	}
}

func TestAConsoleThatLogsEachRecordDoesNotHoldTheFlush(t *testing.T) {
	var l klog
	s := &screen{}
	s.onWrite = func(*Record) { say(&l, Debug, "again") }
	register(t, &l, s, Debug)
	say(&l, Info, "first")
	if len(s.lines) != flushBudget {
		t.Errorf("%d records", len(s.lines))
	}
}

func TestRecordsReachAllConsolesBeforeTheNextReachesOne(t *testing.T) {
	var l klog
	var order []string
	for i := range 3 {
		register(t, &l, &screen{onWrite: func(r *Record) { order = append(order, fmt.Sprint(r.Seq, i)) }}, Debug)
	}
	l.emit(Info, 0, []byte("a"), nil)
	l.emit(Info, 0, []byte("b"), nil)
	l.flush(flushBudget)
	if got := strings.Join(order, ","); got != "0 0,0 1,0 2,1 0,1 1,1 2" {
		t.Error(got)
	}
}

func TestAnUnregisteredConsoleIsCalledNoMore(t *testing.T) {
	var l klog
	var s screen
	r := register(t, &l, &s, Debug)
	r.Unregister()
	say(&l, Info, "x")
	if len(s.lines) != 0 {
		t.Error(s.lines)
	}
	for range MaxConsoles {
		register(t, &l, &screen{}, Debug)
	}
	if _, err := l.register(&s, Debug); err != ErrTooMany {
		t.Error(err)
	}
}

func TestAPanicFlushesEverythingAtOnceAtEveryLevel(t *testing.T) {
	var l klog
	var s screen
	register(t, &l, &s, Err)
	for i := range 1000 {
		l.emit(Err, 0, fmt.Appendf(nil, "%d", i), nil)
	}
	l.fd(2, []byte("torn"))
	l.panic()
	say(&l, Debug, "last")
	if s.panicked != 1 || len(s.lines) != 1002 || s.lines[1000] != "torn" || s.lines[1001] != "last" {
		t.Errorf("%d lines, panic %d, %q", len(s.lines), s.panicked, s.lines[max(0, len(s.lines)-2):])
	}
}

func TestAPanicWithinAFlushStillPrints(t *testing.T) {
	var l klog
	var other screen
	bad := &screen{}
	fault := func(*Record) { panic("fault") }
	try := func() {
		defer func() { recover() }()
		say(&l, Emerg, "oops")
	}
	register(t, &l, bad, Debug)
	register(t, &l, &other, Debug)
	bad.onWrite = fault
	try() // live
	l.panic()
	try() // in the panic: the console gets a second chance, and a third
	l.panic()
	try()
	if len(other.lines) != 0 {
		t.Fatal(other.lines)
	}
	l.panic()
	try()
	if len(other.lines) != 4 || len(bad.lines) != 0 || bad.panicked != 2 {
		t.Errorf("other %q, bad %q", other.lines, bad.lines)
	}
}

func TestEmittingAndFlushingDoNotAllocate(t *testing.T) {
	l := new(klog)
	l.clock = func() int64 { return 5 }
	register(t, l, NewSerial(&port{room: -1}, true, nil), Debug)
	text, dict := []byte(strings.Repeat("text ", 100)), []byte("K=v")
	var r Record
	if n := testing.AllocsPerRun(2000, func() {
		l.emit(Info, FacKern, text, dict)
		l.fd(2, text)
		l.fd(1, text[:3])
		l.fd(1, []byte("\n"))
		l.flush(flushBudget)
		l.ring.read(l.ring.state().next-1, &r)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestLoggingFromAGoroutineDoesNotAllocate(t *testing.T) {
	text := []byte("line")
	r := new(Record)
	if n := testing.AllocsPerRun(100, func() {
		Log(Info, text)
		Read(0, r)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// port that is slow, as a serial console is.
type slowScreen struct{ screen }

func (*slowScreen) Slow() bool { return true }

func TestInAPanicSlowConsolesComeAfterTheReport(t *testing.T) {
	var l klog
	var slow slowScreen
	var fast screen
	register(t, &l, &slow, Debug)
	register(t, &l, &fast, Debug)
	say(&l, Info, "live")
	if len(slow.lines) != 1 {
		t.Fatal("a slow console waits while all is well")
	}
	l.panic()
	for i := range 100 {
		say(&l, Emerg, "%d", i)
	}
	if len(fast.lines) != 101 || len(slow.lines) != 1 {
		t.Errorf("in the report: fast %d, slow %d lines", len(fast.lines), len(slow.lines))
	}
	l.finish()
	if strings.Join(slow.lines, " ") != strings.Join(fast.lines, " ") {
		t.Errorf("after it: %q", slow.lines)
	}
	say(&l, Emerg, "after")
	if len(fast.lines) != 102 || len(slow.lines) != 102 {
		t.Errorf("afterwards: fast %d, slow %d lines", len(fast.lines), len(slow.lines))
	}
}

func TestAfterAFaultInAPanicNobodyWaits(t *testing.T) {
	var l klog
	var slow slowScreen
	bad := &screen{onWrite: func(*Record) { panic("fault") }}
	register(t, &l, bad, Debug)
	register(t, &l, &slow, Debug)
	try := func() {
		defer func() { recover() }()
		say(&l, Emerg, "oops")
	}
	l.panic()
	try()
	l.panic()
	try() // the bad one faults a second time
	if len(slow.lines) != 0 {
		t.Error(slow.lines)
	}
	l.panic()
	try()
	if len(slow.lines) != 3 {
		t.Error(slow.lines)
	}
}

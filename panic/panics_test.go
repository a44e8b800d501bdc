package panics

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gasp-go/gasp/console"
)

// machine is the hardware below the panic path. A fault is a Go panic, which
// run turns into another Enter, as the exception would.
type machine struct {
	lines    []string
	levels   []console.Level
	now      int64
	restarts int
	idles    int
	stayed   bool // Idle ended the test: nothing would ever happen again
	polls    int
	seized   int

	onLine    func(line string)
	onPoll    func()
	idleLimit int
}

type fault struct{ c Cause }
type over struct{}

func (m *machine) Write(r *console.Record) bool {
	line := string(r.Message())
	if m.onLine != nil {
		m.onLine(line)
	}
	m.lines = append(m.lines, line)
	m.levels = append(m.levels, r.Level)
	return true
}

func (m *machine) Panic() { m.seized++ }

func (m *machine) Poll(int) int {
	m.polls++
	if m.onPoll != nil {
		m.onPoll()
	}
	return 0
}

func (m *machine) idle() {
	m.idles++
	m.now += 1e8
	if m.idles > m.idleLimit {
		m.stayed = true
		panic(over{})
	}
}

func (m *machine) restart() { m.restarts++; panic(over{}) }

// setup makes a machine with a console of its own and a device.
func setup(t testing.TB, change func(*Hooks)) *machine {
	t.Helper()
	dying = state{}
	nreports.Store(0)
	npollers.Store(0)
	m := &machine{idleLimit: 20, now: 83 * 1e9}
	h := Hooks{
		Now: func() int64 { return m.now }, Restart: m.restart, Idle: m.idle,
		Symbolize: func(pc uint32) (string, uint32) {
			if pc >= 0x80020000 && pc < 0x80030000 {
				return "main.f", pc - 0x80020000
			}
			return "", 0
		},
		Stack: func(sp uint32, i int) (uint32, bool) {
			words := []uint32{1, 0x80020010, 0x80020000, 0x80020013, 0x80021234}
			if i >= len(words) {
				return 0, false
			}
			return words[i], true
		},
		Version: "v1.2.3", Build: "abc123", Board: "mx6ulevk",
	}
	if change != nil {
		change(&h)
	}
	Setup(h)
	AddPoller(m)
	if registered != nil {
		registered.Unregister()
	}
	registered = attach(t, m)
	return m
}

// registered is the console of the last setup.
var registered *console.Registration

// attach makes m a console that has seen the log of the tests before.
func attach(t testing.TB, m *machine) *console.Registration {
	t.Helper()
	reg, err := console.Register(m, console.Emerg)
	if err != nil {
		t.Fatal(err)
	}
	for reg.Stats().Pending > 0 {
		console.Flush()
	}
	m.lines, m.levels = nil, nil
	return reg
}

// run enters the panic path with c and again for every fault, until the
// machine restarts or stays for good.
func run(t testing.TB, c Cause) {
	t.Helper()
	for entries := 0; ; entries++ {
		if entries > 100 {
			t.Fatal("does not end")
		}
		next := func() (next *Cause) {
			defer func() {
				switch v := recover().(type) {
				case fault:
					next = &v.c
				case over:
				default:
					panic(v)
				}
			}()
			Enter(&c)
			return nil
		}()
		if next == nil {
			return
		}
		c = *next
	}
}

func nilRead() Cause {
	c := Cause{Kind: KernelFault, Trap: DataAbort, Addr: 0x10, Status: 0x5, Thread: 7, HasRegs: true}
	for i := range c.Regs {
		c.Regs[i] = uint32(i) * 0x11111111
	}
	c.Regs[15], c.Regs[14], c.Regs[16] = 0x80020044, 0x1000, 0x6000009f
	return c
}

func TestFramesAreWalkedWhereTheyAreKnown(t *testing.T) {
	// Three functions: f, a leaf, was called by g, whose frame has 8 bytes, and g by
	// a signal's handler; the signal came in h, which began it all.
	stack := map[uint32]uint32{0x1000: 0x80020204, 0x1008: 0}
	m := setup(t, func(h *Hooks) {
		h.Stack = func(sp uint32, i int) (uint32, bool) { v, ok := stack[sp+4*uint32(i)]; return v, ok }
		h.Symbolize = func(pc uint32) (string, uint32) {
			for i, name := range []string{"main.f", "main.g", "main.handler", "main.h"} {
				if at := 0x80020000 + 0x100*uint32(i); pc >= at && pc < at+0x100 {
					return name, pc - at
				}
			}
			return "", 0
		}
		h.Frame = func(pc uint32) (uint32, bool) {
			if pc>>8&0xf == 1 {
				return 8, true
			}
			return 0, pc>>8&0xf < 4
		}
		h.Line = func(pc uint32) (string, uint32) { return "x.go", pc & 0xff }
		h.Signal = func(pc, sp uint32) (Where, bool) {
			return Where{PC: 0x80020310, LR: 1, SP: 0x2000}, pc == 0x80020204 && sp == 0x1008
		}
		h.Thread = func(i int, t *Text, w *Where) bool {
			t.Str("Thread ").Dec(uint64(i)).Str(" runs:")
			*w = Where{PC: 0x80020004, LR: 0x80020308, SP: 0x1000}
			return i < 2
		}
	})
	c := Cause{Kind: KernelFault, Trap: FIQ, HasRegs: true, Regs: [17]uint32{13: 0x1000, 14: 0x80020108, 15: 0x80020010}}
	run(t, c)
	got := strings.Join(m.lines[len(m.lines)-10:], "\n")
	want := "Call trace:\n main.f+0x10 x.go:16\n main.g+0x8 x.go:4\n <signal>\n main.h+0x10 x.go:16\n" +
		"Thread 0 runs:\n main.f+0x4 x.go:4\n main.h+0x8 x.go:4\nThread 1 runs:\n main.f+0x4 x.go:4"
	if !strings.Contains(strings.Join(m.lines, "\n"), want) {
		t.Errorf("got\n%s", got)
	}
}

// gosAre sets hooks for goroutines 0, 2, 4, ... below n, each of which waits in a function
// that main.f has called. One in three runs instead.
func gosAre(n int) func(h *Hooks) {
	return func(h *Hooks) {
		h.Stack = func(sp uint32, i int) (uint32, bool) { return 0x80020008, sp == 0x1000 && i == 0 }
		h.Symbolize = func(pc uint32) (string, uint32) {
			switch pc >> 8 {
			case 0x800200:
				return "main.f", pc & 0xff
			case 0x800201:
				return "runtime.gopark", pc & 0xff
			}
			return "", 0
		}
		h.Frame = func(pc uint32) (uint32, bool) {
			if pc>>8&0xf == 1 {
				return 8, true
			}
			return 0, true
		}
		h.Goroutine = func(i *int, t *Text, w *Where, creator *uint32) bool {
			*i += *i % 2
			*w, *creator = Where{PC: 0x80020110, SP: 0x1000}, 0
			t.Str("goroutine ").Dec(uint64(*i)).Str(" [select]:")
			if *i > 0 {
				*creator = 0x80020020
			}
			if *i%3 == 1 {
				*w = Where{}
			}
			return *i < n
		}
	}
}

func TestGoroutinesAreShownWithTheirFramesAndWhoCreatedThem(t *testing.T) {
	m := setup(t, gosAre(6))
	run(t, Cause{Kind: KernelFault, Trap: FIQ})
	want := "goroutine 0 [select]:\n runtime.gopark+0x10\n main.f+0x8\n" +
		"goroutine 2 [select]:\n runtime.gopark+0x10\n main.f+0x8\n created by main.f+0x20\n" +
		"goroutine 4 [select]:\n created by main.f+0x20\n---[ end"
	if got := strings.Join(m.lines, "\n"); !strings.Contains(got, want) {
		t.Errorf("got\n%s", got)
	}
	// The runtime has told of them itself.
	m = setup(t, gosAre(6))
	run(t, Cause{Kind: Exit})
	if got := strings.Join(m.lines, "\n"); strings.Contains(got, "goroutine") {
		t.Errorf("got\n%s", got)
	}
}

func TestOfManyGoroutinesTheFirstAreShown(t *testing.T) {
	m := setup(t, gosAre(5000))
	run(t, Cause{Kind: KernelFault, Trap: FIQ})
	got := strings.Join(m.lines, "\n")
	if n := strings.Count(got, " [select]:"); n != maxGoroutines {
		t.Errorf("%d goroutines", n)
	}
	if !strings.Contains(got, "\n created by main.f+0x20\nThere are more goroutines.\n---[ end") {
		t.Errorf("ends with %q", m.lines[len(m.lines)-4:])
	}
}

func TestTheReportSaysWhatHappenedFirstAndThatItIsCompleteLast(t *testing.T) {
	m := setup(t, nil)
	AddReport(Report{"eth0", func(i int, t *Text) bool { t.Str("eth0: tx_packets ").Dec(uint64(41 + i)); return i < 2 }})
	AddReport(Report{Name: "empty"})
	run(t, nilRead())
	want := []string{
		"Unable to handle kernel NULL pointer dereference at virtual address 00000010 when read",
		"Kernel panic - not syncing: Fatal exception in interrupt",
		"CPU: 0 Thread: 7 Version: v1.2.3 Build: abc123",
		"Hardware name: mx6ulevk",
		"Uptime: 83.000 s",
		"PC is at main.f+0x44",
		"LR is at 0x00001000",
		"pc : [<80020044>]    lr : [<00001000>]    psr: 6000009f",
		"sp : dddddddd  ip : cccccccc  fp : bbbbbbbb",
		"r10: aaaaaaaa  r9 : 99999999  r8 : 88888888",
		"r7 : 77777777  r6 : 66666666  r5 : 55555555  r4 : 44444444",
		"r3 : 33333333  r2 : 22222222  r1 : 11111111  r0 : 00000000",
		"Flags: nZCv  IRQs off  FIQs on  Mode SYS_32  ISA ARM",
		"Call trace:",
		" ? main.f+0x10",
		" ? main.f+0x1234",
		"eth0: tx_packets 41",
		"eth0: tx_packets 42",
		"---[ end Kernel panic - not syncing: Fatal exception in interrupt ]---",
	}
	if got := strings.Join(m.lines, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("got\n%s", got)
	}
	if m.levels[0] != console.Alert || m.levels[1] != console.Emerg || m.levels[2] != console.Warning {
		t.Errorf("levels %v", m.levels)
	}
}

func TestEveryCauseHasLinuxsWords(t *testing.T) {
	for _, tt := range []struct {
		c    Cause
		want string
	}{
		{Cause{Kind: Exit, Code: 2}, "Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000200"},
		{Cause{Kind: Signal, Code: 11}, "Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b"},
		{Cause{Kind: Fault, Trap: DataAbort, Status: 0x805, Addr: 0xdeadbeef}, "Unable to handle kernel paging request at virtual address deadbeef when write"},
		{Cause{Kind: KernelFault, Trap: PrefetchAbort, Status: 0xd, Addr: 0x90000000}, "Unable to handle kernel paging request at virtual address 90000000 when execute"},
		{Cause{Kind: KernelFault, Trap: DataAbort, Status: 0x1, Addr: 0x80000001}, "Unhandled fault: alignment exception (0x001) at 0x80000001"},
		{Cause{Kind: KernelFault, Trap: DataAbort, Status: 0x1008, Addr: 0x02188000}, "Unhandled fault: external abort (0x008) at 0x02188000"},
		{Cause{Kind: KernelFault, Trap: DataAbort, Status: 0x1c06}, "Unhandled fault: external abort (0xc06) at 0x00000000"},
		{Cause{Kind: KernelFault, Trap: Undefined}, "Internal error: Oops - undefined instruction: 0 [#1] ARM"},
		{Cause{Kind: KernelFault, Trap: FIQ}, "Watchdog detected hard LOCKUP on cpu 0"},
		{Cause{Kind: Lockup}, "Watchdog detected hard LOCKUP on cpu 0"},
		{Cause{Kind: Bug, N: 3, Message: [128]byte{'b', 'a', 'd'}}, "Kernel panic - not syncing: bad"},
		{Cause{Kind: Bug, N: 1 << 30}, "Kernel panic - not syncing: kernel BUG"},
		{Cause{Kind: 99}, "Kernel panic - not syncing: kernel BUG"},
	} {
		m := setup(t, nil)
		run(t, tt.c)
		last := m.lines[len(m.lines)-1]
		if m.lines[0] != tt.want || !strings.HasPrefix(last, "---[ end Kernel panic - not syncing: ") {
			t.Errorf("got  %s ... %s\nwant %s", m.lines[0], last, tt.want)
		}
		if !strings.HasPrefix(m.lines[0], "Kernel panic") && !strings.HasPrefix(m.lines[1], "Kernel panic - not syncing: ") {
			t.Errorf("second line %s", m.lines[1])
		}
	}
}

func TestAFaultInAStepLeavesTheRestOfTheReport(t *testing.T) {
	m := setup(t, func(h *Hooks) {
		h.Stack = func(uint32, int) (uint32, bool) {
			panic(fault{Cause{Kind: KernelFault, Trap: DataAbort, Addr: 0xdddddddd, HasRegs: true, Regs: [17]uint32{14: 1, 15: 2}}})
		}
	})
	AddReport(Report{"bad", func(int, *Text) bool { panic(fault{Cause{Kind: KernelFault, Trap: Undefined}}) }})
	AddReport(Report{"good", func(i int, t *Text) bool { t.Str("good"); return i == 0 }})
	run(t, nilRead())
	got := strings.Join(m.lines[len(m.lines)-5:], "\n")
	want := "Call trace:\n" +
		"Panic in the panic path (2): Unable to handle kernel paging request at virtual address dddddddd when read, pc 00000002 lr 00000001\n" +
		"Panic in the panic path (3): Internal error: Oops - undefined instruction: 0 [#1] ARM\n" +
		"good\n---[ end Kernel panic - not syncing: Fatal exception in interrupt ]---"
	if got != want {
		t.Errorf("got\n%s", got)
	}
}

func TestAFaultInAConsoleLosesNoLineOnTheOthers(t *testing.T) {
	m := setup(t, nil)
	bad := &machine{}
	defer attach(t, bad).Unregister()
	bad.onLine = func(string) { panic(fault{Cause{Kind: KernelFault, Trap: DataAbort}}) }
	run(t, Cause{Kind: Exit, Code: 2})
	var kept []string
	for _, l := range m.lines {
		if !strings.HasPrefix(l, "Panic in the panic path") {
			kept = append(kept, l)
		}
	}
	if want := 5; len(kept) != want || len(m.lines) != want+2 {
		t.Errorf("%d lines\n%s", len(kept), strings.Join(m.lines, "\n"))
	}
}

func TestWhateverLineFaultsTheLastLineIsStillPrinted(t *testing.T) {
	for at := range 17 {
		m := setup(t, nil)
		n := 0
		m.onLine = func(string) {
			if n++; n == at+1 {
				panic(fault{nilRead()})
			}
		}
		run(t, nilRead())
		notes := 0
		for _, l := range m.lines {
			if strings.HasPrefix(l, "Panic in the panic path (2): Unable to handle") {
				notes++
			}
		}
		end := 17
		if at == 16 {
			end-- // it was this line that faulted: the note comes behind it
		}
		if len(m.lines) != 18 || notes != 1 || !strings.HasPrefix(m.lines[0], "Unable to handle") || !strings.HasPrefix(m.lines[end], "---[ end") {
			t.Errorf("fault at line %d: %d lines, %d notes\n%s", at, len(m.lines), notes, strings.Join(m.lines, "\n"))
		}
	}
}

func TestAPanicThatOnlyFaultsStillRestarts(t *testing.T) {
	always := func() { panic(fault{Cause{Kind: KernelFault}}) }
	m := setup(t, func(h *Hooks) {
		h.Timeout = 4
		idle := h.Idle
		h.Idle = func() { idle(); always() }
	})
	m.idleLimit = 200
	for i := range MaxReports {
		AddReport(Report{fmt.Sprint(i), func(int, *Text) bool { always(); return false }})
	}
	m.onPoll = always
	run(t, nilRead())
	if m.restarts != 1 || dying.depth <= maxDepth {
		t.Errorf("%d restarts, depth %d", m.restarts, dying.depth)
	}
}

func TestThePolicyIsLinuxs(t *testing.T) {
	m := setup(t, func(h *Hooks) { h.Timeout = -1 })
	run(t, Cause{Kind: Exit})
	if m.restarts != 1 || m.idles != 0 || !strings.HasPrefix(m.lines[len(m.lines)-1], "---[ end") {
		t.Errorf("panic=-1: %d restarts after %d", m.restarts, m.idles)
	}
	m = setup(t, func(h *Hooks) { h.Timeout = 1 })
	run(t, Cause{Kind: Exit})
	if m.restarts != 1 || m.idles != 10 || m.polls != 10 || m.lines[len(m.lines)-1] != "Rebooting in 1 seconds.." {
		t.Errorf("panic=1: %d restarts after %d, %d polls", m.restarts, m.idles, m.polls)
	}
	m = setup(t, nil)
	run(t, Cause{Kind: Exit})
	if m.restarts != 0 || !m.stayed || m.polls < 20 || m.seized == 0 {
		t.Errorf("panic=0: %d restarts, %d polls", m.restarts, m.polls)
	}
	m = setup(t, func(h *Hooks) { h.Timeout, h.Now = 100, nil })
	run(t, Cause{Kind: Exit})
	if m.restarts != 1 {
		t.Error("without a clock it never restarts")
	}
	m = setup(t, func(h *Hooks) { h.Timeout, h.Restart = -1, func() { m.restarts++ } })
	run(t, Cause{Kind: Exit})
	if !m.stayed || m.polls == 0 {
		t.Error("does not stay if the restart fails")
	}
}

func TestADeviceThatFaultsInThePollIsLeftAlone(t *testing.T) {
	m := setup(t, nil)
	good := &machine{}
	AddPoller(good)
	m.onPoll = func() { panic(fault{Cause{Kind: KernelFault}}) }
	run(t, Cause{Kind: Exit})
	if m.polls != 1 || good.polls < 20 || !m.stayed {
		t.Errorf("%d and %d polls", m.polls, good.polls)
	}
}

func TestWhatTheProgramWroteLastComesFirst(t *testing.T) {
	m := setup(t, nil)
	console.FD(2, []byte("panic: boom\n\ngoroutine 1 [run"))
	run(t, Cause{Kind: Exit, Code: 2})
	found := -1
	for i, l := range m.lines {
		if l == "goroutine 1 [run" {
			found = i
		}
	}
	if found < 0 || !strings.HasPrefix(m.lines[found+1], "Kernel panic") {
		t.Errorf("%q", m.lines)
	}
}

func TestThePanicPathDoesNotAllocate(t *testing.T) {
	m := setup(t, nil)
	c := nilRead()
	if n := testing.AllocsPerRun(10, func() {
		m.lines, m.levels = m.lines[:0], m.levels[:0]
		dying = state{cause: c, depth: 1}
		for dying.step < len(steps)+MaxReports+1 {
			i := dying.line
			dying.line++
			if _, ok := dying.run(i); !ok {
				dying.step, dying.line = dying.step+1, 0
			}
		}
		dying.note(&c)
		dying.poll()
	}); n > 1 { // one string in the test's console
		t.Errorf("%v allocations", n)
	}
}

func TestNumbersArePadded(t *testing.T) {
	var x Text
	x.Num(0, 10, 1, ' ')
	x.Num(42, 10, 5, ' ')
	x.Num(1<<64-1, 16, 4, '0')
	x.Num(0xbeef, 16, 8, '0')
	if got := string(x.Bytes()); got != "0   42ffffffffffffffff0000beef" {
		t.Error(got)
	}
}

func TestALineThatIsTooLongIsCut(t *testing.T) {
	var x Text
	for range 100 {
		x.Str("0123456789").Dec(1<<64 - 1).Hex(1<<32 - 1)
	}
	if len(x.Bytes()) != len(x.buf) {
		t.Error(len(x.Bytes()))
	}
	if AddPoller(nil); npollers.Load() > MaxPollers {
		t.Error(npollers.Load())
	}
}

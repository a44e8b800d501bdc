// Package panics is the end of the firmware: whatever kills it, the report
// goes out on all consoles and the policy (panic=) is carried out.
//
// Enter is called in trap context with interrupts off, and nothing it uses can
// be relied upon: the heap, the scheduler, the network driver in the middle of
// an update. So it works from static memory, takes the network device away
// from the live system (package netpoll), and expects to fault itself. The
// report is a list of lines; a fault in one of them brings the CPU here again,
// is noted in a line of its own, and the report goes on behind it.
package panics

import (
	"sync"
	"sync/atomic"

	"github.com/gasp-go/gasp/console"
)

// Hooks connect the panic path to the machine. What is left out is done
// without. All functions are for trap context.
type Hooks struct {
	Now     func() int64 // ns since boot
	Restart func()       // resets the SoC
	Pet     func()       // keeps a watchdog content; called for each line
	Idle    func()       // called again and again while waiting; likewise

	// Symbolize names the function at pc and pc's offset in it; "" if it is
	// in none.
	Symbolize func(pc uint32) (name string, off uint32)

	// Stack reads the i-th word of the stack that begins at sp. It reports
	// false where the stack ends or cannot be read.
	Stack func(sp uint32, i int) (word uint32, ok bool)

	// Timeout is Linux's panic=: 0 waits for ever, n restarts after n
	// seconds, less than 0 restarts at once.
	Timeout int

	// Frame is the size of the frame at pc: how far the caller's stack pointer is
	// above the callee's, of which the lowest word is the return address; 0: there
	// is none yet, or in a leaf.
	Frame func(pc uint32) (size uint32, ok bool)

	// Line is the place in the source; line 0 if it is unknown.
	Line func(pc uint32) (file string, line uint32)

	// Signal tells where a signal's handler returns to, if pc and sp are those with
	// which it does.
	Signal func(pc, sp uint32) (w Where, ok bool)

	// Thread writes what the i-th thread is and does, and tells where; it reports
	// false when there are no more.
	Thread func(i int, t *Text, w *Where) bool

	// Goroutine writes what the goroutine with number *i is and does, and tells where
	// (PC 0: unknown) and the PC behind the go statement it was created by (0:
	// unknown). If it is none to show, *i is set to the next that is. It reports false
	// when there are no more.
	Goroutine func(i *int, t *Text, w *Where, creator *uint32) bool

	Version string // of the firmware
	Build   string // its build ID
	Board   string // the board's name
	Reset   string // why the SoC last left reset
}

// Where is where a thread is.
type Where struct{ PC, LR, SP uint32 }

// Poller is a network device in a panic: netpoll.Endpoint.
type Poller interface {
	Panic()
	Poll(budget int) int
}

// Report is a part of the report that somebody else knows: counters, mostly.
type Report struct {
	Name string

	// Line writes the i-th line, from 0, and reports whether there was one.
	// Trap context.
	Line func(i int, t *Text) bool
}

// Bounds of what can be added.
const (
	MaxPollers = 8
	MaxReports = 16
)

var (
	admin    sync.Mutex
	hooks    Hooks
	pollers  [MaxPollers]Poller
	npollers atomic.Int32 // published after the entry: a panic may come at any time
	reports  [MaxReports]Report
	nreports atomic.Int32
)

// Setup sets the hooks. To be called once, before there is a second goroutine
// that could panic.
func Setup(h Hooks) { hooks = h }

// AddPoller adds a device that is to stay reachable after a panic. It reports
// false if there are MaxPollers. Goroutine.
func AddPoller(p Poller) bool {
	admin.Lock()
	defer admin.Unlock()
	n := npollers.Load()
	if n == MaxPollers {
		return false
	}
	pollers[n] = p
	npollers.Store(n + 1)
	return true
}

// AddReport adds lines to the report, in the order added. It reports false if
// there are MaxReports. Goroutine.
func AddReport(r Report) bool {
	admin.Lock()
	defer admin.Unlock()
	n := nreports.Load()
	if n == MaxReports {
		return false
	}
	reports[n] = r
	nreports.Store(n + 1)
	return true
}

// maxDepth is how often Enter may be entered before it gives up the report. Every
// step may fault, and every device.
const maxDepth = len(steps) + MaxReports + MaxPollers + 4

// state is how far the panic is. A fault throws the CPU out of everything but
// this.
type state struct {
	depth    int
	cause    Cause // the first
	step     int
	line     int
	emitting bool // a finished line is on its way: if that faults, the step itself is good

	waiting bool  // the report is done
	began   int64 // when
	polling int   // 1 + index of the device being polled, 0: none
	bad     [MaxPollers]bool

	walk      walk
	shown     int // threads or goroutines
	goroutine int // the number of the next to show
	creator   uint32
	where     Where
	text      Text
}

var dying state

// beats counts lines made and looks at the network.
var beats atomic.Uint32

// Beats changes as long as the panic path makes progress: by it a watchdog tells
// one that has much to say from one that hangs. Any context.
func Beats() uint32 { return beats.Load() + console.Progress() }

// Enter ends the firmware because of c, which is copied. It may be entered
// again from within itself, by a fault; the first cause stays the cause. It
// does not return. Trap context, interrupts off.
func Enter(c *Cause) {
	s := &dying
	s.depth++
	if s.depth == 1 {
		s.cause = *c
	}
	if s.depth <= maxDepth {
		if s.depth > 1 {
			s.again()
		}
		s.emitting = true // a fault in there is a console's
		console.Panic()
		s.emitting = false
		if s.depth > 1 {
			s.note(c)
		}
		s.report()
		s.emitting = true
		console.Finish()
		s.emitting = false
	}
	s.wait()
}

// again sorts out where the last entry faulted: in the middle of a step, which
// is then left, or while its line was being printed, which packages console
// and netpoll put right themselves.
func (s *state) again() {
	if !s.emitting {
		s.step, s.line = s.step+1, 0
	}
	s.emitting = false
	if i := s.polling; i > 0 && i <= MaxPollers {
		s.bad[i-1] = true
	}
	s.polling = 0
}

// note tells of a fault within the panic, in one line.
func (s *state) note(c *Cause) {
	t := s.begin()
	t.Str("Panic in the panic path (").Dec(uint64(s.depth)).Str("): ")
	c.describe(t)
	if c.HasRegs {
		t.Str(", pc ").Hex(c.Regs[15]).Str(" lr ").Hex(c.Regs[14])
	}
	s.emit(console.Emerg)
}

// report prints the lines from the current one on.
func (s *state) report() {
	for s.step >= 0 && s.step < len(steps)+MaxReports+1 {
		i := s.line
		s.line++ // first, so that an entry after a fault goes on behind it
		level, ok := s.run(i)
		if !ok {
			s.step, s.line = s.step+1, 0
			continue
		}
		s.emit(level)
	}
}

// run makes line i of the current step: of the fixed ones, then of the added
// reports, then the end.
func (s *state) run(i int) (console.Level, bool) {
	t := s.begin()
	switch n := s.step - len(steps); {
	case i >= maxLines:
		return 0, false
	case n < 0:
		return steps[s.step](s, i, t)
	case n < int(nreports.Load()) && n < MaxReports:
		return console.Warning, reports[n].Line != nil && reports[n].Line(i, t)
	case n == MaxReports && i == 0:
		s.end(t)
		return console.Emerg, true
	}
	return 0, false
}

func (s *state) begin() *Text {
	s.text.n = 0
	return &s.text
}

// emit logs the line that was made; the flush brings it to all consoles before
// the next is made.
func (s *state) emit(level console.Level) {
	beats.Add(1)
	if hooks.Pet != nil {
		hooks.Pet()
	}
	s.emitting = true
	console.Emit(level, console.FacKern, s.text.Bytes(), nil)
	s.emitting = false
}

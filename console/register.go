package console

import (
	"errors"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/gasp-go/gasp/board/trap"
)

// Console prints records: a serial port, a netconsole target.
type Console interface {
	// Write prints one record and reports whether it is done with it. If
	// not, the console is left alone for the rest of the flush and is offered
	// the same record again at a later one; it may remember how far it got. A record
	// is the same if Seq and Lost are: if the ring wrapped meanwhile, it is
	// offered another one. Write must not wait. The record is the log's.
	// Trap context.
	Write(r *Record) bool
}

// PanicConsole is a console that works differently in a panic: after Panic was
// called, no interrupt comes any more, and Write waits, within a bound, for the
// device. It is called again after a fault in the panic path. Trap context.
type PanicConsole interface {
	Console
	Panic()
}

// SlowConsole is a PanicConsole whose device takes longer for one record than a
// network takes for hundreds: a serial port. In a panic others do not wait for it:
// it is offered nothing until Finish. Slow is asked once, by Register.
type SlowConsole interface {
	PanicConsole
	Slow() bool
}

// PreviousConsole is a console that gets the records of facility FacPrevious
// too, whatever their level: those of the life before the last reset, on their
// way out. Others get none of them.
type PreviousConsole interface {
	Console
	Previous()
}

// MaxConsoles bounds how many consoles may be registered at a time.
const MaxConsoles = 8

// ErrTooMany is returned when MaxConsoles are registered.
var ErrTooMany = errors.New("console: too many consoles")

// Registration is a console that was registered.
type Registration struct {
	log     *klog
	con     Console
	onPanic PanicConsole // con, if it is one; asked beforehand, type switches are not for trap context
	lives   bool         // con is a PreviousConsole

	slow bool // a SlowConsole

	// In trap context:
	max     Level
	next    cursor
	pending uint64 // lost records the console was not told of yet
	lost    uint64
	whole   uint64 // nothing from here to next was lost
	written uint64
	faults  int // during a panic; after the second the console is left alone
}

// consoles is who gets the records.
type consoles struct {
	admin sync.Mutex // serialises registration, on goroutines

	// A slot is set last when registering and cleared first: trap context
	// finds a whole registration or none.
	slot [MaxConsoles]atomic.Pointer[Registration]
	used atomic.Uint32 // bit i: slot i has had a registration
	slow atomic.Uint32 // and it was a slow console's

	flushing bool
	panicked bool
	fastOnly bool // in a panic: the slow ones have to wait
	current  int  // 1 + index of the console being called, 0: none
	offer    offer
}

// offer is the record on offer. It is static, since it is large and leaves through an
// interface.
type offer struct {
	loaded bool   // rec is what the ring has, or had,
	at     cursor // here
	next   cursor // behind it
	header header
	rec    Record
}

// Register adds a console. It gets every record that still exists, from the
// oldest, and every later one, each once and in order, unless its level is
// greater than max. (Linux's loglevel is max plus one.) The first records are
// written before Register returns. Goroutine.
func Register(c Console, max Level) (*Registration, error) { return std.register(c, max) }

func (l *klog) register(c Console, max Level) (*Registration, error) {
	l.consoles.admin.Lock()
	defer l.consoles.admin.Unlock()
	r := &Registration{log: l, con: c, max: max}
	r.onPanic, _ = c.(PanicConsole)
	if s, ok := c.(SlowConsole); ok {
		r.slow = s.Slow()
	}
	_, r.lives = c.(PreviousConsole)
	for i := range l.consoles.slot {
		if l.consoles.slot[i].Load() != nil {
			continue
		}
		if slow := l.consoles.slow.Load() &^ (1 << i); r.slow {
			l.consoles.slow.Store(slow | 1<<i)
		} else {
			l.consoles.slow.Store(slow)
		}
		l.consoles.slot[i].Store(r)
		l.consoles.used.Or(1 << i)
		trap.Run(runFlush, unsafe.Pointer(l))
		return r, nil
	}
	return nil, ErrTooMany
}

// wants reports whether the console gets the record with header h.
func (r *Registration) wants(h *header) bool {
	if h.facility == FacPrevious {
		return r.lives
	}
	return Level(h.level) <= r.max
}

// Passed reports whether at least one console that gets the records of the
// previous life has got all those from first to last, before the ring wrapped.
// Goroutine.
func Passed(first, last uint64) bool { return std.passed(first, last) }

func (l *klog) passed(first, last uint64) bool {
	a := passing{log: l, first: first, last: last}
	trap.Run(runPassing, unsafe.Pointer(&a))
	return a.passed
}

type passing struct {
	log         *klog
	first, last uint64
	passed      bool
}

func runPassing(p unsafe.Pointer) {
	a := (*passing)(p)
	for i := range a.log.consoles.slot {
		if r := a.log.consoles.slot[i].Load(); r != nil && r.lives && r.next.seq > a.last && r.whole <= a.first {
			a.passed = true
		}
	}
}

func runFlush(p unsafe.Pointer) { (*klog)(p).flush(flushBudget) }

// Unregister removes the console. When it returns, the console is not called
// any more. Goroutine.
func (r *Registration) Unregister() {
	c := &r.log.consoles
	c.admin.Lock()
	defer c.admin.Unlock()
	for i := range c.slot {
		c.slot[i].CompareAndSwap(r, nil)
	}
	trap.Run(func(unsafe.Pointer) {}, nil) // a flush that saw it has ended
}

// ConsoleStats counts what became of the records on one console.
type ConsoleStats struct {
	Written uint64 // records the console took
	Lost    uint64 // records overwritten in the ring before the console took them
	Pending uint64 // records that wait for the console, filtered ones included
}

// Stats returns the console's counters. Goroutine.
func (r *Registration) Stats() ConsoleStats {
	a := statsSection{reg: r}
	trap.Run(runStats, unsafe.Pointer(&a))
	return a.stats
}

type statsSection struct {
	reg   *Registration
	stats ConsoleStats
}

func runStats(p unsafe.Pointer) {
	a := (*statsSection)(p)
	r, g := a.reg, a.reg.log.ring.state()
	a.stats = ConsoleStats{Written: r.written, Lost: r.lost}
	if r.next.seq < g.first {
		a.stats.Lost += g.first - r.next.seq
		a.stats.Pending = g.next - g.first
	} else {
		a.stats.Pending = g.next - r.next.seq
	}
}

// SetLevel changes the least important level the console gets, from its next
// record on. Goroutine.
func (r *Registration) SetLevel(max Level) {
	a := levelSection{r, max}
	trap.Run(runLevel, unsafe.Pointer(&a))
}

type levelSection struct {
	reg *Registration
	max Level
}

func runLevel(p unsafe.Pointer) {
	a := (*levelSection)(p)
	a.reg.max = a.max
}

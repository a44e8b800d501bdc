//go:build arm

package kernel

import (
	"unsafe"

	"github.com/gasp-go/gasp/board/trap"
)

// How long interrupts stay masked: from the entry of a trap, or the end of the
// wait for an interrupt, to where a thread goes on or the CPU waits. It is off
// unless boot argument gasp.irqstat=1 or MeasureTraps switches it on, and then
// costs a load and a branch a trap.

// Kinds of trap.
const (
	TrapCall          = kindSVC
	TrapIRQ           = kindIRQ
	TrapUndefined     = kindUndefined
	TrapDataAbort     = kindDataAbort // first touch of a page, or a fault
	TrapPrefetchAbort = kindPrefetchAbort
	NTrapKinds        = kindFIQ
)

// Trap is one stay in trap context.
type Trap struct {
	Time int64  // ns, without the 60 instructions that save and restore registers
	Kind uint32 // TrapCall and so on
	Call uint32 // of TrapCall: the system call's number; package trap's Run: 0x10000
	Func uint32 // of Run: the function's address, for Symbol
	Idle bool   // the CPU had been waiting for this interrupt
}

// TrapStat is about the traps of one kind since measuring began.
type TrapStat struct {
	Count   uint64
	Total   int64 // ns
	Longest Trap
}

var measure struct {
	on    bool
	start int64 // when this trap began, ns since boot; 0: before measuring
	idle  int64 // sched.idle then
	trap  Trap

	kinds [NTrapKinds]TrapStat
	calls [len(nsys)]int64 // the longest of each system call, ns
}

func initMeasure() {
	v := bootValue("gasp.irqstat=")
	measure.on = len(v) == 1 && v[0] == '1'
}

// measureEntry notes the start of a trap from thread t. Trap context.
func measureEntry(t *thread, kind uint32) {
	m := &measure
	m.start, m.idle = nanotime(), sched.idle
	m.trap = Trap{Kind: min(kind, NTrapKinds-1)}
	if kind == kindSVC {
		m.trap.Call = t.ctx.r[7]
		if m.trap.Call == sysRun && t.ctx.cpsr&0x1f == modeSYS {
			m.trap.Func = load32(t.ctx.r[0])
		}
	}
}

// measureIRQ is called when an interrupt is taken. If the CPU was waiting for
// it, what was before that is over. Trap context.
func measureIRQ() {
	m := &measure
	waited := sched.idle - m.idle
	if m.start == 0 || waited == 0 {
		return // a trap of its own
	}
	now := nanotime()
	measureEnd(now - waited)
	m.start, m.idle = now, sched.idle
	m.trap = Trap{Kind: kindIRQ, Idle: true}
}

// measureExit notes the end of the trap. Trap context.
func measureExit() {
	if measure.start != 0 {
		measureEnd(nanotime())
	}
}

func measureEnd(now int64) {
	m := &measure
	m.trap.Time = now - m.start
	k := &m.kinds[m.trap.Kind]
	k.Count++
	k.Total += m.trap.Time
	if m.trap.Time > k.Longest.Time {
		k.Longest = m.trap
	}
	if nr := m.trap.Call; m.trap.Kind == kindSVC && nr < uint32(len(m.calls)) {
		m.calls[nr] = max(m.calls[nr], m.trap.Time)
	}
}

// MeasureTraps forgets what was measured and starts or stops measuring. Any
// goroutine.
func MeasureTraps(on bool) {
	f := measureOffFn
	if on {
		f = measureOnFn
	}
	trap.Run(f, nil)
}

var measureOnFn, measureOffFn = measureOn, measureOff

func measureOn(unsafe.Pointer) {
	m := &measure
	m.on, m.start = true, 0
	m.kinds = [NTrapKinds]TrapStat{}
	m.calls = [len(nsys)]int64{}
}

func measureOff(unsafe.Pointer) { measure.on = false }

// TrapStats returns what was measured of traps of that kind, the zero TrapStat
// for none. Any goroutine.
func TrapStats(kind int) TrapStat {
	if kind < 0 || kind >= NTrapKinds {
		return TrapStat{}
	}
	s := TrapStat{Count: uint64(kind)}
	trap.Run(func(p unsafe.Pointer) {
		s := (*TrapStat)(p)
		*s = measure.kinds[s.Count]
	}, unsafe.Pointer(&s))
	return s
}

// LongestTrap returns the longest time that interrupts were masked since
// measuring began. Any goroutine.
func LongestTrap() Trap {
	longest := Trap{}
	for kind := range NTrapKinds {
		if t := TrapStats(kind).Longest; t.Time > longest.Time {
			longest = t
		}
	}
	return longest
}

// LongestCall returns the longest time that system call nr kept interrupts
// masked, in ns; 0 if it was not made.
func LongestCall(nr int) int64 {
	if nr < 0 || nr >= len(measure.calls) {
		return 0
	}
	ns := int64(nr)
	trap.Run(func(p unsafe.Pointer) { *(*int64)(p) = measure.calls[*(*int64)(p)] }, unsafe.Pointer(&ns))
	return ns
}

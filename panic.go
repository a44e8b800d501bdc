//go:build arm

package gasp

import (
	"log/slog"
	"runtime/debug"
	"unsafe"

	"github.com/gasp-go/gasp/board/kernel"
	"github.com/gasp-go/gasp/board/trap"
	panics "github.com/gasp-go/gasp/panic"
)

// armPanic connects the kernel's deaths to the panic path.
func (s *System) armPanic() {
	panics.Setup(panics.Hooks{
		Now:       kernel.Nanotime,
		Restart:   kernel.Restart,
		Pet:       kernel.PetWatchdog,
		Idle:      kernel.PetWatchdog,
		Symbolize: kernel.Symbol,
		Frame:     kernel.Frame,
		Line:      kernel.Line,
		Stack:     func(sp uint32, i int) (uint32, bool) { return kernel.Peek(sp + 4*uint32(i)) },
		Signal:    signalFrame,
		Thread:    threadLine,
		Goroutine: goroutineLine,
		Timeout:   s.Args.Panic,
		Version:   kernel.Version,
		Build:     kernel.BuildID(),
		Board:     s.Board.Name,
		Reset:     s.Board.SoC.ResetCause(),
	})
	if !kernel.FindGoroutines() {
		slog.Warn("this Go release keeps goroutines in a way that is not known: reports of kernel deaths are without them")
	}
	panics.AddReport(panics.Report{Name: "system", Line: s.systemLine})
	kernel.PanicHook = enterPanic
	kernel.PanicBeats = panics.Beats
	// All goroutines: who died of a lock needs to know who holds it.
	traceback := "all"
	if s.Args.Traceback != "" {
		traceback = s.Args.Traceback
	}
	debug.SetTraceback(traceback)
}

// lastCause is what enterPanic hands on; a variable, as its address is passed.
var lastCause panics.Cause

// noted: the devices were looked at. noting: they are being looked at.
var noted, noting bool

// enterPanic is where the kernel goes to die. Trap context.
func enterPanic(c *kernel.Cause) {
	p := &lastCause
	if noting {
		noting = false
		panics.Enter(p) // the first cause: looking at the devices was what faulted
	}
	*p = panics.Cause{
		Trap:    panics.Trap(c.Trap),
		Code:    c.Code,
		Addr:    c.Addr,
		Status:  c.Status,
		Thread:  c.Thread,
		HasRegs: c.HasRegs,
		Regs:    c.Regs,
	}
	switch c.Kind {
	case kernel.CauseExit:
		p.Kind = panics.Exit
	case kernel.CauseSignal:
		p.Kind = panics.Signal
	case kernel.CauseFault:
		p.Kind = panics.Fault
	case kernel.CauseSoftLockup:
		panics.Hung(p)
	default:
		p.Kind = panics.KernelFault
	}
	if !noted {
		noted, noting = true, true
		for _, n := range system.Interfaces {
			n.note() // before the panic path takes them
		}
		noting = false
	}
	panics.Enter(p)
}

// threadInfo is what threadLine works on; a variable, as its address is passed.
var threadInfo kernel.ThreadInfo

// threadLine writes what the kernel's i-th thread does. Trap context.
func threadLine(i int, t *panics.Text, w *panics.Where) bool {
	th := &threadInfo
	if !kernel.ThreadAt(i, th) {
		return false
	}
	w.PC, w.LR, w.SP = th.Regs[15], th.Regs[14], th.Regs[13]
	t.Str("Thread ").Dec(uint64(th.ID))
	if th.Net {
		t.Str(" (network)")
	}
	t.Str(" ").Str(th.State()).Str(":")
	return true
}

// goroutineInfo is what goroutineLine works on; a variable, as its address is passed.
var goroutineInfo kernel.GoroutineInfo

// goroutineLine writes what the goroutine with number *i does, or the first after it
// that is not the runtime's own. Trap context.
func goroutineLine(i *int, t *panics.Text, w *panics.Where, creator *uint32) bool {
	g := &goroutineInfo
	for ; ; *i++ {
		state, ok := kernel.GoroutineAt(i, g)
		if !ok {
			return false
		}
		if g.System() {
			continue
		}
		*w, *creator = panics.Where{PC: g.PC, SP: g.SP}, g.Creator
		t.Str("goroutine ").Dec(g.ID).Str(" [").Str(state)
		if g.Thread != 0 {
			t.Str(" on thread ").Dec(uint64(g.Thread))
		}
		t.Str("]:")
		return true
	}
}

// signalFrame finds what a signal interrupted. Trap context.
func signalFrame(pc, sp uint32) (w panics.Where, ok bool) {
	at, ok := kernel.SignalFrame(pc, sp)
	return panics.Where{PC: at.Regs[15], LR: at.Regs[14], SP: at.Regs[13]}, ok
}

// systemLine writes the kernel's own part of the report. Trap context.
func (s *System) systemLine(i int, t *panics.Text) bool {
	switch i {
	case 0:
		m := kernel.MemoryStat()
		t.Str("Memory: ").Dec(m.Total >> 10).Str(" KiB, used ").Dec(m.Used >> 10).
			Str(", peak ").Dec(m.PeakUsed >> 10).Str(", free ").Dec(m.Free >> 10)
	case 1:
		c := kernel.CPUStat()
		t.Str("CPU: idle ").Dec(uint64(c.Idle) / 1_000_000).Str(" ms, switches ").Dec(c.Switches).
			Str(", threads ").Dec(uint64(c.Threads))
	default:
		return false
	}
	return true
}

// FaultInTopHalf makes the next interrupt of the interfaces' MACs fault in
// its top half, and causes one. For demonstrations and tests.
func FaultInTopHalf() { inTopHalf(func() { touchNull(nil) }) }

// HangInTopHalf makes it loop for ever. For demonstrations and tests.
func HangInTopHalf() { inTopHalf(hang) }

func inTopHalf(fn func()) {
	for _, n := range system.Interfaces {
		kernel.HandleIRQ(n.Port.IRQ, fn)
		kernel.PendIRQ(n.Port.IRQ)
	}
}

// FaultInPanic makes the panic path fault in the middle of the report, and then
// panics. For demonstrations and tests.
func FaultInPanic() {
	panics.AddReport(reportThat(func() { touchNull(nil) }))
	panic("asked to fault in the panic path")
}

// HangInTrap loops in trap context, for ever. For demonstrations and tests.
func HangInTrap() { trap.Run(func(unsafe.Pointer) { hang() }, nil) }

// HangInPanic makes the panic path loop for ever in the middle of the report, and
// then panics. For demonstrations and tests.
func HangInPanic() {
	panics.AddReport(reportThat(hang))
	panic("asked to hang in the panic path")
}

// FaultAlwaysInPanic makes every report of the panic path fault, and the look at
// the network too, and then panics. For demonstrations and tests.
func FaultAlwaysInPanic() {
	for panics.AddReport(reportThat(func() { touchNull(nil) })) {
	}
	panic("asked to fault in every step of the panic path")
}

// reportThat is a part of the report that calls fn instead.
func reportThat(fn func()) panics.Report {
	return panics.Report{Name: "bad", Line: func(int, *panics.Text) bool {
		fn()
		return false
	}}
}

var hung uint32

//go:noinline
func hang() {
	for {
		hung++
	}
}

type unmapped struct{ a, b int }

//go:noinline
func touchNull(p *unmapped) { p.b = 1 }

// FaultInTrap faults in trap context. For demonstrations and tests.
func FaultInTrap() { trap.Run(func(unsafe.Pointer) { touchNull(nil) }, nil) }

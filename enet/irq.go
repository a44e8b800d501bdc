package enet

import (
	"unsafe"

	"github.com/gasp-go/gasp/board/trap"
	"github.com/gasp-go/gasp/board/word"
)

// Interrupt is the top half. It acknowledges exactly the events it read, so
// that one which arrives in between stays, masks the MAC and has it polled.
// The acknowledgement comes before anybody looks at the rings: a frame that
// arrives after the look sets RXF again. Trap context.
func (m *MAC) Interrupt() {
	m.quick.irqs.Add(1)
	if word.Load(&m.state) != stateOpen {
		if m.powered.Load() {
			m.regs.Write32(regEIMR, 0)
		}
		return
	}
	if m.ack() == 0 {
		m.count(irqSpurious)
		return
	}
	m.schedule()
}

// ack reads the events, clears those it read, and counts and notes what they
// say. Any context that may touch the MAC.
func (m *MAC) ack() (events uint32) {
	events = m.regs.Read32(regEIR) & evOurs
	if events == 0 {
		return 0
	}
	m.regs.Write32(regEIR, events)
	if events&evTx != 0 {
		m.todo.Or(todoReclaim)
	}
	if events&evErrors != 0 {
		m.errors(events)
	}
	return events
}

// errors counts the errors among events. Frames with errors are counted where
// they are found; these are the errors that no descriptor tells of.
func (m *MAC) errors(events uint32) {
	c := m.dev.Counters()
	if events&evBABR != 0 {
		m.count(rxBabble)
	}
	if events&evBABT != 0 {
		m.count(txBabble)
		c.TxErrors.Add(1)
	}
	if events&evLC != 0 {
		m.count(txLateCollision)
		c.TxErrors.Add(1)
		c.TxWindowErrors.Add(1)
	}
	if events&evRL != 0 {
		m.count(txRetryLimit)
		c.TxErrors.Add(1)
		c.TxAbortedErrors.Add(1)
	}
	if events&evUN != 0 {
		m.count(txUnderrun)
		c.TxErrors.Add(1)
		c.TxFIFOErrors.Add(1)
	}
	if events&evEBERR != 0 {
		m.count(busErrors)
		m.todo.Or(todoRestart) // the MAC has stopped
	}
}

// schedule masks the MAC and has it polled, unless it is already. Everything
// is masked, errors too: under a flood of oversize frames they would otherwise
// interrupt for each. Trap context.
func (m *MAC) schedule() {
	if m.napi.SchedulePrep() {
		m.regs.Write32(regEIMR, 0)
		m.napi.ScheduleNow()
	}
}

func trapSchedule(p unsafe.Pointer) {
	if m := (*MAC)(p); m.state.Load() == stateOpen {
		m.schedule()
	}
}

// unmask lets interrupts in again after the poll has completed. Events that
// came meanwhile are latched in EIR and interrupt at once. Should that
// interrupt go missing, a look at the ring, after the unmasking, finds the
// frame. Network thread, holding rxBusy.
func (m *MAC) unmask() {
	if word.Load(&m.state) != stateOpen {
		return
	}
	m.regs.Write32(regEIMR, evEnabled)
	if m.rx[live].Pending() {
		m.count(pollRaces)
		trap.Run(trapSchedule, unsafe.Pointer(m))
	}
}

// PollController is part of netdev.Driver: the interrupt handler called by
// hand. Trap context.
func (m *MAC) PollController() {
	switch m.state.Load() {
	case stateOpen:
		ev := m.ack()
		m.reclaim()
		// Who waits for room is woken by the poll, and the event is taken.
		if ev&^evTx != 0 || m.dev.TxStopped() {
			m.schedule()
		}
	case stateSeized:
		m.ack()
		m.reclaim()
	}
}

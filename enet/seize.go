package enet

import (
	"github.com/gasp-go/gasp/board/dma"
	"github.com/gasp-go/gasp/enet/bd"
)

// Bounds of Seize. A drain that makes progress goes on, one frame at 10 Mb/s
// taking 1.2 ms and a collision's backoff some more; but not for ever.
const (
	drainStall = 20_000_000  // ns without a frame leaving
	drainTotal = 500_000_000 // ns altogether
	drainReads = 1 << 18     // the same in reads of TDAR, should the clock stand still
)

// Seize is part of netdev.Driver: the panic path takes the MAC, whatever state
// it and the rest of the system are in, and waits for nobody.
//
// If the MAC runs, the rings are whole and what is queued leaves in time, the MAC
// stays as it is. Otherwise (it was stopped, or in reset, being opened, closed or
// restarted, or the fault came from within StartXmit or from within the poll, which
// holds a frame of the ring; or DMA hangs) it is reset and runs on the private rings
// from then on, where what was queued is sent first. Called again it looks again, and
// takes over if frames have got stuck; these are lost.
//
// It returns ErrNoPower if the MAC never had power, and ErrReset if it does not
// work even after a reset. Trap context.
func (m *MAC) Seize() error {
	if !m.powered.Load() {
		return ErrNoPower // a register access would be a fault of its own
	}
	m.count(seizures)
	was := m.state.Swap(stateSeized)
	again := m.seizing.Swap(true) // a fault in here led back in here
	inUse := !again && (was == stateOpen || was == stateSeized) && !m.dead.Load()
	if inUse && !m.txBusy.Load() && m.running() {
		m.regs.Write32(regEIMR, 0)
		if m.drainTx() && !m.rxBusy.Load() {
			m.seizing.Store(false)
			return nil
		}
	}
	// Who seizes again sends himself what is not sent.
	save := was != stateSeized || m.unsent
	err := m.takeOver()
	if m.unsent && !save {
		m.unsent = false
		m.dropped(m.tx[live].Queued())
	}
	if m.unsent && err == nil {
		m.unsent = false // before it, should it fault
		m.resend()
	}
	m.seizing.Store(false)
	return err
}

// running reports whether the MAC is switched on and not in reset. Trap context.
func (m *MAC) running() bool {
	return m.regs.Read32(regECR)&(ecrETHEREN|ecrRESET) == ecrETHEREN
}

// resend sends what waited in the live ring when the MAC was taken over, the log's
// last lines among it: a ring in the middle of an update has whole frames up to its
// head, and one that hung has all of them. Trap context.
func (m *MAC) resend() {
	from, to := m.tx[live], m.tx[private]
	n := from.Queued()
	for i := range n {
		frame, control := from.Waiting(i)
		if len(frame) < minFrame || len(frame) > maxFrame+vlanTag || !m.roomIn(to) {
			m.dropped(1)
			continue
		}
		dma.Copy(to.Buffer(), frame)
		to.Send(len(frame), control&(bd.SumProto|bd.SumIP))
		to.Flush()
		m.doorbell()
		m.count(txResent)
	}
	m.drainTx()
}

// roomIn waits until there is room in a ring, within the bound of a drain.
func (m *MAC) roomIn(t *bd.TX) bool {
	start := m.cfg.Now()
	for range drainReads {
		if m.reclaim(); t.Free() > 0 {
			return true
		}
		if m.cfg.Now()-start >= drainStall {
			break
		}
	}
	return false
}

// drainTx waits until all queued frames have left. Trap context.
func (m *MAC) drainTx() bool {
	start := m.cfg.Now()
	last, since, reads := -1, start, 0
	for {
		queued := m.reclaim()
		if queued == 0 {
			return true
		}
		now := m.cfg.Now()
		if queued != last {
			last, since, reads = queued, now, 0
		}
		if reads++; reads > drainReads || now-since >= drainStall || now-start >= drainTotal {
			return false
		}
	}
}

// takeOver starts the MAC on the private rings, from registers' and memory's
// first bit: nothing the live system may have left half done is used. Trap
// context.
func (m *MAC) takeOver() error {
	m.count(takeovers)
	if t := m.tx[m.cur.Load()&1]; m.cur.Load() == live {
		m.reclaimed(t.Reclaim())
		m.unsent = t.Queued() > 0
	} else {
		m.dropped(t.Queued())
	}
	m.dead.Store(true) // until it runs
	m.cur.Store(private)
	m.txBusy.Store(false)
	m.rxBusy.Store(false)
	m.todo.Store(0)
	if !m.reset() {
		// It may still be possible to stop it the gentle way; whether it runs
		// afterwards is checked at the end.
		m.regs.Write32(regECR, 0)
	}
	m.program(private)
	if m.mode.Load() == 0 {
		m.lookTrap()
	}
	if !m.run() {
		return ErrReset
	}
	m.dead.Store(false)
	return nil
}

// LinkTrap looks at the link of a MAC that was seized, and has the MAC follow if it came
// back in another mode. It reports true if the PHY cannot be asked. Trap context.
func (m *MAC) LinkTrap() (up bool) {
	p := m.phy.Load()
	if p == nil || m.state.Load() != stateSeized || m.dead.Load() {
		return true
	}
	link, err := p.LinkTrap(m.cfg.Port.Gigabit)
	if err != nil || !link.Up {
		return err != nil
	}
	if mode := pack(link); mode != m.programmed.Load() {
		m.mode.Store(mode)
		return m.takeOver() == nil
	}
	return true
}

// lookTrap learns speed and duplex of a link nobody has looked at yet, as far
// as a PHY was found; without one 100 Mb/s full duplex has to do. The MAC is
// programmed and not running. Trap context.
func (m *MAC) lookTrap() {
	p := m.phy.Load()
	if p == nil {
		return
	}
	if link, err := p.LinkTrap(m.cfg.Port.Gigabit); err == nil && link.Up {
		m.mode.Store(pack(link))
		m.program(private)
	}
}

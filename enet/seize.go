package enet

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
// If the rings are whole and what is queued leaves in time, the MAC stays as it
// is. Otherwise (it was being opened, closed or restarted, or the fault came
// from within StartXmit or from within the poll, which holds a frame of the
// ring; or DMA hangs) it is reset and runs on the private rings from then on.
// Called again it looks again, and takes over if frames have got stuck.
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
	txWhole := !again && (was == stateOpen || was == stateSeized) && !m.txBusy.Load() && !m.dead.Load()
	if txWhole {
		m.regs.Write32(regEIMR, 0)
		if m.drainTx() && !m.rxBusy.Load() {
			m.seizing.Store(false)
			return nil
		}
	}
	err := m.takeOver()
	m.seizing.Store(false)
	return err
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
	lost := m.tx[m.cur.Load()&1].Queued()
	m.dead.Store(true) // until it runs
	m.cur.Store(private)
	m.txBusy.Store(false)
	m.rxBusy.Store(false)
	m.todo.Store(0)
	m.dropped(lost)
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

package macmodel

// Interrupt coalescing (IMX6ULRM, ENET chapter, "Interrupt coalescence"): RXF
// and TXF wait for a number of frames or for a time after the first.

// SystemClock is the clock of the coalescing timer, which counts 64 cycles of
// it at a time, in Hz.
const SystemClock = 132_000_000

type coalescer struct {
	frames int
	until  int64 // when the timer runs out
}

const (
	icEN  = 1 << 31
	icCLK = 1 << 30
)

// frameEvent is RXF or TXF of a frame, i being 0 or 1.
func (m *Model) frameEvent(i int) {
	reg, event := m.coalescing(i)
	c := &m.coalesced[i]
	if reg&icEN == 0 {
		m.regs[EIR/4] |= event
		return
	}
	limit, ticks := int(reg>>20&0xff), int64(reg&0xffff)
	if limit == 0 || ticks == 0 {
		m.bug("coalescing enabled with a field of 0: %#x", reg)
	}
	if reg&icCLK == 0 {
		m.bug("coalescing on the reference clock, which nobody feeds")
	}
	if c.frames++; c.frames == 1 {
		c.until = m.clock + ticks*64*1_000_000_000/SystemClock
	}
	if c.frames >= limit {
		m.regs[EIR/4] |= event
		c.frames = 0
	}
}

// expire raises what has waited long enough.
func (m *Model) expire() {
	for i := range m.coalesced {
		if c := &m.coalesced[i]; c.frames > 0 && m.clock >= c.until {
			_, event := m.coalescing(i)
			m.regs[EIR/4] |= event
			c.frames = 0
		}
	}
}

func (m *Model) coalescing(i int) (reg, event uint32) {
	if i == 0 {
		return m.regs[RXIC/4], IntRXF
	}
	return m.regs[TXIC/4], IntTXF
}

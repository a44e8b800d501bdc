package enet

import (
	"fmt"
	"unsafe"

	"github.com/gasp-go/gasp/board/trap"
	"github.com/gasp-go/gasp/stack/netdev"
)

// Interrupt coalescing of the hardware (i.MX6UL, 6SX, 7D; not 6Q). NAPI does
// without, and deferral does it in software; here the CPU is not even asked.

// Coalesce is part of netdev.Ethtool. Goroutine.
func (m *MAC) Coalesce() (c netdev.Coalesce, err error) {
	if m.cfg.Port.Coalesce == 0 {
		return c, netdev.ErrUnsupported
	}
	c.RxUsecs, c.RxFrames = m.uncoalesce(m.rxic.Load())
	c.TxUsecs, c.TxFrames = m.uncoalesce(m.txic.Load())
	return c, nil
}

// SetCoalesce is part of netdev.Ethtool. It takes effect at once. Goroutine.
func (m *MAC) SetCoalesce(c netdev.Coalesce) error {
	if m.cfg.Port.Coalesce == 0 {
		return netdev.ErrUnsupported
	}
	rx, err := m.coalesce(c.RxUsecs, c.RxFrames)
	if err != nil {
		return err
	}
	tx, err := m.coalesce(c.TxUsecs, c.TxFrames)
	if err != nil {
		return err
	}
	m.rxic.Store(rx)
	m.txic.Store(tx)
	trap.Run(trapCoalesce, unsafe.Pointer(m))
	return nil
}

func trapCoalesce(p unsafe.Pointer) {
	if m := (*MAC)(p); m.state.Load() == stateOpen && !m.dead.Load() {
		m.programCoalesce()
	}
}

// programCoalesce writes RXIC and TXIC where there are any. Trap context.
func (m *MAC) programCoalesce() {
	if m.cfg.Port.Coalesce != 0 {
		m.regs.Write32(regRXIC, m.rxic.Load())
		m.regs.Write32(regTXIC, m.txic.Load())
	}
}

// step is the unit of the coalescing timer in ps: 64 cycles of the system clock.
func (m *MAC) step() uint64 { return 64 * 1_000_000_000_000 / uint64(m.cfg.Port.Coalesce) }

// coalesce makes a register value. A field of 0 with coalescing enabled is
// forbidden.
func (m *MAC) coalesce(usecs, frames int) (uint32, error) {
	if usecs < 0 || frames < 0 || frames > icFTMax {
		return 0, fmt.Errorf("enet: coalescing: %d frames, %d us: at most %d frames", frames, usecs, icFTMax)
	}
	if usecs == 0 || frames <= 1 {
		return 0, nil
	}
	ticks := max(uint64(usecs)*1_000_000/m.step(), 1)
	if ticks > icTTMax {
		return 0, fmt.Errorf("enet: coalescing: at most %d us", icTTMax*m.step()/1_000_000)
	}
	return icEN | icCLK | uint32(frames)<<icFT | uint32(ticks), nil
}

func (m *MAC) uncoalesce(v uint32) (usecs, frames int) {
	// Rounded, so that what was set comes back.
	return int((uint64(v&icTTMax)*m.step() + 999_999) / 1_000_000), int(v >> icFT & icFTMax)
}

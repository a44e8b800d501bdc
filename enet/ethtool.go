package enet

import (
	"fmt"
	"unsafe"

	"github.com/gasp-go/gasp/board/trap"
	"github.com/gasp-go/gasp/enet/bd"
	"github.com/gasp-go/gasp/enet/mii"
	"github.com/gasp-go/gasp/stack/netdev"
)

var _ netdev.Ethtool = (*MAC)(nil)

// maxRing is the longest ring, Linux's.
const maxRing = 1024

// DriverInfo is part of netdev.Ethtool. Goroutine.
func (m *MAC) DriverInfo() netdev.DriverInfo {
	i := netdev.DriverInfo{Driver: "enet", Bus: fmt.Sprintf("%#x", m.cfg.Port.Base)}
	if p := m.phy.Load(); p != nil {
		i.PHY = fmt.Sprintf("%d: %04x:%04x", p.Addr, p.ID>>16, p.ID&0xffff)
	}
	return i
}

// LinkSettings is part of netdev.Ethtool. Goroutine.
func (m *MAC) LinkSettings() (netdev.LinkSettings, error) {
	p := m.phy.Load()
	if p == nil {
		return netdev.LinkSettings{}, mii.ErrNoPHY
	}
	auto, err := p.Autoneg()
	l := m.Link()
	return netdev.LinkSettings{Autoneg: auto, Speed: l.Speed, Full: l.Full, Up: l.Up}, err
}

// SetLinkSettings is part of netdev.Ethtool. They outlast the PHY and the
// device's closing. Goroutine.
func (m *MAC) SetLinkSettings(s netdev.LinkSettings) error {
	return m.apply(mii.Settings{
		Autoneg: s.Autoneg, Speed: s.Speed, Full: s.Full,
		Pause: m.pause.Load()&(pauseAutoneg|pauseOn) == pauseAutoneg|pauseOn,
	})
}

// apply tells the PHY, now and whenever one is found.
func (m *MAC) apply(s mii.Settings) error {
	if err := s.Check(m.cfg.Port.Gigabit); err != nil {
		return err
	}
	m.want.Store(&s)
	if p := m.phy.Load(); p != nil {
		return p.Apply(s, m.cfg.Port.Gigabit)
	}
	return nil
}

// Renegotiate is part of netdev.Ethtool. Goroutine.
func (m *MAC) Renegotiate() error {
	p := m.phy.Load()
	if p == nil {
		return mii.ErrNoPHY
	}
	return p.Renegotiate()
}

// RingParam is part of netdev.Ethtool. Goroutine.
func (m *MAC) RingParam() netdev.RingParam {
	m.rings.Lock()
	defer m.rings.Unlock()
	return netdev.RingParam{RxMax: maxRing, TxMax: maxRing, Rx: m.rx[live].Len(), Tx: m.tx[live].Len()}
}

// SetRingParam is part of netdev.Ethtool. An open MAC is stopped for it: frames
// in the rings are lost, those to be sent are counted. Longer rings than ever
// before take DMA memory that is not given back. Goroutine.
func (m *MAC) SetRingParam(rx, tx int) error {
	if rx < bd.MinRing || tx < bd.MinRing || rx > maxRing || tx > maxRing {
		return fmt.Errorf("enet: %s: rings of %d and %d descriptors: %d to %d", m.dev.Name(), rx, tx, bd.MinRing, maxRing)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stopped(func() error {
		m.rings.Lock()
		defer m.rings.Unlock()
		r, err := m.rx[live].Resized(m.cfg.DMA, m.cfg.RxBuffers, rx)
		if err != nil {
			return err
		}
		t, err := m.tx[live].Resized(m.cfg.DMA, tx)
		if err != nil {
			return err
		}
		m.rx[live], m.tx[live] = r, t
		return nil
	})
}

// stopped runs fn while nobody uses MAC and rings, and starts an open MAC again,
// whatever fn returns. The carrier stays. Holding mu.
func (m *MAC) stopped(fn func() error) error {
	if m.state.Load() == stateClosed {
		return fn()
	}
	if !m.state.CompareAndSwap(stateOpen, stateOpening) {
		return ErrSeized
	}
	m.regs.Write32(regEIMR, 0)
	m.napi.Disable()
	err := m.section(trapStop)
	if e := fn(); err == nil {
		err = e
	}
	if e := m.section(trapStart); err == nil {
		err = e
	}
	m.napi.Enable()
	m.todo.Or(todoReclaim) // who waited for room in the old ring
	if e := m.section(trapUnmask); err == nil {
		err = e
	}
	// Frames that came before the interrupt was unmasked.
	trap.Run(trapSchedule, unsafe.Pointer(m))
	return err
}

// Statistics is part of netdev.Ethtool. Goroutine.
func (m *MAC) Statistics() []netdev.Stat { return m.Stats() }

// Registers is part of netdev.Ethtool: those that Dump shows, none of which it
// disturbs to be read. Goroutine.
func (m *MAC) Registers() []netdev.Register {
	if !m.powered.Load() {
		return nil
	}
	r := make([]netdev.Register, len(dumpRegs))
	for i, d := range dumpRegs {
		r[i] = netdev.Register{Name: d.name, Offset: uint32(d.off), Value: m.regs.Read32(d.off)}
	}
	return r
}

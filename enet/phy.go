package enet

import (
	"errors"
	"time"
	"unsafe"

	"github.com/gasp-go/gasp/board/trap"
	"github.com/gasp-go/gasp/enet/mii"
)

// Link returns the link's state as last seen. Any context.
func (m *MAC) Link() mii.Link { return unpack(m.mode.Load()) }

// PHY returns the port's PHY, nil while none was found.
func (m *MAC) PHY() *mii.PHY { return m.phy.Load() }

// A link in one word, for trap context: speed above three bits. A link that is
// down keeps the mode it had. 0 means that the link was never seen.
const (
	modeUp    = 1 << 0
	modeFull  = 1 << 1
	modePause = 1 << 2
)

func pack(l mii.Link) uint32 {
	v := uint32(l.Speed) << 3
	if l.Up {
		v |= modeUp
	}
	if l.Full {
		v |= modeFull
	}
	if l.Pause {
		v |= modePause
	}
	return v
}

func unpack(v uint32) mii.Link {
	return mii.Link{Up: v&modeUp != 0, Speed: int(v >> 3), Full: v&modeFull != 0, Pause: v&modePause != 0}
}

// findPHY looks for the PHY where the board says it is, and failing that on the
// MAC's own MDIO bus: ports can share a bus on the board and have one each in
// an emulator. It does not search addresses when the board named one, since
// what it found could be the other port's. Goroutine.
func (m *MAC) findPHY() {
	addr := m.cfg.Port.PHY
	p, err := mii.Find(m.bus, addr)
	if err != nil && m.own != m.bus {
		if q, e := mii.Find(m.own, addr); e == nil {
			p, err = q, nil
		}
	}
	if err == nil {
		if want := m.want.Load(); want != nil {
			err = p.Apply(*want, m.cfg.Port.Gigabit)
		} else {
			err = p.Start()
		}
	}
	if err != nil {
		m.count(phyErrors)
		m.complain(err)
		return
	}
	was := m.phy.Swap(p)
	m.fault = ""
	if was != nil && was.Addr == p.Addr && was.ID == p.ID {
		return
	}
	m.log.Info("enet: PHY", "dev", m.dev.Name(), "addr", p.Addr, "id", p.ID)
}

// complain logs why there is no link, once for each reason.
func (m *MAC) complain(err error) {
	if s := err.Error(); s != m.fault {
		m.fault = s
		m.log.Error("enet: no link", "dev", m.dev.Name(), "err", s)
	}
}

// Tick looks after an open MAC: PHY and link, then the transmit watchdog. Open
// starts a goroutine that calls it every Config.Period. Goroutine, one at a
// time.
func (m *MAC) Tick() {
	if m.state.Load() != stateOpen {
		return
	}
	m.look()
	trap.Run(trapWatchdog, unsafe.Pointer(m))
	m.logPostmortem()
}

// look reads the link's state and follows it: carrier, and speed and duplex of
// the MAC.
func (m *MAC) look() {
	if m.phy.Load() == nil {
		m.findPHY()
	}
	p := m.phy.Load()
	if p == nil {
		m.dev.SetCarrier(false)
		return
	}
	link, err := p.Link(m.cfg.Port.Gigabit)
	if !link.Up {
		m.dev.SetCarrier(false) // before anything is logged, or the log goes nowhere
	}
	if err != nil {
		m.count(phyErrors)
		m.complain(err)
		if errors.Is(err, mii.ErrNoPHY) {
			m.phy.Store(nil) // unplugged, or lost its address: look for it again
		}
	} else {
		m.fault = ""
	}
	was := m.mode.Load()
	if !link.Up {
		m.mode.Store(was &^ modeUp)
	} else {
		m.mode.Store(pack(link))
		if pack(link) != m.programmed.Load() {
			m.request(todoRestart)
		}
	}
	if was&modeUp != m.mode.Load()&modeUp {
		m.count(linkChanges)
		m.log.Info("enet: link", "dev", m.dev.Name(), "state", link.String())
	}
	m.dev.SetCarrier(link.Up)
}

// monitor calls Tick until stop is closed.
func (m *MAC) monitor(stop <-chan struct{}, done chan<- struct{}) {
	defer close(done)
	t := time.NewTicker(m.cfg.Period)
	defer t.Stop()
	for {
		select {
		case <-stop:
			return
		case <-t.C:
			m.Tick()
		}
	}
}

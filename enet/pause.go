package enet

import (
	"github.com/gasp-go/gasp/enet/mii"
	"github.com/gasp-go/gasp/stack/netdev"
)

// Bits of MAC.pause.
const (
	pauseAutoneg = 1 << iota // use pause frames if both sides offer them
	pauseOn                  // use them; with pauseAutoneg: offer them
)

// pausing tells whether pause frames are used on a link, in both directions: the
// MAC cannot tell them apart. Half duplex has none.
func (m *MAC) pausing(link mii.Link) bool {
	if !link.Full {
		return false
	}
	if p := m.pause.Load(); p&pauseAutoneg == 0 {
		return p&pauseOn != 0
	}
	return link.Pause
}

// programPause sets up when the MAC sends pause frames. RCR.FCE has it obey
// them. Trap context, the MAC stopped.
func (m *MAC) programPause(link mii.Link) {
	if m.pausing(link) {
		m.regs.Write32(regRSEM, rsemPause)
		m.regs.Write32(regRSFL, rsflPause)
		m.regs.Write32(regRAEM, raemPause)
		m.regs.Write32(regRAFL, raflPause)
		m.regs.Write32(regOPD, opdPause)
		return
	}
	m.regs.Write32(regRSEM, 0)
	m.regs.Write32(regRSFL, 0) // a frame is whole before it leaves the FIFO
	m.regs.Write32(regRAEM, fifoAlmost)
	m.regs.Write32(regRAFL, fifoAlmost)
}

// PauseParam is part of netdev.Ethtool. Goroutine.
func (m *MAC) PauseParam() netdev.PauseParam {
	return netdev.PauseParam{Autoneg: m.pause.Load()&pauseAutoneg != 0, On: m.pausing(m.Link())}
}

// SetPauseParam is part of netdev.Ethtool: pause frames are used, or not, or with
// autoneg offered to the partner, or not. Goroutine.
func (m *MAC) SetPauseParam(autoneg, on bool) error {
	v := uint32(0)
	if autoneg {
		v |= pauseAutoneg
	}
	if on {
		v |= pauseOn
	}
	m.pause.Store(v)
	m.request(todoRestart)
	if !autoneg {
		return nil
	}
	want := mii.Settings{Autoneg: true}
	if w := m.want.Load(); w != nil {
		want = *w
	}
	want.Pause = on
	return m.apply(want)
}

package mii

import (
	"errors"
	"fmt"
)

// ErrMode is returned for a mode that cannot be.
var ErrMode = errors.New("mii: no such mode")

// Settings are what a PHY is told to do.
type Settings struct {
	Autoneg bool
	Speed   int  // Mb/s; with Autoneg the only one to offer, 0: all there are
	Full    bool // with a Speed
	Pause   bool // with Autoneg: offer pause frames
}

// Check tells whether the settings make sense for a MAC that can do 1 Gb/s or
// cannot.
func (s Settings) Check(gigabit bool) error {
	switch {
	case s.Speed == 0 && s.Autoneg, s.Speed == 10, s.Speed == 100:
		return nil
	case s.Speed == 1000 && gigabit && s.Autoneg: // 1000BASE-T does not work without
		return nil
	}
	return fmt.Errorf("%w: %d Mb/s, negotiation %v", ErrMode, s.Speed, s.Autoneg)
}

// Apply tells the PHY. It restarts the negotiation only if something changes:
// that takes the link down for seconds. Goroutine.
func (p *PHY) Apply(s Settings, gigabit bool) error {
	if err := s.Check(gigabit); err != nil {
		return err
	}
	if !s.Autoneg {
		return p.Bus.Write(p.Addr, BMCR, s.forced())
	}
	changed, err := p.update(ANAR, s.advertise())
	if err != nil {
		return err
	}
	if gigabit {
		c, err := p.update(GBCR, s.advertise1000())
		if err != nil {
			return err
		}
		changed = changed || c
	}
	if !changed {
		return p.Start()
	}
	return p.Renegotiate()
}

// Renegotiate starts the negotiation again. Goroutine.
func (p *PHY) Renegotiate() error {
	return p.Bus.Write(p.Addr, BMCR, bmcrANEnable|bmcrANRestart)
}

// Autoneg reports whether the PHY negotiates. Goroutine.
func (p *PHY) Autoneg() (bool, error) {
	c, err := p.Bus.Read(p.Addr, BMCR)
	return c&bmcrANEnable != 0, err
}

// update writes a register that is different and reports whether it was.
func (p *PHY) update(reg uint8, v uint16) (changed bool, err error) {
	old, err := p.Bus.Read(p.Addr, reg)
	if err != nil || old == v {
		return false, err
	}
	return true, p.Bus.Write(p.Addr, reg, v)
}

func (s Settings) forced() (bmcr uint16) {
	if s.Speed == 100 {
		bmcr |= bmcrSpeed100
	}
	if s.Full {
		bmcr |= bmcrFull
	}
	return bmcr
}

func (s Settings) advertise() (anar uint16) {
	switch {
	case s.Speed == 0:
		anar = abilities
	case s.Speed == 100 && s.Full:
		anar = ability100Full
	case s.Speed == 100:
		anar = ability100Half
	case s.Speed == 10 && s.Full:
		anar = ability10Full
	case s.Speed == 10:
		anar = ability10Half
	}
	if s.Pause {
		anar |= abilityPause
	}
	return anar | selector
}

func (s Settings) advertise1000() (gbcr uint16) {
	switch {
	case s.Speed == 0, s.Speed == 1000 && s.Full:
		return offer1000Full
	case s.Speed == 1000:
		return offer1000Half
	}
	return 0
}

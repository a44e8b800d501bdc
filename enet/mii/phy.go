package mii

import (
	"errors"
	"fmt"
)

// Registers of every PHY (IEEE 802.3 22.2.4).
const (
	BMCR   = 0  // basic control
	BMSR   = 1  // basic status
	PHYID1 = 2  // identifier, upper half
	PHYID2 = 3  // identifier, lower half
	ANAR   = 4  // auto-negotiation advertisement
	ANLPAR = 5  // auto-negotiation link partner ability
	GBCR   = 9  // 1000BASE-T control
	GBSR   = 10 // 1000BASE-T status
)

// Bits of BMCR.
const (
	bmcrReset     = 1 << 15
	bmcrSpeed100  = 1 << 13
	bmcrANEnable  = 1 << 12
	bmcrPowerDown = 1 << 11
	bmcrIsolate   = 1 << 10
	bmcrANRestart = 1 << 9
	bmcrFull      = 1 << 8
	bmcrSpeed1000 = 1 << 6
)

// Bits of BMSR.
const (
	bmsrExtended   = 1 << 8 // register 15 and the 1000BASE-T registers exist
	bmsrANComplete = 1 << 5
	bmsrLink       = 1 << 2 // latches low until read
)

// Abilities, the same bits in ANAR and ANLPAR.
const (
	ability10Half  = 1 << 5
	ability10Full  = 1 << 6
	ability100Half = 1 << 7
	ability100Full = 1 << 8
	abilityPause   = 1 << 10 // pause frames in both directions
	selector       = 1       // IEEE 802.3; the register's low five bits
	abilities      = 0xf << 5
)

// 1000BASE-T abilities: GBCR has what we offer, GBSR two bits higher what the
// partner offers.
const (
	offer1000Half = 1 << 8
	offer1000Full = 1 << 9
)

// ErrNoPHY is returned when no PHY answers.
var ErrNoPHY = errors.New("mii: no PHY answers")

// Link is the state of a link.
type Link struct {
	Up    bool
	Speed int  // Mb/s: 10, 100, 1000
	Full  bool // full duplex
	Pause bool // both sides offer pause frames; full duplex only
}

// String returns the state as ethtool users expect it, "100 Mb/s full".
func (l Link) String() string {
	if !l.Up {
		return "down"
	}
	d := "half"
	if l.Full {
		d = "full"
	}
	return fmt.Sprintf("%d Mb/s %s", l.Speed, d)
}

// reader is what link state is read through: a Bus, from a goroutine or from
// trap context.
type reader func(phy, reg uint8) (uint16, error)

// PHY is one PHY on a bus.
type PHY struct {
	Bus  *Bus
	Addr uint8
	ID   uint32 // PHYID1<<16 | PHYID2
}

// Find looks for a PHY by reading identifiers: at address addr only, or at all
// 32 if addr is negative. It stops at the first MDIO timeout, since a bus that
// does not work at one address does not work at any. Goroutine.
func Find(b *Bus, addr int) (*PHY, error) {
	first, last := 0, 31
	if addr >= 0 {
		first, last = addr, addr
	}
	for a := first; a <= last && a <= 31; a++ {
		id, err := readID(b, uint8(a))
		if err != nil {
			return nil, err
		}
		if id != 0 {
			return &PHY{Bus: b, Addr: uint8(a), ID: id}, nil
		}
	}
	if addr >= 0 {
		return nil, fmt.Errorf("%w at address %d", ErrNoPHY, addr)
	}
	return nil, fmt.Errorf("%w at any address", ErrNoPHY)
}

// readID returns 0 if nobody answers: an idle bus is pulled up and reads as
// ones, one without pull-up may read as zeros.
func readID(b *Bus, addr uint8) (uint32, error) {
	hi, err := b.Read(addr, PHYID1)
	if err != nil {
		return 0, err
	}
	lo, err := b.Read(addr, PHYID2)
	if err != nil {
		return 0, err
	}
	id := uint32(hi)<<16 | uint32(lo)
	if id == 0xffffffff || hi == 0xffff && lo == 0 || id == 0xffff {
		return 0, nil
	}
	return id, nil
}

// Start makes the PHY negotiate, unless it does already: starting again would
// take the link down for seconds. Goroutine.
func (p *PHY) Start() error {
	c, err := p.Bus.Read(p.Addr, BMCR)
	if err != nil {
		return err
	}
	if c&bmcrANEnable != 0 && c&(bmcrReset|bmcrPowerDown|bmcrIsolate) == 0 {
		return nil
	}
	return p.Bus.Write(p.Addr, BMCR, bmcrANEnable|bmcrANRestart)
}

// Link reads the link's state. gigabit tells whether the MAC can do 1 Gb/s.
// Goroutine.
func (p *PHY) Link(gigabit bool) (Link, error) { return readLink(p.Bus.Read, p.Addr, gigabit) }

// LinkTrap is Link for the panic path: see Bus.ReadTrap. It makes at most eight
// reads of at most Bound each. Trap context.
func (p *PHY) LinkTrap(gigabit bool) (Link, error) {
	return readLink(p.Bus.ReadTrap, p.Addr, gigabit)
}

func readLink(read reader, addr uint8, gigabit bool) (Link, error) {
	// Twice: the first read tells whether the link was lost since the last
	// time, the second how it is.
	if _, err := read(addr, BMSR); err != nil {
		return Link{}, err
	}
	st, err := read(addr, BMSR)
	if err != nil {
		return Link{}, err
	}
	if st == 0xffff { // the PHY is gone
		return Link{}, ErrNoPHY
	}
	if st&bmsrLink == 0 {
		return Link{}, nil
	}
	ctl, err := read(addr, BMCR)
	if err != nil {
		return Link{}, err
	}
	if ctl&bmcrANEnable == 0 {
		return forced(ctl), nil
	}
	if st&bmsrANComplete == 0 {
		return Link{}, nil // the link is not the one that will be agreed
	}
	ours, err := read(addr, ANAR)
	if err != nil {
		return Link{}, err
	}
	theirs, err := read(addr, ANLPAR)
	if err != nil {
		return Link{}, err
	}
	l := resolve(ours & theirs)
	if gigabit && st&bmsrExtended != 0 {
		ours, err := read(addr, GBCR)
		if err != nil {
			return Link{}, err
		}
		theirs, err := read(addr, GBSR)
		if err != nil {
			return Link{}, err
		}
		switch both := ours & (theirs >> 2); {
		case both&offer1000Full != 0:
			l.Speed, l.Full = 1000, true
		case both&offer1000Half != 0:
			l.Speed, l.Full = 1000, false
		}
	}
	l.Pause = l.Full && ours&theirs&abilityPause != 0
	return l, nil
}

func forced(ctl uint16) Link {
	l := Link{Up: true, Speed: 10, Full: ctl&bmcrFull != 0}
	switch {
	case ctl&bmcrSpeed1000 != 0:
		l.Speed = 1000
	case ctl&bmcrSpeed100 != 0:
		l.Speed = 100
	}
	return l
}

// resolve picks the best of the common abilities (IEEE 802.3 28B.3). With none,
// the partner did not negotiate and the link is 10 Mb/s half duplex.
func resolve(both uint16) Link {
	switch {
	case both&ability100Full != 0:
		return Link{Up: true, Speed: 100, Full: true}
	case both&ability100Half != 0:
		return Link{Up: true, Speed: 100}
	case both&ability10Full != 0:
		return Link{Up: true, Speed: 10, Full: true}
	}
	return Link{Up: true, Speed: 10}
}

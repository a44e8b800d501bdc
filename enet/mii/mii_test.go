package mii

import (
	"errors"
	"testing"
	"time"

	"github.com/gasp-go/gasp/board/mmio"
	"github.com/gasp-go/gasp/internal/macmodel"
)

const base = 0x02188000

func newBus(t *testing.T) (*Bus, *macmodel.Model) {
	m := macmodel.New(base, nil, 0)
	t.Cleanup(func() {
		for _, b := range m.Bugs() {
			t.Errorf("model: %s", b)
		}
	})
	return NewBus(mmio.Through(m, base), 66_000_000, m.Now, func(d time.Duration) { m.Advance(int64(d)) }), m
}

func TestFramesAreClause22(t *testing.T) {
	if f := readFrame(2, 1); f != 0b01_10_00010_00001_10<<16 {
		t.Errorf("read: %#032b", f)
	}
	if f := writeFrame(31, 4, 0x01e1); f != 0b01_01_11111_00100_10<<16|0x01e1 {
		t.Errorf("write: %#032b", f)
	}
	for phy := range uint8(32) {
		for reg := range uint8(32) {
			if w, p, r, v := Fields(writeFrame(phy, reg, 0xbeef)); !w || p != phy || r != reg || v != 0xbeef {
				t.Fatalf("%d.%d comes back as %d.%d %v %#x", phy, reg, p, r, w, v)
			}
			if w, _, _, _ := Fields(readFrame(phy, reg)); w {
				t.Fatal("a read is a write")
			}
		}
	}
}

func TestMDCNeverExceeds2500kHzAndIsNotTooSlow(t *testing.T) {
	for _, clock := range []uint32{1_000_000, 5_000_000, 25_000_000, 50_000_000, 66_000_000, 66_666_667, 125_000_000, 200_000_000, 320_000_000} {
		s := Speed(clock)
		div := 2 * (s>>1&0x3f + 1)
		if s>>1&0x3f == 0 {
			t.Errorf("%d Hz: MDC stands still", clock)
		}
		if clock/div > 2_500_000 || clock >= 10_000_000 && clock/div < 2_000_000 {
			t.Errorf("%d Hz: MDC at %d Hz", clock, clock/div)
		}
		if hold := (s>>8&7 + 1) * 1_000_000_000 / (clock / 1000) / 1000; hold < 9 {
			t.Errorf("%d Hz: %d ns of hold time", clock, hold)
		}
	}
}

func TestRegistersAreReadAndWritten(t *testing.T) {
	b, m := newBus(t)
	if v, err := b.Read(2, PHYID2); v != 0xc0d1 || err != nil {
		t.Errorf("%#x %v", v, err)
	}
	if err := b.Write(2, ANAR, 0x0061); err != nil {
		t.Fatal(err)
	}
	if v, err := b.Read(2, ANAR); v != 0x0061 || err != nil {
		t.Errorf("%#x %v", v, err)
	}
	m.SetFaults(func(f *macmodel.Faults) { f.MDIODelay = 20 })
	if v, err := b.Read(2, PHYID1); v != 0x0007 || err != nil {
		t.Errorf("slow: %#x %v", v, err)
	}
}

func TestBusWorksAfterTheMACThatDrivesItWasReset(t *testing.T) {
	b, m := newBus(t)
	b.Read(2, BMSR)
	m.Write32(base+macmodel.ECR, 1)
	if v, err := b.Read(2, PHYID2); v != 0xc0d1 || err != nil {
		t.Errorf("%#x %v", v, err)
	}
	// And if its MDC was stopped with an old frame still in the register.
	m.Write32(base+macmodel.MSCR, 0)
	m.SetFaults(func(f *macmodel.Faults) { f.MDIODelay = 5 })
	if v, err := b.Read(2, PHYID1); v != 0x0007 || err != nil {
		t.Errorf("%#x %v", v, err)
	}
}

func TestOnlyMIIIsEverAcknowledged(t *testing.T) {
	b, m := newBus(t)
	const others = macmodel.IntRXF | macmodel.IntTXF | macmodel.IntEBERR
	m.Raise(others)
	b.Read(2, BMSR)
	b.Write(2, ANAR, 1)
	if eir := m.Reg(macmodel.EIR); eir != others {
		t.Errorf("EIR %#x", eir)
	}
}

func TestHungBusTimesOutWithinItsBound(t *testing.T) {
	for _, c := range []struct {
		name   string
		read   func(b *Bus) error
		frozen bool
	}{
		{"goroutine", func(b *Bus) error { _, err := b.Read(2, BMSR); return err }, false},
		{"write", func(b *Bus) error { return b.Write(2, BMCR, 0) }, false},
		{"trap", func(b *Bus) error { _, err := b.ReadTrap(2, BMSR); return err }, false},
		{"goroutine, clock stands still", func(b *Bus) error { _, err := b.Read(2, BMSR); return err }, true},
		{"trap, clock stands still", func(b *Bus) error { _, err := b.ReadTrap(2, BMSR); return err }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, m := newBus(t)
			m.SetFaults(func(f *macmodel.Faults) { f.MDIOHang = true })
			if c.frozen {
				b.now = func() int64 { return 7 }
			}
			start := m.Now()
			if err := c.read(b); !errors.Is(err, ErrTimeout) {
				t.Fatalf("%v", err)
			}
			if d := time.Duration(m.Now() - start); !c.frozen && (d < Bound || d > Bound+5*time.Millisecond) {
				t.Errorf("took %v", d)
			}
			if b.Timeouts() != 1 {
				t.Errorf("%d timeouts counted", b.Timeouts())
			}
			m.SetFaults(func(f *macmodel.Faults) { f.MDIOHang = false })
			if err := c.read(b); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

func TestPHYsAreFoundByTheirIdentifiers(t *testing.T) {
	b, m := newBus(t)
	m.SetPHY(1, &macmodel.PHY{}) // floats low
	m.SetPHY(7, macmodel.NewPHY())
	if p, err := Find(b, -1); err != nil || p.Addr != 2 || p.ID != 0x0007c0d1 {
		t.Errorf("scan: %+v %v", p, err)
	}
	if p, err := Find(b, 7); err != nil || p.Addr != 7 {
		t.Errorf("at 7: %+v %v", p, err)
	}
	for _, addr := range []int{0, 1, 31, 40} {
		if _, err := Find(b, addr); !errors.Is(err, ErrNoPHY) {
			t.Errorf("at %d: %v", addr, err)
		}
	}
	m.SetPHY(2, nil)
	m.SetPHY(7, nil)
	if _, err := Find(b, -1); !errors.Is(err, ErrNoPHY) {
		t.Errorf("empty bus: %v", err)
	}
	m.SetFaults(func(f *macmodel.Faults) { f.MDIOHang = true })
	start := m.Now()
	if _, err := Find(b, -1); !errors.Is(err, ErrTimeout) {
		t.Errorf("hung bus: %v", err)
	}
	if d := time.Duration(m.Now() - start); d > 2*Bound {
		t.Errorf("scanning a hung bus took %v", d)
	}
}

func TestNegotiationIsStartedOnlyIfThePHYDoesNotNegotiate(t *testing.T) {
	for _, c := range []struct {
		bmcr  uint16
		wrote bool
	}{{0x3100, false}, {0x1000, false}, {0x2100, true}, {0x3900, true}, {0x3500, true}} {
		b, m := newBus(t)
		m.SetPHYReg(2, BMCR, c.bmcr)
		p, err := Find(b, 2)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		if v, _ := b.Read(2, BMCR); (v == bmcrANEnable|bmcrANRestart) != c.wrote {
			t.Errorf("BMCR %#x became %#x", c.bmcr, v)
		}
	}
}

func TestLinkIsWhatBothSidesCanDo(t *testing.T) {
	for _, c := range []struct {
		name                     string
		bmcr, bmsr, ours, theirs uint16
		gbcr, gbsr               uint16
		gigabit                  bool
		want                     string
	}{
		{"100 full", 0x3100, 0x782d, 0x01e1, 0x45e1, 0, 0, false, "100 Mb/s full"},
		{"QEMU's PHY", 0x3000, 0x782d, 0x01e1, 0x0f71, 0, 0, false, "100 Mb/s full"},
		{"100 half", 0x3100, 0x782d, 0x01e1, 0x00a1, 0, 0, false, "100 Mb/s half"},
		{"10 full", 0x3100, 0x782d, 0x0061, 0x01e1, 0, 0, false, "10 Mb/s full"},
		{"10 half", 0x3100, 0x782d, 0x01e1, 0x0021, 0, 0, false, "10 Mb/s half"},
		{"nothing in common", 0x3100, 0x782d, 0x0101, 0x0021, 0, 0, false, "10 Mb/s half"},
		{"no link", 0x3100, 0x7809, 0x01e1, 0x45e1, 0, 0, false, "down"},
		{"still negotiating", 0x3100, 0x780d, 0x01e1, 0x45e1, 0, 0, false, "down"},
		{"forced 100 full", 0x2100, 0x780d, 0x01e1, 0, 0, 0, false, "100 Mb/s full"},
		{"forced 10 half", 0x0000, 0x780d, 0x01e1, 0, 0, 0, false, "10 Mb/s half"},
		{"gigabit", 0x3100, 0x792d, 0x01e1, 0x45e1, 0x0200, 0x0800, true, "1000 Mb/s full"},
		{"gigabit half", 0x3100, 0x792d, 0x01e1, 0x45e1, 0x0100, 0x0400, true, "1000 Mb/s half"},
		{"partner without gigabit", 0x3100, 0x792d, 0x01e1, 0x45e1, 0x0200, 0, true, "100 Mb/s full"},
		{"MAC without gigabit", 0x3100, 0x792d, 0x01e1, 0x45e1, 0x0200, 0x0800, false, "100 Mb/s full"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, m := newBus(t)
			for reg, v := range map[int]uint16{BMCR: c.bmcr, BMSR: c.bmsr, ANAR: c.ours, ANLPAR: c.theirs, GBCR: c.gbcr, GBSR: c.gbsr} {
				m.SetPHYReg(2, reg, v)
			}
			p, err := Find(b, 2)
			if err != nil {
				t.Fatal(err)
			}
			if l, err := p.Link(c.gigabit); err != nil || l.String() != c.want {
				t.Errorf("%v %v", l, err)
			}
			if l, err := p.LinkTrap(c.gigabit); err != nil || l.String() != c.want {
				t.Errorf("trap: %v %v", l, err)
			}
		})
	}
}

func TestPHYThatIsGoneIsAnError(t *testing.T) {
	b, m := newBus(t)
	p, err := Find(b, 2)
	if err != nil {
		t.Fatal(err)
	}
	m.SetPHY(2, nil)
	if _, err := p.Link(false); !errors.Is(err, ErrNoPHY) {
		t.Errorf("%v", err)
	}
	m.SetFaults(func(f *macmodel.Faults) { f.MDIOHang = true })
	if _, err := p.Link(false); !errors.Is(err, ErrTimeout) {
		t.Errorf("%v", err)
	}
}

func TestLinkTrapDoesNotAllocate(t *testing.T) {
	b, _ := newBus(t)
	p, err := Find(b, 2)
	if err != nil {
		t.Fatal(err)
	}
	if a := testing.AllocsPerRun(100, func() { p.LinkTrap(true) }); a != 0 {
		t.Errorf("%v allocations", a)
	}
}

package enet

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gasp-go/gasp/board/mmio"
	"github.com/gasp-go/gasp/enet/mii"
	"github.com/gasp-go/gasp/internal/macmodel"
	"github.com/gasp-go/gasp/stack/netdev"
)

var _ netdev.Driver = (*MAC)(nil)

func TestOpenMACSendsAndReceives(t *testing.T) {
	b := openBench(t)
	if !b.mac.dev.Carrier() || b.mac.Link().String() != "100 Mb/s full" {
		t.Errorf("carrier %v, link %v", b.mac.dev.Carrier(), b.mac.Link())
	}
	b.wantAlive()
	if m := b.model.StationAddress(); m != ourMAC {
		t.Errorf("station address %x", m)
	}
}

func TestMDCIsAtMost2500kHz(t *testing.T) {
	b := openBench(t)
	if div := b.model.Reg(macmodel.MSCR)>>1&0x3f + 1; 66_000_000/(2*div) > 2_500_000 {
		t.Errorf("MDC runs at %d Hz", 66_000_000/(2*div))
	}
}

func TestStationAddressComesFromConfigThenPortThenChance(t *testing.T) {
	b := newBench(t, func(c *Config) { c.MAC = otherMAC })
	if b.mac.dev.MAC() != otherMAC {
		t.Errorf("Config: %x", b.mac.dev.MAC())
	}
	b = newBench(t, func(c *Config) { c.Port.MAC = nil })
	if a := b.mac.dev.MAC(); a == [6]byte{} || a[0]&3 != 2 {
		t.Errorf("random address %x is not unicast and local", a)
	}
}

func TestOpenUsesTheDevicesNewAddress(t *testing.T) {
	b := newBench(t)
	if err := b.mac.dev.SetMAC(otherMAC); err != nil {
		t.Fatal(err)
	}
	if err := b.mac.dev.Open(); err != nil {
		t.Fatal(err)
	}
	if m := b.model.StationAddress(); m != otherMAC {
		t.Errorf("station address %x", m)
	}
}

func TestConfigIsChecked(t *testing.T) {
	if _, err := New(Config{}); err == nil {
		t.Error("an empty Config was accepted")
	}
	b := newBench(t)
	for _, size := range []int{1, -5, 1 << 20} {
		cfg := b.mac.cfg
		cfg.RxRing = size
		if _, err := New(cfg); err == nil {
			t.Errorf("a ring of %d was accepted", size)
		}
	}
}

func TestRingsHaveAtLeast128DescriptorsByDefault(t *testing.T) {
	b := newBench(t)
	if rx, tx := b.stat("rx_ring_size"), b.stat("tx_ring_size"); rx < 128 || tx < 128 {
		t.Errorf("rx %d, tx %d", rx, tx)
	}
	b = openBench(t, rings(37, 5))
	b.wantStat("rx_ring_size", 37)
	b.wantStat("tx_ring_size", 5)
	b.wantAlive()
}

func TestSlowResetIsWaitedFor(t *testing.T) {
	b := newBench(t)
	b.model.SetFaults(func(f *macmodel.Faults) { f.ResetReads = 50 })
	if err := b.mac.dev.Open(); err != nil {
		t.Fatal(err)
	}
	b.wantAlive()
}

func TestOpenFailsIfTheResetNeverCompletes(t *testing.T) {
	b := newBench(t)
	b.model.SetFaults(func(f *macmodel.Faults) { f.ResetNever = true })
	start := b.model.Now()
	if err := b.mac.dev.Open(); !errors.Is(err, ErrReset) {
		t.Fatalf("Open: %v", err)
	}
	if d := b.model.Now() - start; d > 2*resetTime {
		t.Errorf("Open took %d ns", d)
	}
	if st := b.xmit(frame(otherMAC, 60, 0)); st != netdev.TxDropped {
		t.Errorf("transmit status %d", st)
	}
	b.model.SetFaults(func(f *macmodel.Faults) { f.ResetNever = false })
	if err := b.mac.dev.Open(); err != nil {
		t.Fatalf("second Open: %v", err)
	}
	b.wantAlive()
}

func TestResetIsBoundedEvenIfTheClockStandsStill(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Now = func() int64 { return 42 } })
	b.model.SetFaults(func(f *macmodel.Faults) { f.ResetNever = true })
	if err := b.mac.dev.Open(); !errors.Is(err, ErrReset) {
		t.Fatalf("Open: %v", err)
	}
}

func TestOpenReportsThatThereIsNoPower(t *testing.T) {
	boom := errors.New("no clock")
	b := newBench(t, func(c *Config) { c.Port.PowerUp = func() error { return boom } })
	b.model.SetFaults(func(f *macmodel.Faults) { f.Unpowered = true }) // any access panics
	if err := b.mac.dev.Open(); !errors.Is(err, boom) {
		t.Fatalf("Open: %v", err)
	}
}

func TestPowerComesBeforeTheFirstAccessAndOnce(t *testing.T) {
	n := 0
	var b *bench
	b = newBench(t, func(c *Config) {
		c.Port.PowerUp = func() error {
			n++
			b.model.SetFaults(func(f *macmodel.Faults) { f.Unpowered = false })
			return nil
		}
	})
	b.model.SetFaults(func(f *macmodel.Faults) { f.Unpowered = true })
	for range 2 {
		if err := b.mac.dev.Open(); err != nil {
			t.Fatal(err)
		}
		if err := b.mac.dev.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	if n != 1 {
		t.Errorf("powered up %d times", n)
	}
}

func TestStopDropsAndCountsWhatWasQueuedAndOpenStartsAfresh(t *testing.T) {
	b := openBench(t)
	b.model.SetFaults(func(f *macmodel.Faults) { f.TxManual = true })
	for i := range 5 {
		b.xmit(frame(otherMAC, 60, i))
	}
	b.model.Deliver(frame(ourMAC, 60, 0))
	b.step()
	if err := b.mac.dev.Stop(); err != nil {
		t.Fatal(err)
	}
	b.wantStat("tx_lost", 5)
	if n := b.mac.dev.Stats().TxDropped; n != 5 {
		t.Errorf("tx_dropped %d", n)
	}
	if b.model.Deliver(frame(ourMAC, 60, 1)) || b.irqOn || b.model.IRQ() {
		t.Error("the MAC still receives or interrupts")
	}
	if st := b.xmit(frame(otherMAC, 60, 9)); st != netdev.TxDropped {
		t.Errorf("transmit status %d on a closed MAC", st)
	}
	b.wantStat("tx_not_open", 1)
	b.model.SetFaults(func(f *macmodel.Faults) { f.TxManual = false })
	if err := b.mac.dev.Open(); err != nil {
		t.Fatal(err)
	}
	b.wantAlive()
}

func TestStopEndsTheMonitor(t *testing.T) {
	b := openBench(t, func(c *Config) { c.Period = time.Millisecond })
	for b.stat("phy_errors") == 0 { // it runs
		b.model.SetPHY(2, nil)
		time.Sleep(time.Millisecond)
	}
	if err := b.mac.dev.Stop(); err != nil {
		t.Fatal(err)
	}
	n := b.model.Accesses()
	time.Sleep(10 * time.Millisecond)
	if b.model.Accesses() != n {
		t.Error("registers are touched after Stop")
	}
}

func TestOpenWithoutPHYSucceedsAndTheLinkComesWithThePHY(t *testing.T) {
	b := newBench(t)
	b.model.SetPHY(2, nil)
	if err := b.mac.dev.Open(); err != nil {
		t.Fatal(err)
	}
	if b.mac.dev.Carrier() || b.mac.Link().Up {
		t.Error("there is a link without a PHY")
	}
	for range 10 {
		b.mac.Tick()
	}
	if n := strings.Count(b.log.String(), "no PHY answers"); n != 1 {
		t.Errorf("the missing PHY was logged %d times:\n%s", n, b.log.String())
	}
	b.model.SetPHY(2, macmodel.NewPHY())
	b.mac.Tick()
	if !b.mac.dev.Carrier() {
		t.Error("no carrier with a PHY")
	}
	b.wantAlive()
}

func TestPHYIsFoundByScanningAndOnEitherBus(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Port.PHY = -1 })
	b.model.SetPHY(2, nil)
	b.model.SetPHY(29, macmodel.NewPHY())
	if err := b.mac.dev.Open(); err != nil {
		t.Fatal(err)
	}
	if p := b.mac.PHY(); p == nil || p.Addr != 29 || p.ID != 0x0007c0d1 {
		t.Errorf("PHY %+v", p)
	}
	// The board says that the PHY is on another MAC's bus, but it is on ours.
	other := macmodel.New(0x020b4000, nil, 0)
	other.SetPHY(2, nil)
	b = openBench(t, func(c *Config) { c.MDIO = mmio.Through(other, 0x020b4000) })
	if p := b.mac.PHY(); p == nil || p.Bus != b.mac.own {
		t.Errorf("PHY %+v", p)
	}
}

func TestHungMDIODelaysOpenOnlyBriefly(t *testing.T) {
	b := newBench(t)
	b.model.SetFaults(func(f *macmodel.Faults) { f.MDIOHang = true })
	start := b.model.Now()
	if err := b.mac.dev.Open(); err != nil {
		t.Fatal(err)
	}
	if d := time.Duration(b.model.Now() - start); d > 5*mii.Bound {
		t.Errorf("Open took %v", d)
	}
	if b.mac.dev.Carrier() || !strings.Contains(b.log.String(), "MDIO does not complete") {
		t.Errorf("carrier %v; log: %s", b.mac.dev.Carrier(), b.log.String())
	}
	b.wantAlive() // the MAC itself works
	b.model.SetFaults(func(f *macmodel.Faults) { f.MDIOHang = false })
	b.mac.Tick()
	if !b.mac.dev.Carrier() {
		t.Error("no carrier once MDIO works")
	}
}

func TestMACFollowsSpeedAndDuplexOfTheLink(t *testing.T) {
	b := openBench(t)
	for _, c := range []struct {
		partner uint16
		link    string
		rcr     uint32
		tcr     uint32
	}{
		{0x0021, "10 Mb/s half", rcrRMII10T | rcrDRT, 0},
		{0x0041, "10 Mb/s full", rcrRMII10T, tcrFDEN},
		{0x0081, "100 Mb/s half", rcrDRT, 0},
		{0x0101, "100 Mb/s full", 0, tcrFDEN},
	} {
		b.model.SetPHYReg(2, mii.ANLPAR, c.partner)
		b.mac.Tick()
		b.step()
		if l := b.mac.Link().String(); l != c.link {
			t.Errorf("link %s, want %s", l, c.link)
		}
		rcr, tcr := b.model.Reg(macmodel.RCR), b.model.Reg(macmodel.TCR)
		if rcr&(rcrRMII10T|rcrDRT) != c.rcr || tcr&tcrFDEN != c.tcr {
			t.Errorf("%s: RCR %#x, TCR %#x", c.link, rcr, tcr)
		}
		b.wantAlive()
	}
	n := b.model.Resets()
	b.model.SetPHYReg(2, mii.BMSR, 0x7809) // link lost
	b.mac.Tick()
	if b.mac.dev.Carrier() {
		t.Error("carrier without a link")
	}
	b.model.SetPHYReg(2, mii.BMSR, 0x782d)
	b.mac.Tick()
	b.step()
	if !b.mac.dev.Carrier() || b.model.Resets() != n {
		t.Errorf("carrier %v; a link that comes back the same reset the MAC %d times", b.mac.dev.Carrier(), b.model.Resets()-n)
	}
}

func TestUnpluggedPHYTakesTheCarrierAway(t *testing.T) {
	b := openBench(t)
	b.model.SetPHY(2, nil)
	b.mac.Tick()
	if b.mac.dev.Carrier() {
		t.Error("carrier without a PHY")
	}
	b.model.SetPHY(2, macmodel.NewPHY())
	b.mac.Tick()
	b.mac.Tick()
	if !b.mac.dev.Carrier() {
		t.Error("no carrier after the PHY came back")
	}
}

func TestDumpShowsRegistersAndRingsWithoutAllocating(t *testing.T) {
	b := openBench(t)
	b.model.SetFaults(func(f *macmodel.Faults) { f.TxManual = true })
	b.xmit(frame(otherMAC, 77, 0))
	var seen bytes.Buffer
	status := uint32(0)
	inTrap(func() {
		b.mac.Dump(func(n string, v uint32) {
			seen.WriteString(n + " ")
			if n == "tx_status" && status == 0 {
				status = v
			}
		})
	})
	if status != 0x8c00<<16|77 || !strings.Contains(seen.String(), "ECR ") {
		t.Errorf("status %#x in %s", status, seen.String())
	}
	n := 0
	if a := testing.AllocsPerRun(100, func() { b.mac.Dump(func(string, uint32) { n++ }) }); a != 0 {
		t.Errorf("%v allocations", a)
	}
	b = newBench(t)
	b.model.SetFaults(func(f *macmodel.Faults) { f.Unpowered = true })
	b.mac.Dump(func(string, uint32) {}) // must not touch a register
}

package enet

import (
	"bytes"
	"errors"
	"testing"

	"github.com/gasp-go/gasp/enet/mii"
	"github.com/gasp-go/gasp/internal/macmodel"
	"github.com/gasp-go/gasp/stack/netdev"
)

func coalescing(c *Config) { c.Port.Coalesce = macmodel.SystemClock }

func TestDriverInfoTellsDriverPlaceAndPHY(t *testing.T) {
	b := openBench(t)
	want := netdev.DriverInfo{Driver: "enet", Bus: "0x0", PHY: "2: 0007:c0d1"}
	if i := b.mac.DriverInfo(); i != want {
		t.Errorf("%+v", i)
	}
	r := b.mac.dev.Ethtool()
	if r == nil || len(r.Features) != 2 || r.Ring.Rx != defaultRing || r.Coalesce != nil || !r.Link.Up || r.Link.Speed != 100 {
		t.Errorf("%+v", r)
	}
}

func TestRingsChangeTheirSizeUnderTheDevice(t *testing.T) {
	b := openBench(t, rings(8, 8))
	events := 0
	b.mac.dev.OnCarrier(func(bool) { events++ })
	for _, c := range []netdev.RingParam{{Rx: 2, Tx: 2}, {Rx: 4, Tx: 7}, {Rx: 16, Tx: 32}, {Rx: 8, Tx: 8}} {
		b.model.SetFaults(func(f *macmodel.Faults) { f.TxManual = true })
		lost := b.stat("tx_lost")
		b.xmit(frame(otherMAC, 60, 1)) // never sent
		b.model.Deliver(frame(ourMAC, 60, 1))
		b.model.SetFaults(func(f *macmodel.Faults) { f.TxManual = false })
		if err := b.mac.SetRingParam(c.Rx, c.Tx); err != nil {
			t.Fatal(err)
		}
		if got := b.mac.RingParam(); got.Rx != c.Rx || got.Tx != c.Tx || got.RxMax < c.Rx {
			t.Errorf("%+v, want %+v", got, c)
		}
		b.wantStat("tx_lost", lost+1)
		b.wantAlive()
		n := 0
		for b.model.Deliver(frame(ourMAC, 60, n)) {
			n++
		}
		if n != c.Rx {
			t.Errorf("a ring of %d took %d frames", c.Rx, n)
		}
		b.step()
	}
	if events != 0 {
		t.Error("the carrier went away")
	}
	if err := b.mac.dev.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := b.mac.SetRingParam(5, 6); err != nil {
		t.Error(err)
	}
	if err := b.mac.dev.Open(); err != nil {
		t.Fatal(err)
	}
	b.wantStat("rx_ring_size", 5)
	b.wantAlive()
}

func TestRingsThatCannotBeAreRefusedAndTheOldOnesGoOn(t *testing.T) {
	b := openBench(t, rings(8, 8))
	for _, c := range []netdev.RingParam{{Rx: 1, Tx: 8}, {Rx: 8, Tx: 0}, {Rx: -1, Tx: 8}, {Rx: 1025, Tx: 8},
		{Rx: 1024, Tx: 8}, // more than there is memory
	} {
		if b.mac.SetRingParam(c.Rx, c.Tx) == nil {
			t.Errorf("%+v was accepted", c)
		}
		b.wantStat("rx_ring_size", 8)
		b.wantAlive()
	}
}

func TestPauseFramesAreUsedIfBothSidesOfferThem(t *testing.T) {
	b := openBench(t)
	using := func() bool {
		b.mac.Tick()
		b.step()
		fce, rsem := b.model.Reg(macmodel.RCR)&(1<<5) != 0, b.model.Reg(0x194) != 0
		if fce != rsem || fce != b.mac.PauseParam().On {
			t.Errorf("obeys %v, sends %v, says %v", fce, rsem, b.mac.PauseParam().On)
		}
		return fce
	}
	if using() {
		t.Error("used although we do not offer them")
	}
	b.model.SetPHYReg(2, mii.ANLPAR, 0x45e1&^(1<<10))
	writes := b.model.PHYReg(2, mii.ANAR)
	if err := b.mac.SetPauseParam(true, true); err != nil {
		t.Fatal(err)
	}
	if a := b.model.PHYReg(2, mii.ANAR); a != writes|1<<10 || b.model.PHYReg(2, mii.BMCR) != 0x1200 {
		t.Errorf("ANAR %#x, BMCR %#x", a, b.model.PHYReg(2, mii.BMCR))
	}
	if using() {
		t.Error("used although the partner does not offer them")
	}
	b.model.SetPHYReg(2, mii.ANLPAR, 0x45e1|1<<10)
	if !using() {
		t.Error("not used although both offer them")
	}
	b.wantAlive()
	b.model.SetPHYReg(2, mii.ANLPAR, 0x0081|1<<10) // half duplex
	if using() {
		t.Error("used in half duplex")
	}
	b.model.SetPHYReg(2, mii.ANLPAR, 0x41e1)
	if b.mac.SetPauseParam(false, true); !using() {
		t.Error("not used although told to")
	}
	if b.mac.SetPauseParam(false, false); using() {
		t.Error("used although told not to")
	}
	b.wantAlive()
}

func TestLinkSettingsReachPHYAndMAC(t *testing.T) {
	b := openBench(t)
	for _, c := range []struct {
		set              netdev.LinkSettings
		bmcr, anar       uint16
		rmii10, fullSeen bool
	}{
		{netdev.LinkSettings{Speed: 10}, 0x0000, 0, true, false},
		{netdev.LinkSettings{Speed: 10, Full: true}, 0x0100, 0, true, true},
		{netdev.LinkSettings{Speed: 100}, 0x2000, 0, false, false},
		{netdev.LinkSettings{Speed: 100, Full: true}, 0x2100, 0, false, true},
		{netdev.LinkSettings{Autoneg: true, Speed: 10}, 0x1200, 0x0021, true, false},
		{netdev.LinkSettings{Autoneg: true, Speed: 100}, 0x1200, 0x0081, false, false},
		{netdev.LinkSettings{Autoneg: true}, 0x1200, 0x01e1, false, true},
	} {
		if err := b.mac.SetLinkSettings(c.set); err != nil {
			t.Fatal(err)
		}
		if v := b.model.PHYReg(2, mii.BMCR); v != c.bmcr {
			t.Errorf("%+v: BMCR %#x", c.set, v)
		}
		if v := b.model.PHYReg(2, mii.ANAR); c.set.Autoneg && v != c.anar {
			t.Errorf("%+v: ANAR %#x", c.set, v)
		}
		b.mac.Tick()
		b.step()
		rcr, tcr := b.model.Reg(macmodel.RCR), b.model.Reg(macmodel.TCR)
		if (rcr&rcrRMII10T != 0) != c.rmii10 || (tcr&tcrFDEN != 0) != c.fullSeen || (rcr&rcrDRT != 0) == c.fullSeen {
			t.Errorf("%+v: RCR %#x TCR %#x", c.set, rcr, tcr)
		}
		l, err := b.mac.LinkSettings()
		if err != nil || !l.Up || l.Autoneg != c.set.Autoneg || l.Full != c.fullSeen || (l.Speed == 10) != c.rmii10 {
			t.Errorf("%+v: reads back as %+v %v", c.set, l, err)
		}
		b.wantAlive()
	}
	for _, s := range []netdev.LinkSettings{{}, {Speed: 11}, {Speed: 1000, Full: true, Autoneg: true}, {Autoneg: true, Speed: 25}} {
		if err := b.mac.SetLinkSettings(s); !errors.Is(err, mii.ErrMode) {
			t.Errorf("%+v: %v", s, err)
		}
	}
}

func TestLinkSettingsOutlastThePHY(t *testing.T) {
	b := openBench(t)
	b.mac.SetLinkSettings(netdev.LinkSettings{Speed: 10})
	b.model.SetPHY(2, nil)
	b.mac.Tick()
	if _, err := b.mac.LinkSettings(); err == nil || b.mac.Renegotiate() == nil || b.mac.dev.Carrier() {
		t.Error("a PHY that is gone answers")
	}
	b.model.SetPHY(2, macmodel.NewPHY())
	b.mac.Tick()
	if v := b.model.PHYReg(2, mii.BMCR); v != 0 {
		t.Errorf("the new PHY's BMCR is %#x", v)
	}
	if b.mac.Renegotiate() != nil || b.model.PHYReg(2, mii.BMCR) != 0x1200 {
		t.Error("not negotiating")
	}
}

func TestCoalescingSavesInterruptsAndDelaysNoLongerThanAsked(t *testing.T) {
	b := openBench(t, coalescing)
	if c, err := b.mac.Coalesce(); err != nil || c != (netdev.Coalesce{}) {
		t.Errorf("at first %+v %v", c, err)
	}
	want := netdev.Coalesce{RxUsecs: 500, RxFrames: 8, TxUsecs: 1000, TxFrames: 200}
	if err := b.mac.SetCoalesce(want); err != nil {
		t.Fatal(err)
	}
	if c, _ := b.mac.Coalesce(); c != want {
		t.Errorf("%+v, want %+v", c, want)
	}
	for range 2 { // and again after a restart
		irqs := 0
		for i := range 64 {
			b.model.Deliver(frame(ourMAC, 60, i))
			irqs += b.step()
		}
		if irqs != 8 || len(b.got) != 64 {
			t.Errorf("%d interrupts, %d frames", irqs, len(b.got))
		}
		b.got = nil
		b.model.Deliver(frame(ourMAC, 60, 1))
		b.model.Advance(400_000)
		if b.step() != 0 {
			t.Error("an interrupt before its time")
		}
		b.model.Advance(110_000)
		if b.step() != 1 || len(b.got) != 1 {
			t.Error("no interrupt after its time")
		}
		b.mac.request(todoRestart)
		b.step()
		b.got = nil
	}
	b.mac.SetCoalesce(netdev.Coalesce{})
	b.wantAlive()
}

func TestCoalescingThatCannotBeIsRefused(t *testing.T) {
	b := openBench(t, coalescing)
	for _, c := range []netdev.Coalesce{{RxUsecs: -1}, {RxFrames: -1}, {RxFrames: 256, RxUsecs: 1}, {TxFrames: 256}, {RxFrames: 2, RxUsecs: 32000}, {TxFrames: 2, TxUsecs: 1 << 30}} {
		if b.mac.SetCoalesce(c) == nil {
			t.Errorf("%+v was accepted", c)
		}
	}
	for _, c := range []netdev.Coalesce{{RxUsecs: 100}, {RxFrames: 100}, {RxFrames: 1, RxUsecs: 100}} { // no waiting
		if err := b.mac.SetCoalesce(c); err != nil || b.model.Reg(macmodel.RXIC) != 0 {
			t.Errorf("%+v: %v, RXIC %#x", c, err, b.model.Reg(macmodel.RXIC))
		}
	}
	b = openBench(t) // i.MX6Q
	if err := b.mac.SetCoalesce(netdev.Coalesce{}); !errors.Is(err, netdev.ErrUnsupported) {
		t.Errorf("%v", err)
	}
}

func TestMACsCountersBecome64BitsAndOutlastAReset(t *testing.T) {
	b := openBench(t)
	b.model.SetReg(macmodel.MIBRxOctets, 0xffffff00)
	b.mac.Tick()
	base := b.stat("rx_octets")
	for i := range 10 {
		b.model.Deliver(frame(ourMAC, 60, i))
		b.step()
		b.xmit(frame(otherMAC, 60, i))
	}
	b.wantStat("rx_octets", base+640) // past 32 bits
	b.wantStat("rx_packets", 10)
	b.wantStat("tx_packets", 10)
	b.wantStat("tx_octets", 640)
	b.mac.request(todoRestart)
	b.step()
	b.wantStat("rx_packets", 10)
	b.model.Deliver(frame(ourMAC, 60, 0))
	b.step()
	b.wantStat("rx_packets", 11)
	b.wantStat("rx_octets", base+704)
	if err := b.mac.dev.Stop(); err != nil {
		t.Fatal(err)
	}
	b.wantStat("rx_packets", 11)
	if err := b.mac.dev.Open(); err != nil {
		t.Fatal(err)
	}
	b.model.Deliver(frame(ourMAC, 60, 0))
	b.step()
	b.wantStat("rx_packets", 12)
}

func TestFramesLostForAFullRingAreCounted(t *testing.T) {
	b := openBench(t, rings(4, 4))
	for i := range 10 {
		b.model.Deliver(frame(ourMAC, 60, i))
	}
	b.step()
	b.wantStat("IEEE_rx_macerr", 6)
	if s := b.mac.dev.Stats(); s.RxMissedErrors != 6 || s.RxPackets != 4 {
		t.Errorf("%+v", s)
	}
}

func TestStatisticsHaveLinuxsNamesAndEachOnce(t *testing.T) {
	b := openBench(t)
	seen := map[string]bool{}
	for _, s := range b.mac.Statistics() {
		if seen[s.Name] {
			t.Errorf("%s comes twice", s.Name)
		}
		seen[s.Name] = true
	}
	for _, n := range []string{"tx_dropped", "tx_packets", "rx_crc_errors", "IEEE_rx_macerr", "rx_GTE2048byte", "IEEE_tx_fdxfc"} {
		if !seen[n] {
			t.Errorf("no %s", n)
		}
	}
}

func TestRegistersAreThoseOfTheMACAndReadingThemDisturbsNothing(t *testing.T) {
	b := openBench(t)
	b.model.Deliver(frame(ourMAC, 60, 1))
	eir := b.model.Reg(macmodel.EIR)
	b.model.SetFaults(func(f *macmodel.Faults) {
		f.Access = func(_ int, off uintptr, write bool) {
			if write || off >= 0x14c && off <= 0x150 { // FRBR, FRSR
				t.Errorf("access to %#x", off)
			}
		}
	})
	regs := b.mac.Registers()
	b.model.SetFaults(func(f *macmodel.Faults) { f.Access = nil })
	if len(regs) < 20 || eir == 0 || b.model.Reg(macmodel.EIR) != eir {
		t.Errorf("%d registers, EIR %#x", len(regs), b.model.Reg(macmodel.EIR))
	}
	for _, r := range regs {
		if v := b.model.Reg(uintptr(r.Offset)); v != r.Value {
			t.Errorf("%s: %#x, want %#x", r.Name, r.Value, v)
		}
	}
	b.step()
	if len(b.got) != 1 {
		t.Error("the frame is lost")
	}
	if r := newBench(t, func(c *Config) { c.Port.PowerUp = func() error { return nil } }).mac.Registers(); r != nil {
		t.Error("registers of a MAC without power")
	}
}

func TestQEMURingsAndPauseChangeUnderTheDevice(t *testing.T) {
	e := openEVK(t)
	e.wantAlive()
	if err := e.mac.SetRingParam(3, 5); err != nil {
		t.Fatal(err)
	}
	e.wantAlive()
	if err := e.mac.SetPauseParam(false, true); err != nil {
		t.Fatal(err)
	}
	e.until("the restart", func() bool { return e.stat("mac_restarts") == 1 })
	e.wantAlive()
	if err := e.mac.dev.SetMAC(otherMAC); err != nil {
		t.Fatal(err)
	}
	e.soft.Poll()
	e.n = 0
	in := frame(otherMAC, 60, 1)
	e.wire.Send(in)
	e.received(1)
	if !bytes.Equal(e.got[len(e.got)-1], in) {
		t.Error("wrong frame")
	}
}

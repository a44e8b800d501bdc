package enet

import (
	"bytes"
	"strings"
	"testing"
	"unsafe"

	"github.com/gasp-go/gasp/board/trap"
	"github.com/gasp-go/gasp/enet/mii"
	"github.com/gasp-go/gasp/internal/macmodel"
	"github.com/gasp-go/gasp/stack/netdev"
)

func TestFramesAreGatheredFromPartsAndPaddedWithZeros(t *testing.T) {
	b := openBench(t, rings(4, 2))
	for range 2 { // something to shine through the padding
		b.xmit(bytes.Repeat([]byte{0xaa}, 1000))
	}
	b.model.Sent()
	f := frame(otherMAC, 42, 5)
	for _, parts := range [][][]byte{{f}, {f[:14], f[14:]}, {f[:3], nil, f[3:13], f[13:14], f[14:]}} {
		if st := b.xmit(parts...); st != netdev.TxOK {
			t.Fatalf("status %d", st)
		}
		s := b.model.Sent()
		if len(s) != 1 || len(s[0]) != 60 || !bytes.Equal(s[0][:42], f) || !bytes.Equal(s[0][42:], make([]byte, 18)) {
			t.Errorf("sent %x", s)
		}
	}
}

func TestFramesOfEveryLengthLeaveUnchanged(t *testing.T) {
	b := openBench(t, rings(4, 3))
	for n := 60; n <= 1514; n++ {
		f := frame(otherMAC, n, n)
		if b.xmit(f[:n/2], f[n/2:]) != netdev.TxOK {
			t.Fatal("refused")
		}
		if s := b.model.Sent(); len(s) != 1 || !bytes.Equal(s[0], f) {
			t.Fatalf("%d bytes differ", n)
		}
	}
}

func TestFramesThatCanNeverBeSentAreDroppedAndCounted(t *testing.T) {
	b := openBench(t)
	tagged := vlan(frame(otherMAC, 1514, 0))
	for _, c := range []struct {
		parts [][]byte
		stat  string
	}{
		{[][]byte{frame(otherMAC, 1515, 0)}, "tx_too_long"},
		{[][]byte{vlan(frame(otherMAC, 1515, 0))}, "tx_too_long"},
		{[][]byte{make([]byte, 1<<20), make([]byte, 1<<20)}, "tx_too_long"},
		{[][]byte{frame(otherMAC, 60, 0)[:13]}, "tx_too_short"},
		{nil, "tx_too_short"},
	} {
		was, dropped := b.stat(c.stat), b.mac.dev.Stats().TxDropped
		if st := b.xmit(c.parts...); st != netdev.TxDropped {
			t.Errorf("%s: status %d", c.stat, st)
		}
		b.wantStat(c.stat, was+1)
		if n := b.mac.dev.Stats().TxDropped; n != dropped+1 {
			t.Errorf("tx_dropped %d", n)
		}
	}
	if st := b.xmit(tagged[:5], tagged[5:13], tagged[13:]); st != netdev.TxOK {
		t.Errorf("the longest tagged frame: status %d", st)
	}
	b.wantAlive()
}

func TestFullRingRefusesKeepsOrderAndLosesNothing(t *testing.T) {
	for _, size := range []int{2, 3, 16, 128} {
		b := openBench(t, rings(4, size))
		b.model.SetFaults(func(f *macmodel.Faults) { f.TxManual = true })
		next, refused := 0, 0
		var sent [][]byte
		for round := range 40 {
			for b.xmit(frame(otherMAC, 64, next)) == netdev.TxOK {
				next++
				if next > 10000 {
					t.Fatal("the ring never fills")
				}
			}
			refused++
			b.wantStat("tx_ring_queued", uint64(size))
			b.model.RunTx(1 + round%size)
			sent = append(sent, b.model.Sent()...)
			if round%2 == 0 {
				b.step() // reclaim by interrupt and poll, or by transmit
			}
		}
		b.model.RunTx(-1)
		sent = append(sent, b.model.Sent()...)
		if len(sent) != next {
			t.Fatalf("ring of %d: %d accepted, %d sent", size, next, len(sent))
		}
		for i, f := range sent {
			if !bytes.Equal(f, frame(otherMAC, 64, i)) {
				t.Fatalf("ring of %d: frame %d is out of order", size, i)
			}
		}
		b.wantStat("tx_ring_full", uint64(refused))
		b.step()
		b.wantStat("tx_done", uint64(next))
		b.wantStat("tx_kicks", 0)
	}
}

// Frames of which more follow are the device's with the doorbell of the last,
// whatever becomes of that.
func TestFramesThatMoreFollowShareADoorbell(t *testing.T) {
	more := func(b *bench, n int) {
		for i := range n {
			f := frame(otherMAC, 64, i)
			var st netdev.TxStatus
			inTrap(func() { st = b.mac.StartXmit([][]byte{f}, netdev.TxMore) })
			if st != netdev.TxOK {
				t.Fatalf("frame %d: status %d", i, st)
			}
		}
		if n := len(b.model.Sent()); n != 0 {
			t.Errorf("%d frames were sent before their doorbell", n)
		}
	}
	for name, c := range map[string]struct {
		then []byte
		want netdev.TxStatus
		sent int
	}{
		"a frame":             {frame(otherMAC, 64, 3), netdev.TxOK, 4},
		"one too long":        {frame(otherMAC, 1515, 3), netdev.TxDropped, 3},
		"one too short":       {frame(otherMAC, 64, 3)[:13], netdev.TxDropped, 3},
		"one without a place": {frame(otherMAC, 64, 8), netdev.TxBusy, 8},
	} {
		b := openBench(t, rings(4, 8))
		if c.want == netdev.TxBusy {
			more(b, 8)
		} else {
			more(b, 3)
		}
		if st := b.xmit(c.then); st != c.want {
			t.Errorf("%s: status %d", name, st)
		}
		sent := b.model.Sent()
		if len(sent) != c.sent {
			t.Errorf("%s: %d frames were sent, want %d", name, len(sent), c.sent)
		}
		for i, f := range sent {
			if !bytes.Equal(f, frame(otherMAC, 64, i)) {
				t.Errorf("%s: frame %d differs", name, i)
			}
		}
	}
}

func TestSentFramesInterruptOnlyWhenTheRingGetsFull(t *testing.T) {
	b := openBench(t, rings(4, 8))
	for i := range 100 {
		b.xmit(frame(otherMAC, 60, i))
		b.step()
	}
	if n := b.model.IRQs(); n != 0 {
		t.Errorf("%d interrupts for frames nobody waits for", n)
	}
	b.wantStat("tx_done", 100)
	b.model.SetFaults(func(f *macmodel.Faults) { f.TxManual = true })
	for b.xmit(frame(otherMAC, 60, 0)) == netdev.TxOK {
	}
	b.model.RunTx(4)
	if b.model.IRQ() {
		t.Error("an interrupt while half of the ring is free")
	}
	b.model.RunTx(1)
	if !b.model.IRQ() {
		t.Error("no interrupt although the ring was full")
	}
	b.step()
	if st := b.xmit(frame(otherMAC, 60, 0)); st != netdev.TxOK {
		t.Errorf("status %d", st)
	}
	b = openBench(t, func(c *Config) { c.Quirks = QuirkERR006358 })
	b.xmit(frame(otherMAC, 60, 0))
	if b.step() != 1 {
		t.Error("no interrupt on a part that needs it")
	}
}

func TestTxIdleTellsWhetherEverythingHasLeft(t *testing.T) {
	b := openBench(t)
	b.model.SetFaults(func(f *macmodel.Faults) { f.TxManual = true })
	idle := func() (v bool) { inTrap(func() { v = b.mac.TxIdle() }); return v }
	if !idle() {
		t.Error("an unused ring is not idle")
	}
	b.xmit(frame(otherMAC, 60, 0))
	b.xmit(frame(otherMAC, 60, 1))
	b.model.RunTx(1)
	if idle() {
		t.Error("idle with a frame in the ring")
	}
	b.model.RunTx(1)
	if !idle() {
		t.Error("not idle")
	}
}

func TestLostDoorbellIsRungAgainAfterReclaim(t *testing.T) { // ERR006358
	b := openBench(t, func(c *Config) { c.Quirks = QuirkERR006358 })
	b.model.SetFaults(func(f *macmodel.Faults) { f.TxManual = true })
	b.xmit(frame(otherMAC, 60, 0))
	b.model.RunTx(-1) // the engine finishes the first while the second is rung
	b.model.SetFaults(func(f *macmodel.Faults) { f.TxManual = false; f.LoseTDAR = 1 })
	b.xmit(frame(otherMAC, 60, 1))
	if len(b.model.Sent()) != 1 {
		t.Fatal("the fault does nothing")
	}
	b.step() // the first one's TXF
	if s := b.model.Sent(); len(s) != 1 || !bytes.Equal(s[0], frame(otherMAC, 60, 1)) {
		t.Errorf("%d frames sent", len(s))
	}
	b.wantStat("tx_kicks", 1)
	b.wantAlive()
}

func TestLostDoorbellOfALoneFrameIsFoundByTheMonitor(t *testing.T) {
	b := openBench(t)
	b.model.SetFaults(func(f *macmodel.Faults) { f.LoseTDAR = 1 })
	b.xmit(frame(otherMAC, 60, 1))
	b.step()
	b.mac.Tick()
	if s := b.model.Sent(); len(s) != 1 {
		t.Errorf("%d frames sent", len(s))
	}
	b.wantStat("mac_restarts", 0)
}

func TestDoorbellIsNotWrittenWhileTheEngineIsBusy(t *testing.T) { // ERR007885
	for busy := range 8 {
		b := openBench(t)
		b.model.SetFaults(func(f *macmodel.Faults) { f.BusyTDAR = busy })
		b.xmit(frame(otherMAC, 60, 1))
		n := len(b.model.Sent())
		if busy < 4 && n != 1 {
			t.Errorf("busy for %d reads: not sent", busy)
		}
		// Busy for longer: the engine meets the descriptor by itself, or else
		// whoever reclaims next helps.
		for range 8 {
			inTrap(func() { b.mac.TxIdle() })
		}
		if n += len(b.model.Sent()); n != 1 {
			t.Errorf("busy for %d reads: sent %d times", busy, n)
		}
		b.wantAlive()
	}
}

func TestHungTransmitIsRestartedAfterTwoSeconds(t *testing.T) {
	b := openBench(t)
	b.model.SetFaults(func(f *macmodel.Faults) { f.TxHangUntil = true })
	for i := range 3 {
		b.xmit(frame(otherMAC, 60, i))
	}
	resets := b.model.Resets()
	for range 2 {
		b.mac.Tick()
		b.step()
		if b.model.Resets() != resets {
			t.Fatal("restarted too early")
		}
		b.model.Advance(1_000_000_001)
	}
	b.mac.Tick()
	for _, want := range []string{"watchdog", "dev=eth0", "TDAR=0x1000000", "tx_queued=0x3", "tx_status=0x8c00003c", "rx_filled=0x0"} {
		if !strings.Contains(b.log.String(), want) {
			t.Errorf("the log does not say %s: %s", want, b.log.String())
		}
	}
	b.step()
	b.mac.Tick()
	if n := strings.Count(b.log.String(), "watchdog"); n != 1 {
		t.Errorf("logged %d times", n)
	}
	b.wantStat("tx_timeouts", 1)
	b.wantStat("tx_lost", 3)
	b.wantStat("mac_restarts", 1)
	b.wantAlive()
}

// Without a link nothing is hung: some MACs have no clock to send with then.
func TestTransmitIsNotHungWithoutALink(t *testing.T) {
	b := openBench(t)
	b.model.SetFaults(func(f *macmodel.Faults) { f.TxHangUntil = true })
	b.xmit(frame(otherMAC, 60, 0))
	b.model.SetPHYReg(2, mii.BMSR, 0x7829)
	for range 10 {
		b.model.Advance(1_000_000_000)
		b.mac.Tick()
		b.step()
	}
	b.wantStat("tx_timeouts", 0)
	b.model.SetPHYReg(2, mii.BMSR, 0x782d)
	for range 4 {
		b.mac.Tick()
		b.step()
		b.model.Advance(1_000_000_000)
	}
	b.wantStat("tx_timeouts", 1)
	b.wantAlive()
}

func TestSlowTransmitIsNotTakenForHung(t *testing.T) {
	b := openBench(t)
	b.model.SetFaults(func(f *macmodel.Faults) { f.TxManual = true })
	for i := range 20 {
		b.xmit(frame(otherMAC, 60, i))
	}
	for range 20 {
		b.model.Advance(1_900_000_000)
		b.model.RunTx(1)
		b.mac.Tick()
		b.step()
	}
	b.wantStat("tx_timeouts", 0)
}

func TestBusErrorRestartsTheMAC(t *testing.T) {
	b := openBench(t)
	b.model.SetFaults(func(f *macmodel.Faults) { f.TxBusError = true })
	b.xmit(frame(otherMAC, 60, 0))
	b.step()
	b.wantStat("bus_errors", 1)
	b.wantStat("tx_lost", 1)
	b.wantStat("mac_restarts", 1)
	b.wantAlive()
}

func TestMACThatDoesNotSurviveARestartIsRetriedUntilItDoes(t *testing.T) {
	b := openBench(t)
	b.model.SetFaults(func(f *macmodel.Faults) { f.TxBusError = true; f.ResetNever = true })
	b.xmit(frame(otherMAC, 60, 0))
	b.step()
	if st := b.xmit(frame(otherMAC, 60, 0)); st != netdev.TxDropped {
		t.Errorf("status %d from a dead MAC", st)
	}
	b.mac.Tick()
	b.step()
	b.model.SetFaults(func(f *macmodel.Faults) { f.ResetNever = false })
	b.mac.Tick()
	b.step()
	b.wantAlive()
}

func TestTransmitErrorsAreCounted(t *testing.T) {
	b := openBench(t)
	for _, c := range []struct {
		event uint32
		stat  string
		group func(netdev.Stats) uint64
	}{
		{macmodel.IntLC, "tx_late_collision", func(s netdev.Stats) uint64 { return s.TxWindowErrors }},
		{macmodel.IntRL, "tx_retry_limit", func(s netdev.Stats) uint64 { return s.TxAbortedErrors }},
		{macmodel.IntUN, "tx_underrun", func(s netdev.Stats) uint64 { return s.TxFIFOErrors }},
	} {
		was := b.mac.dev.Stats().TxErrors
		b.model.Raise(c.event)
		b.step()
		s := b.mac.dev.Stats()
		b.wantStat(c.stat, 1)
		if c.group(s) != 1 || s.TxErrors != was+1 {
			t.Errorf("%s: %+v", c.stat, s)
		}
	}
	// Of this only the MAC's own counter tells.
	was := b.mac.dev.Stats().TxErrors
	b.model.SetReg(mibTCarrier, 2)
	b.mac.Tick()
	if s := b.mac.dev.Stats(); s.TxCarrierErrors != 2 || s.TxErrors != was+2 {
		t.Errorf("no carrier: %+v", s)
	}
}

func TestTransmitDoesNotAllocate(t *testing.T) {
	b := openBench(t)
	f := frame(otherMAC, 1000, 0)
	parts := [][]byte{f[:14], f[14:]}
	b.model.SetFaults(func(fl *macmodel.Faults) { fl.TxDiscard = true })
	send := func(unsafe.Pointer) {
		if b.mac.StartXmit(parts, 0) != netdev.TxOK {
			t.Error("refused")
		}
	}
	top := func(unsafe.Pointer) { b.mac.Interrupt() }
	if a := testing.AllocsPerRun(500, func() {
		trap.Run(send, nil)
		trap.Run(top, nil)
		b.soft.Poll()
	}); a != 0 {
		t.Errorf("%v allocations a frame", a)
	}
	b.wantStat("tx_done", 501)
}

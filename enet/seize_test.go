package enet

import (
	"bytes"
	"errors"
	"os"
	"runtime/debug"
	"syscall"
	"testing"

	"github.com/gasp-go/gasp/enet/mii"
	"github.com/gasp-go/gasp/internal/macmodel"
	"github.com/gasp-go/gasp/stack/netdev"
)

func (b *bench) seize() (err error) {
	inTrap(func() { err = b.mac.Seize() })
	return err
}

func (b *bench) linkTrap() (up bool) {
	inTrap(func() { up = b.mac.LinkTrap() })
	return up
}

// interrupted runs fn until its n-th register access, where it ends for good,
// as a panic would end it. It reports whether fn got that far.
func (b *bench) interrupted(n int, fn func()) (reached bool) {
	type fault struct{}
	left := n
	b.model.SetFaults(func(f *macmodel.Faults) {
		f.Access = func(int, uintptr, bool) {
			if left--; left == 0 {
				panic(fault{})
			}
		}
	})
	defer func() {
		b.model.SetFaults(func(f *macmodel.Faults) { f.Access = nil })
		if r := recover(); r != nil {
			if _, ok := r.(fault); !ok {
				panic(r)
			}
			reached = true
		}
	}()
	fn()
	return false
}

func TestSeizeFailsWithoutPowerAndTouchesNothing(t *testing.T) {
	b := newBench(t)
	b.model.SetFaults(func(f *macmodel.Faults) { f.Unpowered = true })
	if err := b.seize(); !errors.Is(err, ErrNoPower) {
		t.Errorf("Seize: %v", err)
	}
}

func TestSeizeWorksOnAPoweredMACThatWasNeverOpened(t *testing.T) {
	b := newBench(t)
	if err := b.mac.PowerUp(); err != nil {
		t.Fatal(err)
	}
	if err := b.seize(); err != nil {
		t.Fatal(err)
	}
	b.wantSeizedAlive("never opened")
	if b.model.StationAddress() != ourMAC {
		t.Errorf("station address %x", b.model.StationAddress())
	}
}

func TestSeizeOfAHealthyMACKeepsItsRingsAndItsLink(t *testing.T) {
	b := openBench(t)
	b.wantAlive()
	resets := b.model.Resets()
	if err := b.seize(); err != nil {
		t.Fatal(err)
	}
	b.wantSeizedAlive("open")
	if b.model.Resets() != resets {
		t.Error("a MAC that works was reset")
	}
	b.wantStat("private_rings", 0)
}

func TestSeizeWorksAtEveryStepOfTheMACsLife(t *testing.T) {
	for _, c := range []struct {
		name  string
		setup func(b *bench)
		act   func(b *bench)
		min   int // accesses there must be, lest the test passes for nothing
	}{
		{"open", func(b *bench) {}, func(b *bench) { b.mac.dev.Open() }, 40},
		{"open with a slow reset", func(b *bench) {
			b.model.SetFaults(func(f *macmodel.Faults) { f.ResetReads = 20 })
		}, func(b *bench) { b.mac.dev.Open() }, 60},
		{"open without PHY", func(b *bench) { b.model.SetPHY(2, nil) }, func(b *bench) { b.mac.dev.Open() }, 30},
		{"stop", func(b *bench) { b.mac.dev.Open() }, func(b *bench) { b.mac.dev.Stop() }, 4},
		{"transmit", func(b *bench) { b.mac.dev.Open() }, func(b *bench) { b.xmit(frame(otherMAC, 60, 0)) }, 2},
		{"transmit into a full ring", func(b *bench) {
			b.mac.dev.Open()
			b.model.SetFaults(func(f *macmodel.Faults) { f.TxManual = true })
			for b.xmit(frame(otherMAC, 60, 0)) == netdev.TxOK {
			}
			b.model.RunTx(2)
			b.model.SetFaults(func(f *macmodel.Faults) { f.TxManual = false })
		}, func(b *bench) { b.xmit(frame(otherMAC, 60, 0)) }, 2},
		{"receive", func(b *bench) {
			b.mac.dev.Open()
			for range 6 {
				b.model.Deliver(frame(ourMAC, 60, 0))
			}
		}, func(b *bench) { b.step() }, 6},
		{"restart", func(b *bench) {
			b.mac.dev.Open()
			b.model.Raise(macmodel.IntEBERR)
		}, func(b *bench) { b.step() }, 25},
		{"link change", func(b *bench) {
			b.mac.dev.Open()
			b.model.SetPHYReg(2, mii.ANLPAR, 0x0021)
		}, func(b *bench) { b.mac.Tick(); b.step() }, 40},
		{"watchdog", func(b *bench) {
			b.mac.dev.Open()
			b.model.SetFaults(func(f *macmodel.Faults) { f.TxHangUntil = true })
			b.xmit(frame(otherMAC, 60, 0))
			b.mac.Tick()
			b.model.Advance(3_000_000_000)
		}, func(b *bench) { b.mac.Tick(); b.step() }, 40},
		{"reopen", func(b *bench) {
			b.mac.dev.Open()
			b.mac.dev.Stop()
		}, func(b *bench) { b.mac.dev.Open() }, 40},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := 1
			for ; ; n++ {
				b := newBench(t, rings(8, 8))
				if err := b.mac.PowerUp(); err != nil {
					t.Fatal(err)
				}
				c.setup(b)
				reached := b.interrupted(n, func() { c.act(b) })
				if err := b.seize(); err != nil {
					t.Fatalf("at access %d: %v", n, err)
				}
				b.model.SetFaults(func(f *macmodel.Faults) { f.ResetReads = 0 })
				inTrap(func() { b.mac.PollController(); b.mac.PollRx(64, func([]byte) {}) })
				b.wantSeizedAlive(c.name)
				if !reached {
					break
				}
			}
			if n < c.min {
				t.Errorf("only %d accesses", n)
			}
		})
	}
}

func TestSeizeWorksAfterAFaultInTheMiddleOfADescriptorUpdate(t *testing.T) {
	// A part of the frame lies in memory that cannot be read: StartXmit faults
	// while it copies, with the descriptor neither ours nor the device's.
	bad, err := syscall.Mmap(-1, 0, os.Getpagesize(), syscall.PROT_NONE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Munmap(bad)
	b := openBench(t, rings(8, 4))
	for i := range 6 {
		b.xmit(frame(otherMAC, 60, i))
	}
	func() {
		defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
		defer func() {
			if recover() == nil {
				t.Error("no fault")
			}
		}()
		b.xmit(frame(otherMAC, 60, 7), bad[:100])
	}()
	if st := b.xmit(frame(otherMAC, 60, 0)); st != netdev.TxBusy {
		t.Errorf("a ring in the middle of an update took a frame: %d", st)
	}
	if err := b.seize(); err != nil {
		t.Fatal(err)
	}
	b.wantStat("private_rings", 1)
	b.wantSeizedAlive("fault in StartXmit")
}

func TestSeizeWorksWithRingsInAnyState(t *testing.T) {
	b := openBench(t, rings(8, 4))
	b.mac.txBusy.Store(true)
	for _, mem := range []int{live} { // garbage all over the live rings
		for i := range 4 {
			b.xmit(frame(otherMAC, 60, i))
		}
		tx := b.mac.tx[mem]
		for i := range 7 {
			if buf := tx.Buffer(); buf != nil {
				buf[0] = byte(i)
				tx.Send(60, 0)
			}
		}
	}
	if err := b.seize(); err != nil {
		t.Fatal(err)
	}
	b.wantSeizedAlive("garbage")
}

func TestSeizeFromWithinThePollTakesThePrivateRings(t *testing.T) {
	b := openBench(t)
	b.mac.dev.SetReceive(func(_ []byte, _ netdev.RxFlags) { panic("bug in the stack") })
	b.model.Deliver(frame(ourMAC, 60, 0))
	b.xmit(frame(otherMAC, 60, 0))
	func() {
		defer func() { recover() }()
		b.step()
	}()
	if err := b.seize(); err != nil {
		t.Fatal(err)
	}
	b.wantStat("private_rings", 1)
	b.wantStat("tx_lost", 0) // what was queued left first
	b.wantSeizedAlive("poll")
}

func TestSeizeWithAFullRingAndHungDMATakesThePrivateRings(t *testing.T) {
	b := openBench(t, rings(8, 16))
	b.model.SetFaults(func(f *macmodel.Faults) { f.TxHangUntil = true })
	n := 0
	for b.xmit(frame(otherMAC, 60+n, n)) == netdev.TxOK {
		n++
	}
	start := b.model.Now()
	if err := b.seize(); err != nil {
		t.Fatal(err)
	}
	if d := b.model.Now() - start; d > 2*drainStall {
		t.Errorf("Seize took %d ns", d)
	}
	sent := b.model.Sent()
	if len(sent) != n || n != 16 {
		t.Fatalf("%d of %d frames that waited were sent", len(sent), n)
	}
	for i, f := range sent {
		if !bytes.Equal(f, frame(otherMAC, 60+i, i)) {
			t.Errorf("frame %d: %x", i, f)
		}
	}
	b.wantStat("tx_lost", 0)
	b.wantStat("tx_resent", 16)
	b.wantStat("private_rings", 1)
	b.wantSeizedAlive("hung")
}

func TestSeizeLetsAFullRingDrainWhileItMoves(t *testing.T) {
	var b *bench
	calls := 0
	b = openBench(t, rings(8, 16), func(c *Config) {
		now := c.Now
		c.Now = func() int64 {
			if calls++; calls%50 == 0 {
				b.model.Advance(1_000_000) // a frame a millisecond
				b.model.RunTx(1)
			}
			return now()
		}
	})
	b.model.SetFaults(func(f *macmodel.Faults) { f.TxManual = true })
	n := 0
	for b.xmit(frame(otherMAC, 60, n)) == netdev.TxOK {
		n++
	}
	if err := b.seize(); err != nil {
		t.Fatal(err)
	}
	if s := b.model.Sent(); len(s) != n {
		t.Errorf("%d of %d queued frames were sent", len(s), n)
	}
	b.wantStat("private_rings", 0)
}

func TestSeizeAgainUnwedgesAMACThatGotStuckAfterTheFirst(t *testing.T) {
	b := openBench(t)
	if err := b.seize(); err != nil {
		t.Fatal(err)
	}
	for round := range 3 {
		b.model.SetFaults(func(f *macmodel.Faults) { f.TxHangUntil = true })
		b.xmit(frame(otherMAC, 60, 0))
		if err := b.seize(); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		b.wantSeizedAlive("again")
	}
	b.wantStat("takeovers", 3)
}

func TestSeizeWorksAfterAFaultInAnyStepOfSeize(t *testing.T) {
	n := 1
	for ; ; n++ {
		b := openBench(t, rings(8, 4))
		b.mac.txBusy.Store(true) // so that it takes over
		reached := b.interrupted(n, func() { b.seize() })
		if err := b.seize(); err != nil {
			t.Fatalf("at access %d: %v", n, err)
		}
		b.wantSeizedAlive("seize")
		if !reached {
			break
		}
	}
	if n < 20 {
		t.Errorf("only %d accesses", n)
	}
}

func TestSeizeReportsAMACThatStaysDeadWithinItsBound(t *testing.T) {
	for _, frozen := range []bool{false, true} {
		b := openBench(t, func(c *Config) {
			now := c.Now
			c.Now = func() int64 {
				if frozen {
					return 1
				}
				return now()
			}
		})
		b.model.SetFaults(func(f *macmodel.Faults) { f.TxHang = true; f.ResetNever = true; f.MDIOHang = true })
		b.xmit(frame(otherMAC, 60, 0))
		b.mac.mode.Store(0)
		start := b.model.Now()
		if err := b.seize(); !errors.Is(err, ErrReset) {
			t.Errorf("Seize: %v", err)
		}
		if d := b.model.Now() - start; !frozen && d > 200_000_000 {
			t.Errorf("Seize took %d ns", d)
		}
		if st := b.xmit(frame(otherMAC, 60, 0)); st != netdev.TxDropped {
			t.Errorf("status %d from a dead MAC", st)
		}
		b.model.SetFaults(func(f *macmodel.Faults) { *f = macmodel.Faults{} })
		if err := b.seize(); err != nil {
			t.Errorf("once it works again: %v", err)
		}
		b.wantSeizedAlive("dead and back")
	}
}

func TestSeizeOfAMACThatWasProbedOnlyFollowsTheLink(t *testing.T) {
	b := newBench(t)
	b.model.SetPHYReg(2, mii.ANLPAR, 0x0021) // 10 Mb/s half
	if err := b.mac.Probe(); err != nil {
		t.Fatal(err)
	}
	b.model.SetPHYReg(2, mii.BMSR, 0x7829)
	if err := b.seize(); err != nil {
		t.Fatal(err)
	}
	if b.linkTrap() {
		t.Error("no link, and it is up")
	}
	b.model.SetPHYReg(2, mii.BMSR, 0x782d)
	if !b.linkTrap() {
		t.Error("the link that came is not noticed")
	}
	if rcr := b.model.Reg(macmodel.RCR); rcr&rcrRMII10T == 0 {
		t.Errorf("RCR %#x", rcr)
	}
	b.wantSeizedAlive("probed")
}

func TestProbeStopsWhatTheLoaderLeftRunningAndDisturbsNoOpenMAC(t *testing.T) {
	b := newBench(t)
	b.mac.regs.Write32(regECR, ecrETHEREN)
	if err := b.mac.Probe(); err != nil {
		t.Fatal(err)
	}
	if b.model.Reg(macmodel.ECR)&ecrETHEREN != 0 {
		t.Error("the MAC still runs")
	}
	if b.mac.PHY() == nil {
		t.Error("no PHY was found")
	}
	if err := b.mac.dev.Open(); err != nil {
		t.Fatal(err)
	}
	b.wantAlive()
	resets := b.model.Resets()
	if err := b.mac.Probe(); err != nil || b.model.Resets() != resets {
		t.Errorf("probed while open: %v, %d resets", err, b.model.Resets()-resets)
	}
	b.wantAlive()
}

func TestProbeFailsWithoutClockAndWithoutPHYDoesNot(t *testing.T) {
	b := newBench(t)
	b.model.SetFaults(func(f *macmodel.Faults) { f.ResetNever = true })
	if err := b.mac.Probe(); !errors.Is(err, ErrReset) {
		t.Errorf("%v", err)
	}
	b = newBench(t)
	b.model.SetPHY(2, nil)
	if err := b.mac.Probe(); err != nil || b.mac.PHY() != nil {
		t.Errorf("%v", err)
	}
}

func TestAfterSeizeTheLiveSystemIsLockedOut(t *testing.T) {
	b := openBench(t)
	if err := b.seize(); err != nil {
		t.Fatal(err)
	}
	b.model.Deliver(frame(ourMAC, 60, 0))
	inTrap(b.mac.Interrupt)
	b.soft.Poll()
	b.mac.Tick()
	if len(b.got) != 0 || b.model.Reg(macmodel.EIMR) != 0 {
		t.Errorf("%d frames to the stack, EIMR %#x", len(b.got), b.model.Reg(macmodel.EIMR))
	}
	if err := b.mac.Stop(); !errors.Is(err, ErrSeized) {
		t.Errorf("Stop: %v", err)
	}
	if err := b.mac.Open(); !errors.Is(err, ErrSeized) {
		t.Errorf("Open: %v", err)
	}
}

func TestSeizeDoesNotAllocate(t *testing.T) {
	b := openBench(t)
	if a := testing.AllocsPerRun(10, func() {
		b.mac.txBusy.Store(true)
		if b.mac.Seize() != nil {
			t.Error("failed")
		}
	}); a != 0 {
		t.Errorf("%v allocations", a)
	}
	b = openBench(t)
	if a := testing.AllocsPerRun(10, func() {
		b.mac.mode.Store(0)
		b.mac.txBusy.Store(true)
		b.mac.Seize()
	}); a != 0 {
		t.Errorf("%v allocations with a look at the PHY", a)
	}
}

func TestSeizeOfAMACThatWasStoppedOrResetBringsItBackAndSendsWhatWaited(t *testing.T) {
	for _, ecr := range []uint32{0, ecrRESET} {
		b := openBench(t, rings(8, 16))
		b.model.SetFaults(func(f *macmodel.Faults) { f.TxManual = true })
		for i := range 5 {
			b.xmit(frame(otherMAC, 60, i))
		}
		inTrap(func() { b.mac.regs.Write32(regECR, ecr) })
		b.model.SetFaults(func(f *macmodel.Faults) { f.TxManual = false })
		if err := b.seize(); err != nil {
			t.Fatal(err)
		}
		if n := len(b.model.Sent()); n != 5 {
			t.Errorf("ECR %#x: %d of 5 frames that waited were sent", ecr, n)
		}
		b.wantStat("private_rings", 1)
		b.wantSeizedAlive("stopped")
	}
}

func TestALinkThatComesBackInAnotherModeIsFollowedInAPanic(t *testing.T) {
	b := openBench(t)
	if err := b.seize(); err != nil {
		t.Fatal(err)
	}
	b.model.SetPHYReg(2, mii.BMSR, 0x7829)
	if b.linkTrap() {
		t.Error("no link, and it is up")
	}
	b.model.SetPHYReg(2, mii.BMSR, 0x782d)
	resets := b.model.Resets()
	if !b.linkTrap() || b.model.Resets() != resets {
		t.Error("the same link again: not up, or the MAC was reset")
	}
	b.model.SetPHYReg(2, mii.ANLPAR, 0x0021) // 10 Mb/s half
	if !b.linkTrap() || b.model.Reg(macmodel.RCR)&rcrRMII10T == 0 {
		t.Errorf("RCR %#x", b.model.Reg(macmodel.RCR))
	}
	b.wantSeizedAlive("10 Mb/s")
	b.model.SetFaults(func(f *macmodel.Faults) { f.MDIOHang = true })
	if !b.linkTrap() {
		t.Error("a PHY that does not answer is taken for a link that is down")
	}
}

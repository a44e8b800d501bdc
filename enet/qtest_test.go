package enet

import (
	"bytes"
	"encoding/binary"
	"log/slog"
	"testing"
	"time"

	"github.com/gasp-go/gasp/board"
	"github.com/gasp-go/gasp/board/mmio"
	"github.com/gasp-go/gasp/internal/qtest"
	"github.com/gasp-go/gasp/stack/netdev"
)

// evk is the driver on an ENET that QEMU emulates.
type evk struct {
	t     *testing.T
	at    machine
	qemu  *qtest.Machine
	wire  *qtest.Wire
	mac   *MAC
	soft  *netdev.Softnet
	log   bytes.Buffer
	got   [][]byte
	irqOn bool
	top   func()
	quiet bool
	n     int
}

// machine is where QEMU's ENET is.
type machine struct {
	opt  qtest.Options
	base uintptr
	spi  int
	rmii bool
	q    Quirks
}

const enet1 = 0x02188000

var (
	imx6ul = machine{base: enet1, spi: 118, rmii: true}
	imx6q  = machine{opt: qtest.Options{Machine: "sabrelite", RAM: 0x10000000, IRQs: "/machine/soc/a9mpcore"}, base: 0x02188000, spi: 118}
	imx7d  = machine{opt: qtest.Options{Machine: "mcimx7d-sabre"}, base: 0x30be0000, spi: 118, q: QuirkNoReset}
)

func (e *evk) Handle(irq int, top func()) { e.top = top }
func (e *evk) Enable(irq int)             { e.irqOn = true }
func (e *evk) Disable(irq int)            { e.irqOn = false }

func newEVK(t *testing.T, change ...func(*Config)) *evk {
	t.Helper()
	return newOn(t, imx6ul, change...)
}

func newOn(t *testing.T, at machine, change ...func(*Config)) *evk {
	t.Helper()
	e := &evk{t: t, at: at, qemu: qtest.Start(t, at.opt)}
	e.wire = e.qemu.Wire(0)
	e.soft = netdev.NewSoftnet(func() {})
	cfg := Config{
		Port: board.Ethernet{Name: "eth0", PHY: -1, RMII: at.rmii, Controller: board.Controller{
			IRQ: at.spi, Clock: 66_000_000, Gigabit: !at.rmii, MAC: func() [6]byte { return ourMAC }}},
		Regs: mmio.Through(e.qemu, at.base), DMA: e.qemu.Region(0x100000, 1<<20),
		Softnet: e.soft, IRQ: e, Period: -1, Quirks: at.q,
		Log: slog.New(slog.NewTextHandler(&e.log, nil)),
	}
	for _, fn := range change {
		fn(&cfg)
	}
	var err error
	if e.mac, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	e.mac.dev.SetReceive(func(f []byte, _ netdev.RxFlags) {
		e.n++
		if !e.quiet {
			e.got = append(e.got, bytes.Clone(f))
		}
	})
	return e
}

func openEVK(t *testing.T, change ...func(*Config)) *evk {
	t.Helper()
	e := newEVK(t, change...)
	if err := e.mac.dev.Open(); err != nil {
		t.Fatal(err)
	}
	return e
}

// until delivers interrupts and runs the network thread until done.
func (e *evk) until(what string, done func() bool) {
	e.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); {
		if level, _ := e.qemu.IRQ(e.at.spi); level && e.irqOn {
			inTrap(e.top)
		}
		e.soft.Poll()
		if time.Now().After(deadline) {
			e.t.Fatalf("%s does not happen; statistics %v", what, e.mac.Stats())
		}
	}
}

func (e *evk) received(n int) {
	e.t.Helper()
	e.until("reception", func() bool { return e.n >= n })
}

func (e *evk) xmit(parts ...[]byte) (st netdev.TxStatus) {
	inTrap(func() { st = e.mac.StartXmit(parts, 0) })
	return st
}

func (e *evk) stat(name string) uint64 {
	for _, s := range e.mac.Stats() {
		if s.Name == name {
			return s.Value
		}
	}
	e.t.Fatalf("no statistic %q", name)
	return 0
}

func (e *evk) wantAlive() {
	e.t.Helper()
	for i := range 3 {
		e.got, e.n = nil, 0
		out, in := frame(otherMAC, 100, 7000+i), frame(ourMAC, 200, 8000+i)
		if st := e.xmit(out); st != netdev.TxOK {
			e.t.Fatalf("not alive: transmit status %d", st)
		}
		if f := e.wire.Receive(5 * time.Second); !bytes.Equal(f, out) {
			e.t.Fatalf("not alive: %d bytes on the wire", len(f))
		}
		e.wire.Send(in)
		e.received(1)
		if !bytes.Equal(e.got[0], in) {
			e.t.Fatal("not alive: wrong frame")
		}
	}
}

func TestQEMUOpenFindsThePHYAndTheLinkAndPassesFrames(t *testing.T) {
	e := openEVK(t)
	if p := e.mac.PHY(); p == nil || p.ID != 0x0007c0d1 {
		t.Errorf("PHY %+v", p)
	}
	if l := e.mac.Link().String(); l != "100 Mb/s full" || !e.mac.dev.Carrier() {
		t.Errorf("link %s", l)
	}
	e.wantAlive()
	if e.stat("irqs") == 0 {
		t.Error("no interrupt came")
	}
	lo, hi := e.qemu.Read32(enet1+regPALR), e.qemu.Read32(enet1+regPAUR)
	if lo != binary.BigEndian.Uint32(ourMAC[:]) || hi>>16 != uint32(binary.BigEndian.Uint16(ourMAC[4:])) {
		t.Errorf("PALR %#x PAUR %#x", lo, hi)
	}
}

func TestQEMUSameDriverWorksOnOtherMachines(t *testing.T) {
	for _, at := range []machine{imx6q, imx7d} {
		t.Run(at.opt.Machine, func(t *testing.T) {
			e := newOn(t, at)
			if err := e.mac.dev.Open(); err != nil {
				t.Fatal(err)
			}
			if !e.mac.dev.Carrier() {
				t.Errorf("no carrier: %s", e.log.String())
			}
			e.wantAlive()
			if e.stat("irqs") == 0 {
				t.Error("no interrupt came")
			}
			e.mac.txBusy.Store(true)
			var err error
			inTrap(func() { err = e.mac.Seize() })
			if err != nil {
				t.Fatal(err)
			}
			out := frame(otherMAC, 100, 1)
			if e.xmit(out) != netdev.TxOK || !bytes.Equal(e.wire.Receive(5*time.Second), out) {
				t.Error("the seized MAC does not send")
			}
		})
	}
}

func TestQEMULinkDownAndUpIsFollowed(t *testing.T) {
	e := openEVK(t)
	e.qemu.Monitor("set_link n0 off")
	e.mac.Tick()
	if e.mac.dev.Carrier() {
		t.Error("carrier with the cable out")
	}
	e.qemu.Monitor("set_link n0 on")
	e.mac.Tick()
	if !e.mac.dev.Carrier() {
		t.Error("no carrier with the cable in")
	}
	e.wantAlive()
}

func TestQEMUOtherAddressHasNoPHYAndTheMACStillOpens(t *testing.T) {
	e := openEVK(t, func(c *Config) { c.Port.PHY = 17 })
	if e.mac.PHY() != nil || e.mac.dev.Carrier() {
		t.Error("a PHY where there is none")
	}
	e.wantAlive()
}

func TestQEMUFramesOfEveryLengthBothWays(t *testing.T) {
	e := openEVK(t, rings(17, 5))
	for n := 60; n <= 1514; n += 7 {
		out, in := frame(otherMAC, n, n), frame(ourMAC, n, n+1)
		if st := e.xmit(out[:14], out[14:]); st != netdev.TxOK {
			t.Fatalf("status %d", st)
		}
		if f := e.wire.Receive(5 * time.Second); !bytes.Equal(f, out) {
			t.Fatalf("%d bytes: %d on the wire", n, len(f))
		}
		e.got, e.n = nil, 0
		e.wire.Send(in)
		e.received(1)
		if !bytes.Equal(e.got[0], in) {
			t.Fatalf("%d bytes: wrong frame received", n)
		}
	}
}

func TestQEMUFloodFillsTheRingAndLosesNothing(t *testing.T) {
	e := openEVK(t, rings(16, 16))
	const frames = 200 // QEMU keeps what does not fit
	go func() {
		for i := range frames {
			e.wire.Send(frame(ourMAC, 60+i, i))
		}
	}()
	for deadline := time.Now().Add(10 * time.Second); e.stat("rx_ring_filled") < 16; {
		if time.Now().After(deadline) {
			t.Fatal("the ring never fills")
		}
	}
	// With the ring full: MDIO accesses, which clear their own event.
	e.mac.look()
	e.received(frames)
	for i, f := range e.got {
		if !bytes.Equal(f, frame(ourMAC, 60+i, i)) {
			t.Fatalf("frame %d is out of order", i)
		}
	}
	e.wantAlive()
}

func TestQEMUBadFramesAreCountedAndTheNextOneComesUp(t *testing.T) {
	for _, c := range []struct {
		name, stat string
		frame      []byte
		uncut      bool // FTRL cuts nothing
	}{
		{"shorter than a header", "rx_runt", frame(ourMAC, 20, 0)[:10], false},
		{"one byte too long", "rx_too_long", frame(ourMAC, 1515, 0), false},
		{"one byte too long with a tag", "rx_truncated", vlan(frame(ourMAC, 1515, 0)), false},
		{"jumbo", "rx_truncated", frame(ourMAC, 9000, 0), false},
		{"in two buffers", "rx_multi_bd", frame(ourMAC, 2000, 0), true},
		{"in six buffers", "rx_multi_bd", frame(ourMAC, 9000, 0), true},
		{"for somebody else", "rx_other_host", frame(otherMAC, 60, 0), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := openEVK(t, rings(8, 4))
			if c.uncut {
				e.qemu.Write32(enet1+regFTRL, 0x3fff)
			}
			for i := range 10 {
				e.wire.Send(c.frame)
				good := frame(ourMAC, 100, i)
				e.wire.Send(good)
				e.received(i + 1)
				if !bytes.Equal(e.got[i], good) {
					t.Fatal("wrong frame")
				}
			}
			if n := e.stat(c.stat); n != 10 {
				t.Errorf("%s is %d", c.stat, n)
			}
		})
	}
}

func TestQEMUFrameThatSwallowsTheWholeRingDoesNotEndReception(t *testing.T) {
	e := openEVK(t, rings(2, 4))
	e.qemu.Write32(enet1+regFTRL, 0x3fff)
	e.wire.Send(frame(ourMAC, 9000, 0)) // six buffers into two: its end is lost
	e.until("the drop", func() bool { return e.stat("rx_multi_bd") == 1 })
	e.wire.Send(frame(ourMAC, 60, 0)) // taken for its end
	e.wire.Send(frame(ourMAC, 60, 1))
	e.received(1)
	e.wantAlive()
}

func TestQEMUShortAndTaggedFramesComeUp(t *testing.T) {
	e := openEVK(t)
	frames := [][]byte{frame(bcastMAC, 42, 0), vlan(frame(ourMAC, 1514, 1)), frame(groupMAC, 90, 2)}
	for _, f := range frames {
		e.wire.Send(f)
	}
	e.received(len(frames))
	for i, f := range frames {
		if !bytes.HasPrefix(e.got[i], f) { // newer QEMU pads
			t.Errorf("frame %d differs", i)
		}
	}
}

func TestQEMUReopenedMACWorks(t *testing.T) {
	e := openEVK(t)
	for range 3 {
		e.wantAlive()
		if err := e.mac.dev.Stop(); err != nil {
			t.Fatal(err)
		}
		if e.qemu.Read32(enet1+regEIMR) != 0 || e.qemu.Read32(enet1+regECR)&ecrETHEREN != 0 {
			t.Error("the MAC still runs")
		}
		if err := e.mac.dev.Open(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestQEMUMACWorksAfterARestart(t *testing.T) {
	e := openEVK(t)
	e.mac.request(todoRestart)
	e.until("the restart", func() bool { return e.stat("mac_restarts") == 1 })
	e.wantAlive()
}

func TestQEMUSeizedMACSendsAndReceivesOnEitherRing(t *testing.T) {
	for _, c := range []struct {
		name    string
		setup   func(e *evk)
		private uint64
	}{
		{"healthy", func(e *evk) { e.mac.dev.Open(); e.wantAlive() }, 0},
		{"inside StartXmit", func(e *evk) { e.mac.dev.Open(); e.mac.txBusy.Store(true) }, 1},
		{"inside the poll", func(e *evk) { e.mac.dev.Open(); e.mac.rxBusy.Store(true) }, 1},
		{"never opened", func(e *evk) { e.mac.PowerUp() }, 1},
		{"probed", func(e *evk) { e.mac.Probe() }, 1},
		{"while it opens", func(e *evk) { e.mac.dev.Open(); e.mac.state.Store(stateOpening) }, 1},
		{"closed", func(e *evk) { e.mac.dev.Open(); e.mac.dev.Stop() }, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newEVK(t)
			c.setup(e)
			for round := range 2 {
				var err error
				inTrap(func() { err = e.mac.Seize() })
				if err != nil {
					t.Fatal(err)
				}
				for i := range 3 * privateRx {
					out, in := frame(bcastMAC, 100+i, i), frame(ourMAC, 300, i+round<<8)
					if st := e.xmit(out); st != netdev.TxOK {
						t.Fatalf("status %d", st)
					}
					if f := e.wire.Receive(5 * time.Second); !bytes.Equal(f, out) {
						t.Fatalf("%d bytes on the wire", len(f))
					}
					e.wire.Send(in)
					got := 0
					for deadline := time.Now().Add(10 * time.Second); got == 0; {
						inTrap(func() {
							e.mac.PollController()
							e.mac.PollRx(4, func(f []byte) {
								if bytes.Equal(f, in) {
									got++
								}
							})
						})
						if time.Now().After(deadline) {
							t.Fatal("nothing received")
						}
					}
				}
			}
			if n := e.stat("private_rings"); n != c.private {
				t.Errorf("private_rings %d", n)
			}
			if level, _ := e.qemu.IRQ(e.at.spi); level {
				t.Error("the interrupt line is up")
			}
		})
	}
}

package enet

import (
	"bytes"
	"log/slog"
	"testing"
	"time"
	"unsafe"

	"github.com/gasp-go/gasp/board"
	"github.com/gasp-go/gasp/board/dma"
	"github.com/gasp-go/gasp/board/mmio"
	"github.com/gasp-go/gasp/board/trap"
	"github.com/gasp-go/gasp/internal/macmodel"
	"github.com/gasp-go/gasp/stack/netdev"
)

const (
	benchBase = 0x02188000
	benchPhys = 0x80800000
	benchIRQ  = 150
)

var (
	ourMAC   = [6]byte{0x02, 0x11, 0x22, 0x33, 0x44, 0x55}
	otherMAC = [6]byte{0x02, 0x11, 0x22, 0x33, 0x44, 0x56}
	bcastMAC = [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	groupMAC = [6]byte{0x33, 0x33, 0, 0, 0, 1}
)

// bench is a MAC on a model, with everything around it driven by the test: the
// interrupt is delivered and the network thread runs in step.
type bench struct {
	t     testing.TB
	model *macmodel.Model
	mac   *MAC
	soft  *netdev.Softnet
	log   bytes.Buffer
	got   [][]byte
	quiet bool // received frames are only counted
	n     int
	irqOn bool
	top   func()
}

func (b *bench) Handle(irq int, top func()) { b.top = top }
func (b *bench) Enable(irq int)             { b.irqOn = irq == benchIRQ }
func (b *bench) Disable(irq int)            { b.irqOn = false }

// onKernel: trap.Run goes into the kernel, where the model, which allocates, locks
// and fails tests, would be in trap context.
var onKernel = trap.Enter != nil

func newBench(t testing.TB, change ...func(*Config)) *bench {
	t.Helper()
	if onKernel {
		t.Skip("the model of the MAC cannot be used in trap context")
	}
	mem := make([]byte, 1<<20)
	b := &bench{t: t, model: macmodel.New(benchBase, mem, benchPhys)}
	b.soft = netdev.NewSoftnet(func() {})
	cfg := Config{
		Port: board.Ethernet{Name: "eth0", PHY: 2, RMII: true, Controller: board.Controller{
			IRQ: benchIRQ, Clock: 66_000_000, MAC: func() [6]byte { return ourMAC }}},
		Regs: mmio.Through(b.model, benchBase), DMA: dma.NewRegion(mem, benchPhys),
		Softnet: b.soft, IRQ: b, Now: b.model.Now, Period: -1,
		Sleep: func(d time.Duration) { b.model.Advance(int64(d)) },
		Log:   slog.New(slog.NewTextHandler(&b.log, nil)),
	}
	for _, fn := range change {
		fn(&cfg)
	}
	var err error
	if b.mac, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	b.mac.dev.SetReceive(func(f []byte, _ netdev.RxFlags) {
		b.n++
		if !b.quiet {
			b.got = append(b.got, bytes.Clone(f))
		}
	})
	t.Cleanup(func() {
		for _, s := range b.model.Bugs() {
			t.Errorf("model: %s", s)
		}
	})
	return b
}

func openBench(t testing.TB, change ...func(*Config)) *bench {
	t.Helper()
	b := newBench(t, change...)
	if err := b.mac.dev.Open(); err != nil {
		t.Fatal(err)
	}
	return b
}

func rings(rx, tx int) func(*Config) {
	return func(c *Config) { c.RxRing, c.TxRing = rx, tx }
}

// inTrap runs fn as the kernel would.
func inTrap(fn func()) {
	trap.Run(func(unsafe.Pointer) { fn() }, nil)
}

// step delivers interrupts and runs the network thread until nothing is left
// to do. It returns the number of interrupts.
func (b *bench) step() (irqs int) {
	b.t.Helper()
	for range 1000 {
		if b.irqOn && b.model.IRQ() {
			inTrap(b.top)
			irqs++
			b.soft.Poll()
			continue
		}
		if !b.soft.Poll() && !(b.irqOn && b.model.IRQ()) {
			return irqs
		}
	}
	b.t.Fatal("interrupts or polls never end")
	return irqs
}

func (b *bench) xmit(parts ...[]byte) (st netdev.TxStatus) {
	inTrap(func() { st = b.mac.StartXmit(parts, 0) })
	return st
}

func (b *bench) stat(name string) uint64 {
	b.t.Helper()
	for _, s := range b.mac.Stats() {
		if s.Name == name {
			return s.Value
		}
	}
	b.t.Fatalf("no statistic %q", name)
	return 0
}

func (b *bench) wantStat(name string, want uint64) {
	b.t.Helper()
	if v := b.stat(name); v != want {
		b.t.Errorf("%s is %d, want %d", name, v, want)
	}
}

// frame returns a frame of n bytes, without FCS, that can be told from others
// by id.
func frame(dst [6]byte, n, id int) []byte {
	f := make([]byte, n)
	copy(f, dst[:])
	copy(f[6:], otherMAC[:])
	f[12], f[13] = 0x08, 0x00
	for i := 14; i < n; i++ {
		f[i] = byte(id + i)
	}
	if n >= 18 {
		f[14], f[15], f[16], f[17] = byte(id>>24), byte(id>>16), byte(id>>8), byte(id)
	}
	return f
}

func addr(p *byte) uintptr { return uintptr(unsafe.Pointer(p)) }

func vlan(f []byte) []byte {
	out := append(bytes.Clone(f[:12]), 0x81, 0x00, 0x00, 0x05)
	return append(out, f[12:]...)
}

// wantAlive checks that frames go both ways.
func (b *bench) wantAlive() {
	b.t.Helper()
	b.step()
	b.model.Sent()
	b.got = nil
	for i := range 3 {
		out, in := frame(otherMAC, 100, 7000+i), frame(ourMAC, 200, 8000+i)
		if st := b.xmit(out); st != netdev.TxOK {
			b.t.Fatalf("not alive: transmit status %d", st)
		}
		if !b.model.Deliver(in) {
			b.t.Fatal("not alive: the device has no receive descriptor")
		}
		b.step()
		if s := b.model.Sent(); len(s) != 1 || !bytes.Equal(s[0], out) {
			b.t.Fatalf("not alive: sent %d frames", len(s))
		}
		if len(b.got) != 1 || !bytes.Equal(b.got[0], in) {
			b.t.Fatalf("not alive: received %d frames", len(b.got))
		}
		b.got = nil
	}
}

// wantSeizedAlive checks that the panic path can send and receive.
func (b *bench) wantSeizedAlive(context string) {
	b.t.Helper()
	b.model.Sent()
	for i := range 3 * privateRx {
		out, in := frame(otherMAC, 100, 7000+i), frame(ourMAC, 200, 8000+i)
		if st := b.xmit(out); st != netdev.TxOK {
			b.t.Fatalf("%s: transmit status %d", context, st)
		}
		idle, got := false, 0
		inTrap(func() { idle = b.mac.TxIdle() })
		if s := b.model.Sent(); !idle || len(s) != 1 || !bytes.Equal(s[0], out) {
			b.t.Fatalf("%s: idle %v, %d frames sent", context, idle, len(s))
		}
		if !b.model.Deliver(in) {
			b.t.Fatalf("%s: the device has no receive descriptor", context)
		}
		inTrap(func() {
			b.mac.PollController()
			b.mac.PollRx(4, func(f []byte) {
				if bytes.Equal(f, in) {
					got++
				}
			})
		})
		if got != 1 {
			b.t.Fatalf("%s: received %d frames", context, got)
		}
	}
	if b.model.IRQ() {
		b.t.Errorf("%s: the interrupt line is up", context)
	}
}

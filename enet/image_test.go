//go:build arm && mx6ulevk

package enet

import (
	"flag"
	"log/slog"
	"os"
	"runtime"
	"testing"
	"unsafe"

	"github.com/gasp-go/gasp/board"
	"github.com/gasp-go/gasp/board/dma"
	"github.com/gasp-go/gasp/board/kernel"
	"github.com/gasp-go/gasp/board/mmio"
	"github.com/gasp-go/gasp/board/trap"
	"github.com/gasp-go/gasp/stack/netdev"
)

var cached = flag.Bool("cached", false, "receive buffers in cached memory")

// pair is the board's two ports, joined by a hub ("gasp test -image -net
// loop"), with no network thread: the benchmark polls. Made once, as DMA memory
// and NAPI instances are for ever.
var pair struct {
	mac  [2]*MAC
	soft *netdev.Softnet
}

type kernelIRQ struct{}

func (kernelIRQ) Handle(irq int, top func()) { kernel.HandleIRQ(irq, top) }
func (kernelIRQ) Enable(irq int)             { kernel.EnableIRQ(irq) }
func (kernelIRQ) Disable(irq int)            { kernel.DisableIRQ(irq) }

func openPair(t testing.TB) (from, to *MAC, soft *netdev.Softnet) {
	t.Helper()
	if pair.soft == nil {
		pair.soft = netdev.NewSoftnet(func() {})
		region := dma.NewRegion(kernel.DMA())
		bufs := region
		if *cached {
			mem, phys := kernel.StreamingDMA()
			bufs = dma.NewStreaming(mem, phys, dma.CPU)
		}
		for i, port := range board.Current().Ethernet {
			m, err := New(Config{
				Port: port, Regs: mmio.At(port.Base), MDIO: mmio.At(port.MDIO), DMA: region, RxBuffers: bufs,
				Softnet: pair.soft, IRQ: kernelIRQ{}, Now: kernel.Nanotime, Period: -1,
				Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
			})
			if err != nil {
				t.Fatal(err)
			}
			pair.mac[i] = m
			if err := m.Device().Open(); err != nil {
				t.Fatal(err)
			}
			if !m.Device().Carrier() {
				t.Fatalf("%s has no link", port.Name)
			}
		}
	}
	return pair.mac[1], pair.mac[0], pair.soft
}

// settle polls until nothing is left to do.
func settle(soft *netdev.Softnet) {
	for soft.Poll() {
	}
}

func BenchmarkReceiveAndDropSaturated(b *testing.B) {
	from, to, soft := openPair(b)
	n := 0
	to.Device().SetReceive(func(_ []byte, _ netdev.RxFlags) { n++ })
	f := frame(to.Device().MAC(), 60, 1)
	parts := [][]byte{f}
	const burst = 64
	total, frames := int64(0), 0
	for range b.N {
		trap.Run(func(unsafe.Pointer) { to.regs.Write32(regEIMR, 0) }, nil)
		for range burst {
			from.Device().Xmit(parts, 0)
		}
		settle(soft)
		trap.Run(trapSchedule, unsafe.Pointer(to))
		start, was := kernel.Nanotime(), n
		soft.Poll()
		total += kernel.Nanotime() - start
		frames += n - was
		settle(soft)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(total)/float64(frames), "instr/frame")
}

func BenchmarkInterruptAndReceiveOne(b *testing.B) {
	from, to, soft := openPair(b)
	n := 0
	to.Device().SetReceive(func(_ []byte, _ netdev.RxFlags) { n++ })
	f := frame(to.Device().MAC(), 60, 1)
	parts := [][]byte{f}
	total := int64(0)
	for range b.N {
		trap.Run(func(unsafe.Pointer) { kernel.DisableIRQ(to.cfg.Port.IRQ) }, nil)
		from.Device().Xmit(parts, 0)
		settle(soft)
		start := kernel.Nanotime()
		trap.Run(func(unsafe.Pointer) { to.Interrupt() }, nil)
		soft.Poll()
		total += kernel.Nanotime() - start
		kernel.EnableIRQ(to.cfg.Port.IRQ)
	}
	if n < b.N {
		b.Errorf("%d of %d frames", n, b.N)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(total)/float64(n), "instr/frame")
}

func BenchmarkTransmit(b *testing.B) {
	for _, c := range []struct {
		name string
		size int
	}{{"60", 60}, {"1514", 1514}} {
		b.Run(c.name, func(b *testing.B) {
			from, to, soft := openPair(b)
			to.Device().SetReceive(func(_ []byte, _ netdev.RxFlags) {})
			f := frame(otherMAC, c.size, 1)
			parts := [][]byte{f[:14], f[14:]}
			total := int64(0)
			for range b.N {
				trap.Run(func(unsafe.Pointer) { from.regs.Write32(regEIMR, 0); to.regs.Write32(regEIMR, 0) }, nil)
				start := kernel.Nanotime()
				for range 16 {
					from.Device().Xmit(parts, 0)
				}
				total += kernel.Nanotime() - start
				trap.Run(trapSchedule, unsafe.Pointer(to))
				trap.Run(trapSchedule, unsafe.Pointer(from))
				settle(soft)
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(total)/float64(b.N*16), "instr/frame")
		})
	}
}

func TestOnTargetNeitherDirectionAllocates(t *testing.T) {
	from, to, soft := openPair(t)
	n := 0
	to.Device().SetReceive(func([]byte, netdev.RxFlags) { n++ })
	f := packet(to.Device().MAC(), 17, 200, false)
	parts := [][]byte{f[:14], f[14:]}
	run := func() {
		for range 100 {
			from.Device().Xmit(parts, netdev.TxChecksumL4|netdev.TxChecksumIP)
			settle(soft)
		}
	}
	run()
	var before, after runtime.MemStats
	was := n
	runtime.ReadMemStats(&before)
	run()
	runtime.ReadMemStats(&after)
	if got := n - was; got != 100 {
		t.Errorf("%d of 100 frames arrived", got)
	}
	// The interrupts come to their top halves as they do in a firmware; what
	// the test's own goroutines allocate meanwhile is bounded.
	if a := after.Mallocs - before.Mallocs; a > 20 {
		t.Errorf("%d allocations for 100 frames", a)
	}
}

package enet

import (
	"errors"
	"log/slog"
	"time"

	"github.com/gasp-go/gasp/board"
	"github.com/gasp-go/gasp/board/dma"
	"github.com/gasp-go/gasp/board/mmio"
	"github.com/gasp-go/gasp/stack/netdev"
)

// IRQController routes the MAC's interrupt to its top half.
type IRQController interface {
	Handle(irq int, top func()) // top is called in trap context
	Enable(irq int)
	Disable(irq int)
}

// Config is what a MAC needs. Port, Regs, DMA and Softnet must be set.
type Config struct {
	Port board.Ethernet
	Regs mmio.Block  // the MAC's registers
	MDIO mmio.Block  // the registers of the MAC whose MDIO bus the PHY is on, which Port.PowerUp gives its clock too; zero: Regs
	DMA  *dma.Region // coherent

	// RxBuffers is where receive buffers come from, default DMA. Streaming
	// memory makes the one copy of a received frame faster on CPUs with caches.
	RxBuffers *dma.Region

	// RxRing and TxRing are the descriptors of the rings, default 128 each.
	// A descriptor costs 1568 bytes of DMA memory, the defaults and the panic
	// path's rings together 440 KB.
	RxRing, TxRing int

	MAC     [6]byte // the station address; zero: the port's; that zero too: a random one
	Softnet *netdev.Softnet
	IRQ     IRQController // nil: Interrupt is called by other means
	Now     func() int64  // ns, monotonic, any context; nil: the runtime's clock
	Sleep   func(time.Duration)

	// Off are features that are off at first. Trust believes a receive
	// checksum even from a MAC that does not show that it has checked it, as
	// QEMU's: see rxFlags.
	Off   netdev.Features
	Trust bool

	// Period is how often PHY and transmit ring are looked after; default 1 s,
	// negative: only when Tick is called.
	Period time.Duration
	Quirks Quirks
	Log    *slog.Logger // nil: slog.Default()
}

const (
	defaultRing = 128

	// bufSize holds the largest frame there can be, with the two bytes before
	// it: FTRL cuts longer ones, so on the real MAC a frame never takes two
	// descriptors.
	bufSize = 1536

	// The private rings of the panic path.
	privateRx = 16
	privateTx = 8
)

// complete checks a Config and fills in its defaults.
func (c *Config) complete() error {
	if c.Softnet == nil || c.DMA == nil || c.Regs == (mmio.Block{}) {
		return errors.New("enet: Config needs Regs, DMA and Softnet")
	}
	if c.MDIO == (mmio.Block{}) {
		c.MDIO = c.Regs
	}
	if c.RxBuffers == nil {
		c.RxBuffers = c.DMA
	}
	if c.RxRing == 0 {
		c.RxRing = defaultRing
	}
	if c.TxRing == 0 {
		c.TxRing = defaultRing
	}
	if c.Now == nil {
		start := time.Now()
		c.Now = func() int64 { return int64(time.Since(start)) }
	}
	if c.Sleep == nil {
		c.Sleep = time.Sleep
	}
	if c.Period == 0 {
		c.Period = time.Second
	}
	if c.Port.Name == "" {
		c.Port.Name = "eth0"
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return nil
}

//go:build arm

// Package imx6ul is NXP's i.MX 6UltraLite: what every board with it has in
// common.
package imx6ul

import (
	"github.com/gasp-go/gasp/board"
	"github.com/gasp-go/gasp/board/imx"
	"github.com/gasp-go/gasp/board/kernel"
	"github.com/gasp-go/gasp/board/mmio"
)

// Physical addresses (i.MX 6UltraLite Applications Processor Reference Manual,
// chapter "Memory Maps") and interrupts (chapter "Interrupts and DMA Events";
// GIC number = 32 + the manual's).
const (
	gicd  = 0x00a01000
	gicc  = 0x00a02000
	enet2 = 0x020b4000
	wdog1 = 0x020bc000
	ccm   = 0x020c4000
	snvs  = 0x020cc000
	src   = 0x020d8000
	caam  = 0x02140000
	enet1 = 0x02188000
	ocotp = 0x021bc000

	spi      = 32
	ipgClock = 66_000_000  // Hz, ipg_clk as the boot ROM sets it
	ahbClock = 132_000_000 // Hz, ahb_clk_root, likewise: ipg_clk is half of it
)

// UARTs that a console can be on.
var (
	UART1 = imx.UART{Regs: mmio.At(0x02020000), IRQ: spi + 26}
	UART2 = imx.UART{Regs: mmio.At(0x021e8000), IRQ: spi + 27}
	UART3 = imx.UART{Regs: mmio.At(0x021ec000), IRQ: spi + 28}
	UART4 = imx.UART{Regs: mmio.At(0x021f0000), IRQ: spi + 29}
)

// The two MACs.
var (
	ENET1 = board.Controller{Base: enet1, IRQ: spi + 118, Clock: ipgClock, Coalesce: ahbClock, MAC: mac1}
	ENET2 = board.Controller{Base: enet2, IRQ: spi + 120, Clock: ipgClock, Coalesce: ahbClock, MAC: mac2}
)

func mac1() [6]byte { return imx.MAC(mmio.At(enet1), mmio.At(ocotp), 0) }
func mac2() [6]byte { return imx.MAC(mmio.At(enet2), mmio.At(ocotp), 1) }

// Kernel is what the kernel has to know.
var Kernel = kernel.SoC{
	RAMBase: 0x80000000,
	RAMMax:  1 << 30,
	VMBase:  0x40000000,
	VMSize:  1 << 30,
	Devices: [4]kernel.Range{
		{Base: 0x00a00000, Size: 1 << 20}, // GIC
		{Base: 0x02000000, Size: 3 << 20}, // AIPS-1, AIPS-2, AIPS-3
	},
	GICD:      gicd,
	GICC:      gicc,
	TimerIRQ:  29, // the kernel runs in secure state
	EarlyInit: earlyInit,
	Restart:   restart,

	WatchdogIRQ:   spi + 80,
	StartWatchdog: startWatchdog,
	PetWatchdog:   petWatchdog,

	Entropy: entropy,
	RTC:     now,
}

// SoC is what the firmware has to know.
var SoC = board.SoC{Name: "i.MX6UL", ResetCause: resetCause, RNG: &rng, RTC: &rtc}

var (
	watchdog = imx.Watchdog{Regs: mmio.At(wdog1)}
	rng      = imx.CAAM{Regs: mmio.At(caam)}
	rtc      = imx.SNVS{Regs: mmio.At(snvs)}
)

func earlyInit() {
	imx.StayClocked(mmio.At(ccm))
	imx.ClockCAAM(mmio.At(ccm), false)
}

func entropy() (uint32, bool) { return rng.Word() }

func now() (int64, bool) { return rtc.Now() }

func resetCause() string { return imx.ResetCause(mmio.At(src), watchdog.Regs) }

func restart() { watchdog.Restart() }

func startWatchdog(timeout, pretimeout int64) { watchdog.Start(timeout, pretimeout) }

func petWatchdog() { watchdog.Pet() }

//go:build arm

// Package imx6q is NXP's i.MX 6Dual/6Quad: what every board with it has in
// common. One of its cores is used.
package imx6q

import (
	"github.com/gasp-go/gasp/board"
	"github.com/gasp-go/gasp/board/imx"
	"github.com/gasp-go/gasp/board/kernel"
	"github.com/gasp-go/gasp/board/mmio"
)

// Physical addresses (i.MX 6Dual/6Quad Applications Processor Reference Manual,
// chapter "Memory Maps") and interrupts (chapter "Interrupts and DMA Events";
// GIC number = 32 + the manual's).
const (
	mpcore = 0x00a00000 // SCU, interrupt controller, timers
	pl310  = 0x00a02000
	gpt    = 0x02098000
	wdog1  = 0x020bc000
	ccm    = 0x020c4000
	snvs   = 0x020cc000
	src    = 0x020d8000
	caam   = 0x02100000
	enet   = 0x02188000
	ocotp  = 0x021bc000

	spi      = 32
	ipgClock = 66_000_000 // Hz, ipg_clk as the boot ROM sets it
)

// UARTs that a console can be on.
var (
	UART1 = imx.UART{Regs: mmio.At(0x02020000), IRQ: spi + 26}
	UART2 = imx.UART{Regs: mmio.At(0x021e8000), IRQ: spi + 27}
	UART3 = imx.UART{Regs: mmio.At(0x021ec000), IRQ: spi + 28}
	UART4 = imx.UART{Regs: mmio.At(0x021f0000), IRQ: spi + 29}
)

// ENET is the MAC.
var ENET = board.Controller{Base: enet, IRQ: spi + 118, Clock: ipgClock, Gigabit: true, MAC: mac}

func mac() [6]byte { return imx.MAC(mmio.At(enet), mmio.At(ocotp), 0) }

// Kernel is what the kernel has to know.
var Kernel = kernel.SoC{
	RAMBase: 0x10000000,
	RAMMax:  1 << 30,
	VMBase:  0x90000000,
	VMSize:  1 << 30,
	Devices: [4]kernel.Range{
		{Base: mpcore, Size: 1 << 20},
		{Base: 0x02000000, Size: 2 << 20}, // AIPS-1, AIPS-2
	},
	GICD:      mpcore + 0x1000,
	GICC:      mpcore + 0x0100,
	MPCore:    mpcore,
	PL310:     pl310,
	TimerIRQ:  27,
	TimerHz:   timerHz,
	EarlyInit: earlyInit,
	Restart:   restart,

	WatchdogIRQ:   spi + 80,
	StartWatchdog: startWatchdog,
	PetWatchdog:   petWatchdog,

	Entropy: entropy,
	RTC:     now,
}

// SoC is what the firmware has to know.
var SoC = board.SoC{Name: "i.MX6Q", ResetCause: resetCause, RNG: &rng, RTC: &rtc}

var (
	watchdog = imx.Watchdog{Regs: mmio.At(wdog1)}
	rng      = imx.CAAM{Regs: mmio.At(caam)}
	rtc      = imx.SNVS{Regs: mmio.At(snvs)}
)

func earlyInit() {
	imx.StayClocked(mmio.At(ccm))
	imx.ClockCAAM(mmio.At(ccm), true)
}

func entropy() (uint32, bool) { return rng.Word() }

func now() (int64, bool) { return rtc.Now() }

func resetCause() string { return imx.ResetCause(mmio.At(src), watchdog.Regs) }

func restart() { watchdog.Restart() }

func startWatchdog(timeout, pretimeout int64) { watchdog.Start(timeout, pretimeout) }

func petWatchdog() { watchdog.Pet() }

// timerHz is PERIPHCLK: half of what the loader set the CPU to, and 100 MHz in
// QEMU.
func timerHz(counter func() uint32) uint32 {
	if hz := imx.MeasureHz(mmio.At(gpt), counter); hz != 0 {
		return hz
	}
	return 396_000_000 // the boot ROM's 792 MHz
}

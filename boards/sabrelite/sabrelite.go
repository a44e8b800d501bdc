//go:build arm

// Package sabrelite is Boundary Devices' BD-SL-i.MX6 (SABRE Lite, i.MX6Q) and
// QEMU's machine sabrelite, one of whose four cores it uses. Import it for its
// effect; build with -tags sabrelite. The console is UART2, QEMU's second
// serial port: -serial null -serial stdio.
package sabrelite

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
	ramBase  = 0x10000000
	mpcore   = 0x00a00000 // SCU, interrupt controller, timers
	pl310    = 0x00a02000
	gpt      = 0x02098000
	wdog1    = 0x020bc000
	ccm      = 0x020c4000
	enet     = 0x02188000
	ocotp    = 0x021bc000
	uart2    = 0x021e8000
	uart2IRQ = 32 + 27
	enetIRQ  = 32 + 118
)

// Start is the entry point of the firmware ("gasp build" passes it to the
// linker): it hands machine to the kernel.
func Start()

var entry = kernel.Entry

var machine = kernel.Machine{
	Name:    "sabrelite",
	RAMBase: ramBase,
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
	Putc:      putc,
	Restart:   restart,
}

// UART2 is the console.
var UART2 = imx.UART{Regs: mmio.At(uart2)}

var watchdog = imx.Watchdog{Regs: mmio.At(wdog1)}

func earlyInit() {
	imx.StayClocked(mmio.At(ccm))
	UART2.Init()
}

// timerHz is PERIPHCLK: half of what the loader set the CPU to, and 100 MHz in
// QEMU.
func timerHz(counter func() uint32) uint32 {
	if hz := imx.MeasureHz(mmio.At(gpt), counter); hz != 0 {
		return hz
	}
	return 396_000_000 // the boot ROM's 792 MHz
}

func putc(b byte) { UART2.Write(b) }

func restart() { watchdog.Restart() }

// ethernet is the one port, RGMII to a KSZ9021. Clocks, pads and the PHY's
// skews are as the loader left them; QEMU has nothing to set up.
var ethernet = []board.Ethernet{{
	Name: "eth0", Base: enet, MDIO: enet, PHY: -1, IRQ: enetIRQ, Clock: 66_000_000, Gigabit: true,
	MAC: func() [6]byte { return imx.MAC(mmio.At(enet), mmio.At(ocotp), 0) },
}}

func init() {
	board.Register(&board.Board{
		Name:       "sabrelite",
		SoC:        "i.MX6Q",
		Console:    &UART2,
		ConsoleIRQ: uart2IRQ,
		Ethernet:   ethernet,
		ResetCause: watchdog.ResetCause,
		Restart:    restart,
	})
}

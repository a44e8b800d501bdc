//go:build arm

// Package mx6ulevk is NXP's i.MX6UL EVK and QEMU's machine mcimx6ul-evk. Import
// it for its effect; build with -tags mx6ulevk.
package mx6ulevk

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
	ramBase  = 0x80000000
	gicd     = 0x00a01000
	gicc     = 0x00a02000
	uart1    = 0x02020000
	wdog1    = 0x020bc000
	ccm      = 0x020c4000
	enet1    = 0x02188000
	enet2    = 0x020b4000
	uart1IRQ = 32 + 26
	enet1IRQ = 32 + 118
	enet2IRQ = 32 + 120
)

// Start is the entry point of the firmware ("gasp build" passes it to the
// linker): it hands machine to the kernel.
func Start()

var entry = kernel.Entry

var machine = kernel.Machine{
	Name:    "mx6ulevk",
	RAMBase: ramBase,
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
	Putc:      putc,
	Restart:   restart,
}

// UART1 is the console.
var UART1 = imx.UART{Regs: mmio.At(uart1)}

var watchdog = imx.Watchdog{Regs: mmio.At(wdog1)}

func earlyInit() {
	imx.StayClocked(mmio.At(ccm))
	UART1.Init()
}

func putc(b byte) { UART1.Write(b) }

func restart() { watchdog.Restart() }

func init() {
	board.Register(&board.Board{
		Name:       "mx6ulevk",
		SoC:        "i.MX6UL",
		Console:    &UART1,
		ConsoleIRQ: uart1IRQ,
		Ethernet:   ethernet,
		ResetCause: watchdog.ResetCause,
		Restart:    restart,
	})
}

//go:build arm

// Package sabrelite is Boundary Devices' BD-SL-i.MX6 (SABRE Lite, i.MX6Q) and
// QEMU's machine sabrelite. Import it for its effect; build with -tags
// sabrelite. The console is UART2, QEMU's second serial port: -serial null
// -serial stdio.
package sabrelite

import (
	"github.com/gasp-go/gasp/board"
	"github.com/gasp-go/gasp/board/imx/imx6q"
	"github.com/gasp-go/gasp/board/kernel"
)

// Start is the entry point of the firmware ("gasp build" passes it to the
// linker): it hands machine to the kernel.
func Start()

var entry = kernel.Entry

var machine = kernel.Machine{Name: "sabrelite", SoC: &imx6q.Kernel, Init: initConsole, Putc: putc}

// console is UART2.
var console = &imx6q.UART2

func initConsole() { console.Init() }

func putc(b byte) { console.Write(b) }

// ethernet is the one port, RGMII to a KSZ9021. Clocks, pads and the PHY's
// skews are as the loader left them; QEMU has nothing to set up.
var ethernet = []board.Ethernet{{Controller: imx6q.ENET, Name: "eth0", PHY: -1}}

func init() {
	board.Register(&board.Board{
		Name:       "sabrelite",
		SoC:        &imx6q.SoC,
		Console:    console,
		ConsoleIRQ: console.IRQ,
		Ethernet:   ethernet,
	})
}

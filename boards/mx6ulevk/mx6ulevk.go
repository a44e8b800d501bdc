//go:build arm

// Package mx6ulevk is NXP's i.MX6UL EVK and QEMU's machine mcimx6ul-evk. Import
// it for its effect; build with -tags mx6ulevk.
package mx6ulevk

import (
	"github.com/gasp-go/gasp/board"
	"github.com/gasp-go/gasp/board/imx/imx6ul"
	"github.com/gasp-go/gasp/board/kernel"
)

// Start is the entry point of the firmware ("gasp build" passes it to the
// linker): it hands machine to the kernel.
func Start()

var entry = kernel.Entry

var machine = kernel.Machine{Name: "mx6ulevk", SoC: &imx6ul.Kernel, Init: initConsole, Putc: putc}

// console is UART1.
var console = &imx6ul.UART1

func initConsole() { console.Init() }

func putc(b byte) { console.Write(b) }

// ethernet are the two RMII ports. Both PHYs (KSZ8081) sit on ENET2's MDIO bus
// on the board; QEMU's model answers on the MAC's own bus unless told
// otherwise. The driver scans for the PHY.
//
// Clocks, pads and PHY reset are as the loader left them: U-Boot sets them up
// when it probes the ports. QEMU has nothing to set up.
var ethernet = []board.Ethernet{
	{Controller: imx6ul.ENET1, Name: "eth0", PHY: -1, RMII: true},
	{Controller: imx6ul.ENET2, Name: "eth1", PHY: -1, RMII: true},
}

func init() {
	board.Register(&board.Board{
		Name:       "mx6ulevk",
		SoC:        &imx6ul.SoC,
		Console:    console,
		ConsoleIRQ: console.IRQ,
		Ethernet:   ethernet,
	})
}

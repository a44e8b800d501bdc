//go:build arm

package mx6ulevk

import (
	"github.com/gasp-go/gasp/board"
	"github.com/gasp-go/gasp/board/imx"
	"github.com/gasp-go/gasp/board/mmio"
)

// ethernet are the EVK's two RMII ports. Both PHYs (KSZ8081) sit on ENET2's
// MDIO bus on the board; QEMU's model answers on the MAC's own bus unless told
// otherwise. The driver scans for the PHY.
//
// Clocks, pads and PHY reset are as the loader left them: U-Boot sets them up
// when it probes the ports. QEMU has nothing to set up.
var ethernet = []board.Ethernet{
	{Name: "eth0", Base: enet1, MDIO: enet1, PHY: -1, IRQ: enet1IRQ, Clock: ipgClock, RMII: true, MAC: mac0, PowerUp: powerUp},
	{Name: "eth1", Base: enet2, MDIO: enet2, PHY: -1, IRQ: enet2IRQ, Clock: ipgClock, RMII: true, MAC: mac1, PowerUp: powerUp},
}

const (
	ipgClock = 66_000_000 // Hz, ipg_clk as the boot ROM sets it
	ocotp    = 0x021bc000
)

func mac0() [6]byte { return imx.MAC(mmio.At(enet1), mmio.At(ocotp), 0) }
func mac1() [6]byte { return imx.MAC(mmio.At(enet2), mmio.At(ocotp), 1) }

func powerUp() error { return nil }

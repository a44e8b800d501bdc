//go:build arm

package mx6ulevk

import "github.com/gasp-go/gasp/board"

// ethernet are the EVK's two RMII ports. Both PHYs (KSZ8081) sit on ENET2's
// MDIO bus on the board; QEMU's models answer on each MAC's own bus. The
// driver reads PHY IDs to find out.
var ethernet = []board.Ethernet{
	{Name: "eth0", Base: enet1, MDIO: enet1, PHY: -1, IRQ: enet1IRQ, Clock: 66_000_000, RMII: true, MAC: noMAC, PowerUp: nothing},
	{Name: "eth1", Base: enet2, MDIO: enet2, PHY: -1, IRQ: enet2IRQ, Clock: 66_000_000, RMII: true, MAC: noMAC, PowerUp: nothing},
}

func noMAC() [6]byte { return [6]byte{} }

func nothing() error { return nil }

//go:build arm

package imx

import "github.com/gasp-go/gasp/board/mmio"

// Shadow registers of the fuses that hold Ethernet addresses (i.MX 6UltraLite
// Reference Manual, chapter "On-Chip OTP Controller", OCOTP_MAC0, OCOTP_MAC1,
// OCOTP_MAC): MAC1 is in MAC0 and the low half of MAC1, the second port's in
// the rest.
const (
	ocotpMAC0 = 0x620
	ocotpMAC1 = 0x630
	ocotpMAC2 = 0x640
)

// FuseMAC returns the address of Ethernet port (0 or 1) from the fuses at
// ocotp; all zero if none was blown.
func FuseMAC(ocotp mmio.Block, port int) (mac [6]byte) {
	var hi, lo uint32
	if port == 0 {
		lo, hi = ocotp.Read32(ocotpMAC0), ocotp.Read32(ocotpMAC1)&0xffff
	} else {
		m1, m2 := ocotp.Read32(ocotpMAC1), ocotp.Read32(ocotpMAC2)
		lo, hi = m1>>16|m2<<16, m2>>16
	}
	return [6]byte{byte(hi >> 8), byte(hi), byte(lo >> 24), byte(lo >> 16), byte(lo >> 8), byte(lo)}
}

// Physical address registers of ENET (chapter "10/100-Mbps Ethernet MAC").
const (
	enetPALR = 0x0e4
	enetPAUR = 0x0e8
)

// LoaderMAC returns the address that the loader programmed into the ENET at
// regs; all zero if it did not.
func LoaderMAC(regs mmio.Block) (mac [6]byte) {
	lo, hi := regs.Read32(enetPALR), regs.Read32(enetPAUR)
	return [6]byte{byte(lo >> 24), byte(lo >> 16), byte(lo >> 8), byte(lo), byte(hi >> 24), byte(hi >> 16)}
}

// MAC returns the address of the ENET at enet, which is the SoC's port 0 or 1:
// what the loader left there, otherwise what the fuses at ocotp hold.
func MAC(enet, ocotp mmio.Block, port int) [6]byte {
	if mac := LoaderMAC(enet); mac != [6]byte{} {
		return mac
	}
	return FuseMAC(ocotp, port)
}

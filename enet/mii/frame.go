// Package mii talks to Ethernet PHYs: over an ENET's MDIO port (IEEE 802.3
// clause 22), through the registers every PHY has.
package mii

// A management frame as the ENET's MMFR register takes it (IMX6ULRM, ENET
// chapter, "MII Management Frame Register"; IEEE 802.3 22.2.4.5):
//
//	31..30 ST  01
//	29..28 OP  10 read, 01 write
//	27..23 PA  PHY address
//	22..18 RA  register
//	17..16 TA  10
//	15..0  DATA
const (
	frameStart = 1 << 30
	opRead     = 2 << 28
	opWrite    = 1 << 28
	turnaround = 2 << 16
)

func readFrame(phy, reg uint8) uint32 {
	return frameStart | opRead | uint32(phy&31)<<23 | uint32(reg&31)<<18 | turnaround
}

func writeFrame(phy, reg uint8, v uint16) uint32 {
	return frameStart | opWrite | uint32(phy&31)<<23 | uint32(reg&31)<<18 | turnaround | uint32(v)
}

// Fields tells what a management frame asks for. For models and traces.
func Fields(frame uint32) (write bool, phy, reg uint8, v uint16) {
	return frame&(3<<28) == opWrite, uint8(frame >> 23 & 31), uint8(frame >> 18 & 31), uint16(frame)
}

//go:build arm

package imx

import "github.com/gasp-go/gasp/board/mmio"

// CCM registers (i.MX 6UltraLite Reference Manual, chapter "Clock Controller
// Module"; the same on i.MX6Q).
const (
	ccmCLPCR = 0x54 // low power control
	ccmCCGR0 = 0x68 // clock gates, two bits each
	ccmCCGR6 = 0x80

	ccgr0CAAM    = 0x3f << 8 // secure memory, wrapper ACLK and IPG
	ccgr6EIMSlow = 3 << 10
)

// ClockCAAM gives CAAM its clocks: without, the first access would hang the bus.
// On i.MX6Q (not 6UL) that takes the EIM's slow clock too.
func ClockCAAM(ccm mmio.Block, eim bool) {
	ccm.Write32(ccmCCGR0, ccm.Read32(ccmCCGR0)|ccgr0CAAM)
	if eim {
		ccm.Write32(ccmCCGR6, ccm.Read32(ccmCCGR6)|ccgr6EIMSlow)
	}
}

// StayClocked makes WFI leave the ARM clock on (CLPCR.LPM = RUN): in WAIT mode
// only shared interrupts would wake the CPU, not its own timer's.
func StayClocked(ccm mmio.Block) {
	const lpm = 3
	ccm.Write32(ccmCLPCR, ccm.Read32(ccmCLPCR)&^lpm)
}

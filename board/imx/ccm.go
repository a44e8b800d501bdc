//go:build arm

package imx

import "github.com/gasp-go/gasp/board/mmio"

// ccmCLPCR is the low power control register (i.MX 6UltraLite Reference Manual,
// chapter "Clock Controller Module", CCM_CLPCR; the same on i.MX6Q).
const ccmCLPCR = 0x54

// StayClocked makes WFI leave the ARM clock on (CLPCR.LPM = RUN): in WAIT mode
// only shared interrupts would wake the CPU, not its own timer's.
func StayClocked(ccm mmio.Block) {
	const lpm = 3
	ccm.Write32(ccmCLPCR, ccm.Read32(ccmCLPCR)&^lpm)
}

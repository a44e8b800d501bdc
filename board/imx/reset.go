package imx

import "github.com/gasp-go/gasp/board/mmio"

// Why the SoC last left reset: the System Reset Controller's status register
// (i.MX 6UltraLite Reference Manual, chapter "System Reset Controller") and the
// watchdog's, which tells its own two apart and which no loader can clear.
const (
	srcSRSR  = 0x8
	wdogWRSR = 0x4 // 16 bits

	srsrPOR  = 1 << 0 // ipp_reset_b
	srsrCSU  = 1 << 2
	srsrUser = 1 << 3 // ipp_user_reset_b
	srsrWDOG = 1 << 4 // any watchdog
	srsrJTAG = 1<<5 | 1<<6

	wrsrSFTW = 1 << 0
	wrsrTOUT = 1 << 1
	wrsrPOR  = 1 << 4
)

// ResetCause tells in a few words why the SoC last left reset, given the System
// Reset Controller and the first watchdog. U-Boot clears what the former says.
// QEMU's models say power-on after every reset.
func ResetCause(src, wdog mmio.Block) string {
	return resetCause(src.Read32(srcSRSR), wdog.Read16(wdogWRSR))
}

func resetCause(srsr uint32, wrsr uint16) string {
	switch {
	case wrsr&wrsrTOUT != 0:
		return "watchdog"
	case wrsr&wrsrSFTW != 0:
		return "software"
	case srsr&srsrWDOG != 0:
		return "another watchdog"
	case srsr&srsrJTAG != 0:
		return "debugger"
	case srsr&srsrCSU != 0:
		return "security violation"
	case srsr&srsrUser != 0:
		return "reset button"
	case srsr&srsrPOR != 0 || wrsr&wrsrPOR != 0:
		return "power-on"
	}
	return "unknown"
}

//go:build arm

package imx

import "unsafe"

// Watchdog registers (i.MX 6UltraLite Reference Manual, chapter "Watchdog
// Timer"), 16 bits wide.
const (
	wdogWCR  = 0x0
	wdogWRSR = 0x4

	wcrSRS = 1 << 4 // 0: assert software reset
	wcrWDA = 1 << 5 // 1: leave WDOG_B alone
	wcrWDE = 1 << 2

	wrsrSFTW = 1 << 0
	wrsrTOUT = 1 << 1
	wrsrPOR  = 1 << 4
)

func wdogReg(base, off uintptr) *uint16 {
	a := base + off
	return *(**uint16)(unsafe.Pointer(&a))
}

// WatchdogRestart resets the SoC through the watchdog at base. Trap context.
func WatchdogRestart(base uintptr) {
	// Erratum ERR004346: the bit must be cleared twice within one period of
	// the 32 kHz clock; three writes are sure to do that.
	for i := 0; i < 3; i++ {
		*wdogReg(base, wdogWCR) = wcrWDE
	}
}

// WatchdogResetCause tells from the watchdog at base why the SoC last left
// reset.
func WatchdogResetCause(base uintptr) string {
	switch s := *wdogReg(base, wdogWRSR); {
	case s&wrsrPOR != 0:
		return "power-on"
	case s&wrsrTOUT != 0:
		return "watchdog"
	case s&wrsrSFTW != 0:
		return "software"
	}
	return "unknown"
}

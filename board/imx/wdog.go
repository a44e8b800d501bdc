//go:build arm

package imx

import "github.com/gasp-go/gasp/board/mmio"

// Watchdog registers (i.MX 6UltraLite Reference Manual, chapter "Watchdog
// Timer"), 16 bits wide.
const (
	wdogWCR  = 0x0
	wdogWRSR = 0x4

	// WCR: SRS (bit 4) clear asserts the software reset, WDA (bit 5) clear the
	// WDOG_B pin, which resets the board's other chips.
	wcrWDE = 1 << 2

	wrsrSFTW = 1 << 0
	wrsrTOUT = 1 << 1
	wrsrPOR  = 1 << 4
)

// Watchdog is one of the SoC's watchdogs.
type Watchdog struct{ Regs mmio.Block }

// Restart resets the SoC. Trap context.
func (w *Watchdog) Restart() {
	// Erratum ERR004346: the bit must be cleared twice within one period of
	// the 32 kHz clock; three writes are sure to do that.
	for i := 0; i < 3; i++ {
		w.Regs.Write16(wdogWCR, wcrWDE)
	}
	for i := 0; i < 1_000_000; i++ { // it takes effect after a while
		w.Regs.Read16(wdogWRSR)
	}
}

// ResetCause tells why the SoC last left reset.
func (w *Watchdog) ResetCause() string {
	switch s := w.Regs.Read16(wdogWRSR); {
	case s&wrsrPOR != 0:
		return "power-on"
	case s&wrsrTOUT != 0:
		return "watchdog"
	case s&wrsrSFTW != 0:
		return "software"
	}
	return "unknown"
}

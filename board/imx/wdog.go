//go:build arm

package imx

import "github.com/gasp-go/gasp/board/mmio"

// Watchdog registers (i.MX 6UltraLite Reference Manual, chapter "Watchdog
// Timer"), 16 bits wide.
const (
	wdogWCR  = 0x0
	wdogWSR  = 0x2
	wdogWICR = 0x6
	wdogWMCR = 0x8

	// WCR: SRS clear asserts the software reset, WDA clear the WDOG_B pin, which
	// resets the board's other chips. WT is the timeout less one, in 0.5 s.
	wcrWDBG = 1 << 1 // stands still while a debugger has stopped the CPU
	wcrWDE  = 1 << 2
	wcrWDT  = 1 << 3 // the timeout asserts WDOG_B too
	wcrSRS  = 1 << 4
	wcrWDA  = 1 << 5
	wcrWT   = 8

	// WICR: WICT is how long before the timeout the interrupt comes, in 0.5 s. It
	// and WIE can be written once.
	wicrWTIS = 1 << 14 // the interrupt came; write one to clear
	wicrWIE  = 1 << 15

	halfSecond = 500_000_000
)

// Watchdog is one of the SoC's watchdogs.
type Watchdog struct{ Regs mmio.Block }

// Start arms the watchdog, which cannot be stopped then: without Pet it
// interrupts after pretimeout ns and resets the SoC after timeout ns, counted in
// half seconds, at least one of them and at most 128 s. Once. Trap context.
func (w *Watchdog) Start(timeout, pretimeout int64) {
	t := min(max(timeout/halfSecond, 1), 256)
	early := min(max(t-max(pretimeout/halfSecond, 1), 0), 255)
	w.Regs.Write16(wdogWMCR, 0) // the power-down counter, which runs from reset for 16 s
	w.Regs.Write16(wdogWICR, wicrWIE|wicrWTIS|uint16(early))
	w.Regs.Write16(wdogWCR, uint16(t-1)<<wcrWT|wcrWDA|wcrSRS|wcrWDE|wcrWDBG|wcrWDT)
	w.Pet()
}

// Pet starts the time anew and takes back the interrupt. It touches registers
// only. Any context, FIQ included.
func (w *Watchdog) Pet() {
	w.Regs.Write16(wdogWSR, 0x5555)
	w.Regs.Write16(wdogWSR, 0xaaaa)
	if icr := w.Regs.Read16(wdogWICR); icr&wicrWTIS != 0 {
		w.Regs.Write16(wdogWICR, icr)
	}
}

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

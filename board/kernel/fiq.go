//go:build arm

package kernel

import "unsafe"

// The FIQ: one interrupt in the GIC's group 0, with the highest priority, which
// the CPU takes whatever it does. Threads and the kernel never mask it, so it
// comes also while the kernel loops with interrupts off. It is the watchdog's.
//
// FIQ context is narrower than trap context: the code that was interrupted may be
// anything, the entry of an exception included. It touches memory that is always
// there, locks nothing and changes nothing that the kernel reads but fiqState.

// fiqState is all that FIQ context writes. It is mapped from boot on.
var fiqState struct {
	irq     int    // the interrupt that is the FIQ, 0: none
	count   uint32 // FIQs taken
	samples uint32 // dog.samples at the last one
	beats   uint32 // of the panic path, likewise
	beatAt  int64  // when those were first seen
	stalls  uint32 // FIQs since then

	abandoned bool // nobody pets the watchdog any more
}

const fiqStateSize = uint32(unsafe.Sizeof(fiqState))

// routeFIQ makes interrupt irq the FIQ. It reports false in non-secure state,
// where there is no group 0. Trap context.
func routeFIQ(irq int) bool {
	if irq < 32 || irq >= maxIRQ {
		return false
	}
	bit := uint32(1) << (uint32(irq) & 31)
	group := machine.GICD + gicdIGROUPR + uint32(irq)/32*4
	if load32(group)&bit == 0 {
		return false // the registers read as zero
	}
	store32(group, load32(group)&^bit)
	prio := machine.GICD + gicdIPRIORITY + uint32(irq)&^3
	store32(prio, load32(prio)&^(0xff<<(uint32(irq)&3*8)))
	fiqState.irq = irq
	enableIRQ(irq)
	return true
}

// fiq is called by vecFIQ, in FIQ context. Other than 0: the interrupted code
// dies.
func fiq(f *faultFrame) uint32 {
	iar := load32(machine.GICC + giccIAR)
	irq := int(iar & 0x3ff)
	if irq >= 1020 { // nothing is pending after all
		return 0
	}
	fatal := uint32(0)
	if irq != fiqState.irq {
		// Ours was taken back before we looked, and this came in its place. It is
		// interrupt's.
		if irq < maxIRQ {
			pendIRQ(irq)
		}
	} else if fiqState.count++; hardLockup() {
		fatal = 1
	}
	store32(machine.GICC+giccEOIR, iar)
	return fatal
}

// FIQCount returns how often the FIQ was taken: the watchdog's interrupt, while
// timer interrupts were late.
func FIQCount() uint32 { return fiqState.count }

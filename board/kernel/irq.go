//go:build arm

package kernel

// Interrupts: the GIC (ARM IHI 0048B), one CPU, no nesting. A top half runs in
// trap context. Interrupt numbers are the GIC's: SPI n is 32+n. All are in group
// 1, which the GIC signals as IRQ, but one in group 0, which is the FIQ (fiq.go).

const (
	maxIRQ = 256

	gicdCTLR      = 0x000
	gicdTYPER     = 0x004
	gicdIGROUPR   = 0x080
	gicdISENABLER = 0x100
	gicdICENABLER = 0x180
	gicdISPENDR   = 0x200
	gicdICPENDR   = 0x280
	gicdICACTIVER = 0x380
	gicdIPRIORITY = 0x400
	gicdITARGETS  = 0x800
	giccCTLR      = 0x000 // in secure state: EnableGrp0, EnableGrp1, AckCtl, FIQEn
	giccPMR       = 0x004
	giccIAR       = 0x00c
	giccEOIR      = 0x010
)

var (
	tops     [maxIRQ]func()
	irqCount [maxIRQ]uint32
	spurious uint32
)

func initIRQ() {
	store32(machine.GICD+gicdCTLR, 0)
	words := min(load32(machine.GICD+gicdTYPER)&0x1f+1, maxIRQ/32) // 32 interrupts each
	for i := uint32(0); i < words; i++ {
		store32(machine.GICD+gicdICENABLER+4*i, 0xffffffff)
		store32(machine.GICD+gicdICPENDR+4*i, 0xffffffff)   // what the loader
		store32(machine.GICD+gicdICACTIVER+4*i, 0xffffffff) // left behind
		store32(machine.GICD+gicdIGROUPR+4*i, 0xffffffff)
	}
	for i := uint32(0); i < words*8; i++ {
		store32(machine.GICD+gicdIPRIORITY+4*i, 0xa0a0a0a0)
		if i >= 8 {
			store32(machine.GICD+gicdITARGETS+4*i, 0x01010101)
		}
	}
	store32(machine.GICD+gicdCTLR, 3)
	store32(machine.GICC+giccPMR, 0xff)
	// AckCtl: one register acknowledges both groups (GICv1 has no other).
	store32(machine.GICC+giccCTLR, 0xf)
	enableIRQ(machine.TimerIRQ)
}

func enableIRQ(irq int) {
	store32(machine.GICD+gicdISENABLER+uint32(irq)/32*4, 1<<(uint32(irq)&31))
}

func disableIRQ(irq int) {
	store32(machine.GICD+gicdICENABLER+uint32(irq)/32*4, 1<<(uint32(irq)&31))
}

func pendIRQ(irq int) {
	store32(machine.GICD+gicdISPENDR+uint32(irq)/32*4, 1<<(uint32(irq)&31))
}

var inTopHalf bool

// Caller is who runs: the number of the thread, from 1, in whose system call or
// section the CPU is, or 0 in a top half. Trap context.
func Caller() uint32 {
	if inTopHalf {
		return 0
	}
	return threads[cur].id
}

// interrupt acknowledges one pending interrupt and runs its top half.
func interrupt() {
	if measure.on {
		measureIRQ()
	}
	iar := load32(machine.GICC + giccIAR)
	irq := int(iar & 0x3ff)
	if irq >= 1020 { // nothing is pending after all
		spurious++
		return
	}
	switch {
	case irq == machine.TimerIRQ:
		timerInterrupt()
	case irq >= maxIRQ:
		disableIRQ(irq)
		spurious++
	default:
		irqCount[irq]++
		if top := tops[irq]; top != nil {
			inTopHalf = true
			top()
			inTopHalf = false
		} else if irq == fiqState.irq {
			// It became pending behind the interrupt that brought us here. Nothing
			// hangs: interrupts are taken.
			machine.PetWatchdog()
		} else {
			disableIRQ(irq)
			spurious++
		}
	}
	stirIRQ(irq)
	store32(machine.GICC+giccEOIR, iar)
}

// HandleIRQ makes top the top half of interrupt irq and enables it. top runs
// in trap context and must quiet its device. Not from trap context.
func HandleIRQ(irq int, top func()) bool {
	if irq < 32 || irq >= maxIRQ {
		return false
	}
	tops[irq] = top
	enableIRQ(irq)
	return true
}

// EnableIRQ enables interrupt irq at the controller. Any context.
func EnableIRQ(irq int) {
	if irq >= 32 && irq < maxIRQ {
		enableIRQ(irq)
	}
}

// DisableIRQ disables interrupt irq at the controller. Any context.
func DisableIRQ(irq int) {
	if irq >= 32 && irq < maxIRQ {
		disableIRQ(irq)
	}
}

// PendIRQ makes interrupt irq pending at the controller, as if its device had
// raised it. Any context.
func PendIRQ(irq int) {
	if irq >= 32 && irq < maxIRQ {
		pendIRQ(irq)
	}
}

// IRQCount returns how often interrupt irq was taken.
func IRQCount(irq int) uint32 {
	if irq < 0 || irq >= maxIRQ {
		return 0
	}
	return irqCount[irq]
}

// Spurious returns how many interrupts came that nobody handles.
func Spurious() uint32 { return spurious }

//go:build arm

package kernel

// What a Cortex-A9 MPCore has beside the CPUs, in its private memory region
// (Cortex-A9 MPCore Technical Reference Manual, ARM DDI 0407): the snoop
// control unit and the global timer, a 64-bit counter that runs at PERIPHCLK,
// with a comparator for each CPU. The interrupt controller in the same region is
// irq.go's. The level 2 cache beside it is a PL310 (ARM DDI 0246).

const (
	scuControl = 0x000
	scuTags    = 0x00c // invalidate, four ways of each CPU

	gtCounterLo = 0x200
	gtCounterHi = 0x204
	gtControl   = 0x208
	gtStatus    = 0x20c
	gtCompareLo = 0x210
	gtCompareHi = 0x214

	gtEnable  = 1 << 0
	gtCompare = 1 << 1
	gtIRQ     = 1 << 2

	l2Control  = 0x100
	l2Sync     = 0x730
	l2CleanInv = 0x7fc // by way
)

// initMPCore makes the CPU's cache usable: with ACTLR.SMP set (mmuOn) it works
// through the SCU. The level 2 cache stays off: caches are maintained for
// devices by CPU instructions alone, which it does not see, and it would
// cache DMA memory. It runs with MMU off.
func initMPCore() {
	if l2 := machine.PL310; l2 != 0 && load32(l2+l2Control)&1 != 0 {
		store32(l2+l2CleanInv, 0xffff)
		for i := 0; i < 10_000_000 && load32(l2+l2CleanInv) != 0; i++ {
		}
		store32(l2+l2Sync, 0)
		store32(l2+l2Control, 0)
	}
	if scu := machine.MPCore; scu != 0 && load32(scu+scuControl)&1 == 0 {
		store32(scu+scuTags, 0xffff)
		store32(scu+scuControl, load32(scu+scuControl)|1)
	}
}

// globalCounter reads the halves so that they belong together.
func globalCounter() uint64 {
	for {
		hi := load32(machine.MPCore + gtCounterHi)
		lo := load32(machine.MPCore + gtCounterLo)
		if load32(machine.MPCore+gtCounterHi) == hi {
			return uint64(hi)<<32 | uint64(lo)
		}
	}
}

// globalAlarm sets the comparator in the manual's order, in which no half
// written value can match. The counter runs, without prescaler.
func globalAlarm(at uint64) {
	store32(machine.MPCore+gtControl, gtEnable)
	store32(machine.MPCore+gtCompareLo, uint32(at))
	store32(machine.MPCore+gtCompareHi, uint32(at>>32))
	store32(machine.MPCore+gtControl, gtEnable|gtCompare|gtIRQ)
}

// globalAlarmOff also takes back an alarm that has come. Erratum 740657: the
// timer could raise a second one, unless the comparator lies in the future when
// the event is cleared.
func globalAlarmOff() {
	store32(machine.MPCore+gtCompareLo, 0xffffffff)
	store32(machine.MPCore+gtCompareHi, 0xffffffff)
	store32(machine.MPCore+gtControl, gtEnable)
	store32(machine.MPCore+gtStatus, 1)
}

//go:build arm

package kernel

// The generic timer (ARM DDI 0406C, B8), which Cortex-A7 and later have in the
// CPU: a 64-bit counter and, for alarms, the physical timer's compare value.

func cntpct() (lo, hi uint32)
func cntfrq() uint32
func setCNTP(lo, hi, ctl uint32)

// genericHz is the counter's rate as the loader told the CPU.
func genericHz() uint32 {
	if hz := cntfrq(); hz != 0 {
		return hz
	}
	return 24_000_000 // i.MX's oscillator, if no loader set CNTFRQ
}

func genericCounter() uint64 {
	lo, hi := cntpct()
	return uint64(hi)<<32 | uint64(lo)
}

func genericAlarm(at uint64) { setCNTP(uint32(at), uint32(at>>32), 1) }

func genericAlarmOff() { setCNTP(0, 0, 0) }

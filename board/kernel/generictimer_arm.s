#include "textflag.h"

// func cntpct() (lo, hi uint32)
TEXT ·cntpct(SB),NOSPLIT,$0-8
	WORD $0xec510f0e // mrrc p15, 0, r0, r1, c14
	MOVW R0, lo+0(FP)
	MOVW R1, hi+4(FP)
	RET

// func cntfrq() uint32
TEXT ·cntfrq(SB),NOSPLIT,$0-4
	MRC 15, 0, R0, C14, C0, 0
	MOVW R0, ret+0(FP)
	RET

// func setCNTP(lo, hi, ctl uint32)
TEXT ·setCNTP(SB),NOSPLIT,$0-12
	MOVW lo+0(FP), R0
	MOVW hi+4(FP), R1
	MOVW ctl+8(FP), R2
	WORD $0xec410f2e // mcrr p15, 2, r0, r1, c14 (CNTP_CVAL)
	MCR 15, 0, R2, C14, C2, 1 // CNTP_CTL
	WORD $0xf57ff06f // isb
	RET

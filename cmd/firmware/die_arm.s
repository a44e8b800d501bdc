#include "textflag.h"

// func undefined()
TEXT ·undefined(SB),NOSPLIT,$0-0
	WORD $0xe7f000f0 // udf #0
	RET

// func misaligned()
//
// LDRD needs an address in words, whatever SCTLR.A says.
TEXT ·misaligned(SB),NOSPLIT,$8-0
	ADD $1, R13, R0
	WORD $0xe1c020d0 // ldrd r2, r3, [r0]
	RET

// func irqsOff()
TEXT ·irqsOff(SB),NOSPLIT,$0-0
	WORD $0xf10c0080 // cpsid i
	B 0(PC)

// func allOff()
TEXT ·allOff(SB),NOSPLIT,$0-0
	WORD $0xf10c00c0 // cpsid if
	B 0(PC)

// func loop(stop *uint32)
TEXT ·loop(SB),NOSPLIT,$0-4
	MOVW stop+0(FP), R0
again:
	MOVW (R0), R1
	CMP $0, R1
	BEQ again
	RET

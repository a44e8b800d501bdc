#include "textflag.h"

// func invalidate(addr uintptr, n uint32)
TEXT ·invalidate(SB),NOSPLIT,$0-8
	MOVW addr+0(FP), R0
	MOVW n+4(FP), R1
	ADD R0, R1          // end
	MRC 15, 0, R2, C0, C0, 1 // CTR
	MOVW R2>>16, R2
	AND $15, R2
	MOVW $4, R3
	MOVW R3<<R2, R3     // bytes a line
	SUB $1, R3, R2
	BIC R2, R0
loop:
	MCR 15, 0, R0, C7, C6, 1 // DCIMVAC
	ADD R3, R0
	CMP R1, R0
	BLO loop
	WORD $0xf57ff04f // dsb sy
	RET

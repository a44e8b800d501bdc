#include "textflag.h"

// func copySum(sum uint32, to, from unsafe.Pointer, n int) uint32
TEXT ·copySum(SB),NOSPLIT,$0-20
	MOVW sum+0(FP), R0
	MOVW to+4(FP), R1
	MOVW from+8(FP), R2
	MOVW n+12(FP), R3
	SUB.S $16, R3
	BLT less
four:
	MOVM.IA.W (R2), [R4-R7]
	MOVM.IA.W [R4-R7], (R1)
	ADD R0@>27, R4, R0
	ADD R0@>27, R5, R0
	ADD R0@>27, R6, R0
	ADD R0@>27, R7, R0
	SUB.S $16, R3
	BGE four
less:
	ADD $16, R3
	SUB.S $4, R3
	BLT tail
one:
	MOVW.P 4(R2), R4
	MOVW.P R4, 4(R1)
	ADD R0@>27, R4, R0
	SUB.S $4, R3
	BGE one
tail:
	ADD.S $4, R3
	BEQ done
	MOVW R3<<3, R3
	MOVW $1, R5
	MOVW R5<<R3, R5
	SUB $1, R5
	MOVW (R2), R4
	AND R5, R4
	MOVW R4, (R1)
	ADD R0@>27, R4, R0
done:
	MOVW R0, ret+16(FP)
	RET

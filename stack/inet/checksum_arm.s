#include "textflag.h"

// func sum(b []byte) uint32
//
// The words are added as the processor loads them; the bytes of the result are swapped
// once, which one's complement sums allow (RFC 1071, 2(B)). The carry goes round
// through ADC from word to word. Eight words a turn; LDM needs an aligned address, else
// words are loaded one by one, which ARMv7 does from any address of normal memory.
TEXT ·sum(SB),NOSPLIT,$0-16
	MOVW b_base+0(FP), R0
	MOVW b_len+4(FP), R1
	MOVW $0, R2
	TST $3, R0
	BNE words
	SUB.S $32, R1
	BLT less
eight:
	MOVM.IA.W (R0), [R3-R9,R12]
	ADD.S R3, R2
	ADC.S R4, R2
	ADC.S R5, R2
	ADC.S R6, R2
	ADC.S R7, R2
	ADC.S R8, R2
	ADC.S R9, R2
	ADC.S R12, R2
	ADC $0, R2
	SUB.S $32, R1
	BGE eight
less:
	ADD.S $16, R1
	BLT four
	MOVM.IA.W (R0), [R3-R6]
	ADD.S R3, R2
	ADC.S R4, R2
	ADC.S R5, R2
	ADC.S R6, R2
	ADC $0, R2
	SUB $16, R1
four:
	ADD $16, R1
words:
	SUB.S $4, R1
	BLT tail
one:
	MOVW.P 4(R0), R3
	ADD.S R3, R2
	ADC $0, R2
	SUB.S $4, R1
	BGE one
tail:
	ADD.S $4, R1
	BEQ fold
	MOVW $0, R3
	MOVW $0, R4
	TST $2, R1
	BEQ odd
	MOVHU (R0), R3
	MOVW $16, R4
	ADD $2, R0
odd:
	TST $1, R1
	BEQ last
	MOVBU (R0), R5
	ORR R5<<R4, R3
last:
	ADD.S R3, R2
	ADC $0, R2
fold:
	ADD R2@>16, R2 // in the upper half now, with the carry around
	REV16 R2, R2
	MOVW R2>>16, R2
	MOVW R2, ret+12(FP)
	RET

#include "textflag.h"

// func sumWords(p unsafe.Pointer, n int) uint32
//
// The carry goes round through ADC from word to word. Eight words a turn; LDM
// needs an aligned address, else words are loaded one by one, which ARMv7 does
// from any address of normal memory.
TEXT ·sumWords(SB),NOSPLIT,$0-12
	MOVW	p+0(FP), R0
	MOVW	n+4(FP), R1
	MOVW	$0, R2
	TST	$3, R0
	BNE	single

	MOVW	R1>>3, R11
	AND	$7, R1
	CMP	$0, R11
	BEQ	single
eight:
	MOVM.IA.W	(R0), [R3-R9]
	ADD.S	R3, R2
	ADC.S	R4, R2
	ADC.S	R5, R2
	ADC.S	R6, R2
	ADC.S	R7, R2
	ADC.S	R8, R2
	ADC.S	R9, R2
	MOVW.P	4(R0), R3
	ADC.S	R3, R2
	ADC	$0, R2
	SUB.S	$1, R11
	BNE	eight

single:
	CMP	$0, R1
	BEQ	done
one:
	MOVW.P	4(R0), R3
	ADD.S	R3, R2
	ADC	$0, R2
	SUB.S	$1, R1
	BNE	one
done:
	MOVW	R2, ret+8(FP)
	RET

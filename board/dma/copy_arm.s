#include "textflag.h"

// func copyBytes(dst, src unsafe.Pointer, n int)
//
// Thirty-two bytes a turn. What is left at the end is copied with the last
// thirty-two bytes once more. VLD1 and VST1 of bytes take any address (ARM DDI
// 0406C, A3.2.1).
TEXT ·copyBytes(SB),NOSPLIT,$0-12
	MOVW dst+0(FP), R0
	MOVW src+4(FP), R1
	MOVW n+8(FP), R2
	WORD $0xed2d0b08 // vpush {d0-d3}
	SUB $32, R2
loop:
	WORD $0xf421020d // vld1.8 {d0-d3}, [r1]!
	WORD $0xf400020d // vst1.8 {d0-d3}, [r0]!
	SUB.S $32, R2
	BGE loop
	ADD $32, R2
	CMP $0, R2
	BEQ done
	SUB $32, R2 // back, so that the end is reached
	ADD R2, R1
	ADD R2, R0
	WORD $0xf421020f // vld1.8 {d0-d3}, [r1]
	WORD $0xf400020f // vst1.8 {d0-d3}, [r0]
done:
	WORD $0xecbd0b08 // vpop {d0-d3}
	RET

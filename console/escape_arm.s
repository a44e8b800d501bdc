#include "textflag.h"

// func copyPlain(dst, src unsafe.Pointer, n int) bool
//
// 16 bytes a turn; the last 16 are copied and looked at once more for what is left at
// the end. VLD1 and VST1 of bytes take any address (ARM DDI 0406C, A3.2.1). A byte c is
// plain if c-0x20 < 0x5f, unsigned, and it is no backslash.
TEXT ·copyPlain(SB),NOSPLIT,$96-13
	MOVW dst+0(FP), R0
	MOVW src+4(FP), R1
	MOVW n+8(FP), R2
	ADD $4, R13, R3
	WORD $0xec830b18 // vstmia r3, {d0-d11}
	WORD $0xf2822e50 // vmov.i8 q1, #0x20
	WORD $0xf2854e5f // vmov.i8 q2, #0x5f
	WORD $0xf2856e5c // vmov.i8 q3, #0x5c
	WORD $0xf280a050 // vmov.i32 q5, #0
	SUB $16, R2
loop:
	WORD $0xf4210a0d // vld1.8 {d0-d1}, [r1]!
	SUB.S $16, R2
	WORD $0xf4000a0d // vst1.8 {d0-d1}, [r0]!
	WORD $0xf3008842 // vsub.i8 q4, q0, q1
	WORD $0xf3000856 // vceq.i8 q0, q0, q3
	WORD $0xf3088354 // vcge.u8 q4, q4, q2
	WORD $0xf22aa150 // vorr q5, q5, q0
	WORD $0xf22aa158 // vorr q5, q5, q4
	BGE loop
	ADD.S $16, R2
	BEQ done
	SUB $16, R2 // back, so that the end is reached
	ADD R2, R1
	ADD R2, R0
	MOVW $0, R2
	B loop
done:
	WORD $0xf22aa11b // vorr d10, d10, d11
	WORD $0xec521b1a // vmov r1, r2, d10
	WORD $0xec930b18 // vldmia r3, {d0-d11}
	ORR R1, R2
	CMP $0, R2
	MOVW $0, R0
	MOVW.EQ $1, R0
	MOVB R0, ret+12(FP)
	RET

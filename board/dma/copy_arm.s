#include "textflag.h"

// func copyBytes(dst, src unsafe.Pointer, n int)
//
// 128 bytes a turn if both addresses are multiples of four, which VLDM and VSTM
// want; VLD1 and VST1 of bytes take any address (ARM DDI 0406C, A3.2.1). Then 32
// bytes a turn. What is left at the end is copied with the last 32 bytes once more.
TEXT ·copyBytes(SB),NOSPLIT,$136-12
	MOVW dst+0(FP), R0
	MOVW src+4(FP), R1
	MOVW n+8(FP), R2
	ADD $8, R13, R3
	CMP $128, R2
	BLT short
	WORD $0xec830b20 // vstmia r3, {d0-d15}
	SUB $128, R2
	ORR R0, R1, R4
	TST $3, R4
	BNE unaligned
aligned:
	WORD $0xecb10b20 // vldmia r1!, {d0-d15}
	SUB.S $128, R2
	WORD $0xeca00b20 // vstmia r0!, {d0-d15}
	BGE aligned
	B rest
unaligned:
	WORD $0xf421020d // vld1.8 {d0-d3}, [r1]!
	WORD $0xf421420d // vld1.8 {d4-d7}, [r1]!
	WORD $0xf421820d // vld1.8 {d8-d11}, [r1]!
	WORD $0xf421c20d // vld1.8 {d12-d15}, [r1]!
	SUB.S $128, R2
	WORD $0xf400020d // vst1.8 {d0-d3}, [r0]!
	WORD $0xf400420d // vst1.8 {d4-d7}, [r0]!
	WORD $0xf400820d // vst1.8 {d8-d11}, [r0]!
	WORD $0xf400c20d // vst1.8 {d12-d15}, [r0]!
	BGE unaligned
rest:
	WORD $0xec930b20 // vldmia r3, {d0-d15}
	ADD $128, R2
short:
	WORD $0xec830b08 // vstmia r3, {d0-d3}
	SUB.S $32, R2
	BLT end
loop:
	WORD $0xf421020d // vld1.8 {d0-d3}, [r1]!
	SUB.S $32, R2
	WORD $0xf400020d // vst1.8 {d0-d3}, [r0]!
	BGE loop
end:
	ADD.S $32, R2
	BEQ done
	SUB $32, R2 // back, so that the end is reached
	ADD R2, R1
	ADD R2, R0
	WORD $0xf421020f // vld1.8 {d0-d3}, [r1]
	WORD $0xf400020f // vst1.8 {d0-d3}, [r0]
done:
	WORD $0xec930b08 // vldmia r3, {d0-d3}
	RET

#include "textflag.h"

// func read32(addr uintptr) uint32
TEXT ·read32(SB),NOSPLIT,$0-8
	MOVW addr+0(FP), R0
	MOVW ·Offset(SB), R2
	ADD R2, R0
	MOVW (R0), R1
	MOVW R1, ret+4(FP)
	RET

// func write32(addr uintptr, v uint32)
TEXT ·write32(SB),NOSPLIT,$0-8
	MOVW addr+0(FP), R0
	MOVW ·Offset(SB), R2
	ADD R2, R0
	MOVW v+4(FP), R1
	MOVW R1, (R0)
	RET

// func read16(addr uintptr) uint16
TEXT ·read16(SB),NOSPLIT,$0-6
	MOVW addr+0(FP), R0
	MOVW ·Offset(SB), R2
	ADD R2, R0
	MOVHU (R0), R1
	MOVH R1, ret+4(FP)
	RET

// func write16(addr uintptr, v uint16)
TEXT ·write16(SB),NOSPLIT,$0-6
	MOVW addr+0(FP), R0
	MOVW ·Offset(SB), R2
	ADD R2, R0
	MOVHU v+4(FP), R1
	MOVH R1, (R0)
	RET

// func barrier()
TEXT ·barrier(SB),NOSPLIT,$0-0
	WORD $0xf57ff04f // dsb sy
	RET

#include "textflag.h"

// func read32(addr uintptr) uint32
TEXT ·read32(SB),NOSPLIT,$0-8
	MOVW addr+0(FP), R0
	MOVW (R0), R1
	MOVW R1, ret+4(FP)
	RET

// func write32(addr uintptr, v uint32)
TEXT ·write32(SB),NOSPLIT,$0-8
	MOVW addr+0(FP), R0
	MOVW v+4(FP), R1
	MOVW R1, (R0)
	RET

// func barrier()
TEXT ·barrier(SB),NOSPLIT,$0-0
	WORD $0xf57ff04f // dsb sy
	RET

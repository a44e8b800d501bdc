#include "textflag.h"

// vdsoClockGettime is called as C calls: clock in R0, struct timespec in R1; R4
// to R10 are the caller's, and so is the stack. Seconds are 32 bits. Clocks other
// than REALTIME and MONOTONIC are the system call's.
//
// ns = (counter - boot) * mul, and for REALTIME the offset; clk is a clocksource
// with mul not 0. The quotient by 1e9 = 2^9 * 1953125 is (ns>>9) * M >> 52 with
// M = 2^52 / 1953125 rounded up, which is never less than the true one and at most
// two more after 2^32 s.
TEXT ·vdsoClockGettime(SB),NOSPLIT|NOFRAME,$0
	CMP $1, R0
	BHI call
	MOVM.DB.W [R0, R1, R4-R8], (R13)
	MOVW ·vdsoTimer(SB), R4
	CMP $0, R4
	BNE global
	WORD $0xec532f0e // mrrc p15, 0, r2, r3, c14
counted:
	MOVW $·clk(SB), R4
	MOVW 4(R4), R5 // mul
	MOVW 16(R4), R6
	MOVW 20(R4), R7 // boot
	SUB.S R6, R2
	SBC R7, R3
	MULLU R2, R5, (R7, R6)
	MUL R5, R3
	ADD R3, R7 // R7:R6 = ns
	CMP $0, R0
	BNE split
	MOVW $·wallOffset(SB), R4
	MOVM.IA (R4), [R2, R3] // in one instruction: an interrupt repeats it
	ADD.S R2, R6
	ADC R3, R7
split:
	MOVW R6>>9, R2
	ORR R7<<23, R2
	MOVW R7>>9, R3
	MOVW $2305843010, R5
	MULLU R2, R5, (R8, R4)
	MULLU R3, R5, (R3, R2)
	ADD.S R8, R2
	ADC $0, R3
	MOVW R2>>20, R2
	ORR R3<<12, R2 // seconds
	MOVW $1000000000, R5
	MUL R2, R5, R4
	SUB.S R4, R6
	BPL done
less:
	SUB $1, R2
	ADD.S R5, R6
	BMI less
done:
	MOVW R2, (R1)
	MOVW R6, 4(R1)
	MOVM.IA.W (R13), [R0, R1, R4-R8]
	MOVW $0, R0
	RET

global: // the halves must belong together
	MOVW 4(R4), R3
	MOVW (R4), R2
	MOVW 4(R4), R5
	CMP R3, R5
	BNE global
	B counted

call:
	MOVM.DB.W [R7], (R13)
	MOVW $263, R7 // clock_gettime
	SWI $0
	MOVM.IA.W (R13), [R7]
	RET

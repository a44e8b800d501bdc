#include "textflag.h"

// Encodings that the Go assembler lacks are WORDs with the instruction beside
// them; all were checked with binutils.

// Layout of struct context (thread.go).
#define CTX_PC      60
#define CTX_CPSR    64
#define CTX_SCRATCH 68

// Kinds of trap, see trap.go.
#define KIND_SVC  0
#define KIND_IRQ  1
#define KIND_UND  2
#define KIND_DABT 3
#define KIND_PABT 4
#define KIND_FIQ  5

// Entry is where the loader jumps: SVC mode, MMU and caches off, R0 = *Machine
// (set by the board's entry point). It makes the CPU able to run Go code on
// the kernel stack, and never returns.
TEXT ·Entry(SB),NOSPLIT|NOFRAME,$0
	WORD $0xf10e01d3 // cpsid aif, #0x13 (SVC)
	MOVW R0, R8
	MOVW $·kstack+65520(SB), R13

	MRC 15, 0, R0, C1, C0, 0 // SCTLR
	BIC $0x1000, R0          // I-cache off
	BIC $0x7, R0             // MMU, alignment check, D-cache off
	BIC $0x2000, R0          // V: vectors through VBAR
	MCR 15, 0, R0, C1, C0, 0
	WORD $0xf57ff06f         // isb
	// Write back and drop what the loader left in the data caches: what is
	// there would be missing in RAM now, and be stale later. By set and way, as
	// ARM DDI 0406C, B2.2.7, and without touching memory. (An outer cache, the
	// i.MX6Q's, is expected to be off.)
	MRC 15, 1, R2, C0, C0, 1 // CLIDR
	MOVW $0, R0              // level << 1
level:
	AND $7, R2, R3
	CMP $2, R3               // a data cache at this level?
	BLT nextLevel
	MCR 15, 2, R0, C0, C0, 0 // CSSELR
	WORD $0xf57ff06f         // isb
	MRC 15, 1, R1, C0, C0, 0 // CCSIDR
	AND $7, R1, R3
	ADD $4, R3               // log2 of the line size
	MOVW R1>>3, R4
	MOVW $0x3ff, R12
	AND R12, R4              // ways - 1
	CLZ R4, R5               // position of the way
	MOVW R1>>13, R6
	MOVW $0x7fff, R12
	AND R12, R6              // sets - 1
way:
	MOVW R6, R9
set:
	MOVW R4<<R5, R12
	ORR R9<<R3, R12
	ORR R0, R12
	MCR 15, 0, R12, C7, C14, 2 // DCCISW
	SUB.S $1, R9
	BGE set
	SUB.S $1, R4
	BGE way
nextLevel:
	MOVW R2>>3, R2
	ADD $2, R0
	CMP $4, R0
	BLT level
	WORD $0xf57ff04f         // dsb
	MOVW $0, R0
	MCR 15, 2, R0, C0, C0, 0 // CSSELR
	WORD $0xf57ff06f         // isb

	MOVW $0, R0
	MCR 15, 0, R0, C7, C5, 0 // ICIALLU
	MCR 15, 0, R0, C7, C5, 6 // BPIALL
	MCR 15, 0, R0, C8, C7, 0 // TLBIALL

	// The vector table: eight times "ldr pc, [pc, #24]", then the addresses.
	// It gets a page of its own, so that it alone is executable.
	MOVW $·vecpage+4095(SB), R0
	MOVW $0xfff, R1
	BIC R1, R0
	MOVW R0, R4
	MOVW $0xe59ff018, R1     // ldr pc, [pc, #24]
	MOVW $8, R2
vector:
	MOVW R1, (R0)
	ADD $4, R0
	SUB.S $1, R2
	BNE vector
	MOVW $·vecStray(SB), R1  // reset
	MOVW R1, 0(R0)
	MOVW $·vecUnd(SB), R1
	MOVW R1, 4(R0)
	MOVW $·vecSVC(SB), R1
	MOVW R1, 8(R0)
	MOVW $·vecPabt(SB), R1
	MOVW R1, 12(R0)
	MOVW $·vecDabt(SB), R1
	MOVW R1, 16(R0)
	MOVW $·vecStray(SB), R1  // hypervisor trap
	MOVW R1, 20(R0)
	MOVW $·vecIRQ(SB), R1
	MOVW R1, 24(R0)
	MOVW $·vecFIQ(SB), R1
	MOVW R1, 28(R0)
	WORD $0xf57ff04f         // dsb
	MCR 15, 0, R4, C12, C0, 0 // VBAR
	WORD $0xf57ff06f         // isb

	// VFP and NEON for everybody.
	MRC 15, 0, R0, C1, C0, 2 // CPACR
	ORR $0x00f00000, R0
	MCR 15, 0, R0, C1, C0, 2
	WORD $0xf57ff06f         // isb
	MOVW $0x40000000, R0
	WORD $0xeee80a10         // vmsr fpexc, r0

	// The kernel's g and the first thread's context.
	MOVW $·kstack(SB), R0
	MOVW $·kg(SB), g
	BL setg<>(SB)
	MOVW $·fstack(SB), R0
	MOVW $·fg(SB), g
	BL setg<>(SB)
	MOVW $·qstack(SB), R0
	MOVW $·qg(SB), g
	MOVW R0, 0(g)
	ADD $(8*1024), R0, R1
	MOVW R1, 4(g)
	ADD $1024, R0            // no guard page: nothing here recurses
	MOVW R0, 8(g)
	MOVW R0, 12(g)
	MOVW $·kg(SB), g
	MOVW $·threads(SB), R0
	MCR 15, 0, R0, C13, C0, 4 // TPIDRPRW: current thread

	MOVW R8, 4(R13)          // argument of boot
	BL ·boot(SB)
	B ·resume(SB)

// setg fills in the g in R10 for the 64 KiB stack at R0.
TEXT setg<>(SB),NOSPLIT|NOFRAME,$0
	MOVW R0, 0(g)            // stack.lo
	ADD $(64*1024), R0, R1
	MOVW R1, 4(g)            // stack.hi
	ADD $(8*1024), R0        // a guard page lies below, see mmu.go
	MOVW R0, 8(g)            // stackguard0
	MOVW R0, 12(g)           // stackguard1
	WORD $0xe12fff1e         // bx lr

// SAVE stores the interrupted thread's registers in its context, and leaves
// the kind of trap in R0. LR is the address to resume at.
#define SAVE(kind) \
	WORD $0xee1ddf90       \ // mrc p15,0,sp,c13,c0,4
	WORD $0xe8cd7fff       \ // stmia sp, {r0-r14}^
	WORD $0xe58de03c       \ // str lr, [sp, #CTX_PC]
	WORD $0xe14f0000       \ // mrs r0, spsr
	WORD $0xe58d0040       \ // str r0, [sp, #CTX_CPSR]
	MOVW $kind, R0         \
	B common<>(SB)

// FROMKERNEL branches to kernelTrap, with R0 saved in the scratch word and the
// kind in R0, if the trap did not interrupt a thread (SYS mode). Only WORDs may
// touch memory here: for a symbol the assembler would use R11.
#define FROMKERNEL(kind) \
	WORD $0xee1ddf90       \ // mrc p15,0,sp,c13,c0,4
	WORD $0xe58d0044       \ // str r0, [sp, #CTX_SCRATCH]
	WORD $0xe14f0000       \ // mrs r0, spsr
	WORD $0xe200001f       \ // and r0, r0, #0x1f
	WORD $0xe350001f       \ // cmp r0, #0x1f
	MOVW.NE $kind, R0      \
	BEQ 2(PC)              \
	B kernelTrap<>(SB)     \
	WORD $0xe59d0044       \ // ldr r0, [sp, #CTX_SCRATCH]

TEXT ·vecSVC(SB),NOSPLIT|NOFRAME,$0
	SAVE(KIND_SVC)

TEXT ·vecIRQ(SB),NOSPLIT|NOFRAME,$0
	WORD $0xe24ee004         // sub lr, lr, #4
	SAVE(KIND_IRQ)

TEXT ·vecUnd(SB),NOSPLIT|NOFRAME,$0
	WORD $0xe24ee004         // sub lr, lr, #4
	FROMKERNEL(KIND_UND)
	// cmp changed the flags, but SPSR holds the thread's.
	SAVE(KIND_UND)

TEXT ·vecDabt(SB),NOSPLIT|NOFRAME,$0
	WORD $0xe24ee008         // sub lr, lr, #8
	FROMKERNEL(KIND_DABT)
	SAVE(KIND_DABT)

TEXT ·vecPabt(SB),NOSPLIT|NOFRAME,$0
	WORD $0xe24ee004         // sub lr, lr, #4
	FROMKERNEL(KIND_PABT)
	SAVE(KIND_PABT)

// Nobody gets here but by a stray branch into the vector table.
TEXT ·vecStray(SB),NOSPLIT|NOFRAME,$0
	WORD $0xe7f000f0         // udf #0

// FIQ comes whatever the CPU does: threads and the kernel alike leave F clear. It
// has a stack and a g of its own and is handled in FIQ mode, so that it can
// return into any code, the entry of another exception included. A struct
// faultFrame (fault.go) is saved on the stack: r8 to r14 are the interrupted
// mode's, which must be entered to see them. If fiq (fiq.go) returns other than
// 0 the interrupted code dies of it.
TEXT ·vecFIQ(SB),NOSPLIT|NOFRAME,$0
	WORD $0xe24ee004         // sub lr, lr, #4
	MOVW $·qstack+8112(SB), R13
	WORD $0xe88d00ff         // stmia sp, {r0-r7}
	WORD $0xe58de03c         // str lr, [sp, #60]  pc
	WORD $0xe14f0000         // mrs r0, spsr
	WORD $0xe58d0040         // str r0, [sp, #64]  cpsr
	WORD $0xe3a02005         // mov r2, #KIND_FIQ
	WORD $0xe58d2044         // str r2, [sp, #68]  kind
	WORD $0xe1a0100d         // mov r1, sp
	WORD $0xe200001f         // and r0, r0, #0x1f
	WORD $0xe3500010         // cmp r0, #0x10 (USR)
	WORD $0x03a0001f         // moveq r0, #0x1f: SYS mode has its registers
	WORD $0xe38000c0         // orr r0, r0, #0xc0
	WORD $0xe2812020         // add r2, r1, #32
	WORD $0xe121f000         // msr cpsr_c, r0
	WORD $0xe8827f00         // stmia r2, {r8-r14}
	WORD $0xe321f0d1         // msr cpsr_c, #0xd1
	MOVW $·qg(SB), g
	WORD $0xe24dd010         // sub sp, sp, #16
	WORD $0xe58d1004         // str r1, [sp, #4]
	BL ·fiq(SB)
	WORD $0xe59d0008         // ldr r0, [sp, #8]
	WORD $0xe28dd010         // add sp, sp, #16
	WORD $0xe3500000         // cmp r0, #0
	BNE dies
	WORD $0xe59d0040         // ldr r0, [sp, #64]
	WORD $0xe16ff000         // msr spsr_fsxc, r0
	WORD $0xe59de03c         // ldr lr, [sp, #60]
	WORD $0xe89d00ff         // ldmia sp, {r0-r7}
	WORD $0xe1b0f00e         // movs pc, lr
dies:
	WORD $0xe1a0000d         // mov r0, sp
	WORD $0xf1020013         // cps #0x13
	WORD $0xe1a0100d         // mov r1, sp
	MOVW $·fstack+16384(SB), R2
	SUB R2, R1, R2
	CMP $(48*1024), R2
	BLO below
	MOVW $·fstack+65536(SB), R1
below:
	SUB $128, R1
	BIC $7, R1
	WORD $0xe1a0d001         // mov sp, r1
	WORD $0xe58d0004         // str r0, [sp, #4]
	MOVW $·fg(SB), g
	BL ·kernelFault(SB)      // which never returns from a FIQ
	WORD $0xe7f000f0         // udf #0

// The stack starts 16 bytes below its top: room for the argument.
TEXT common<>(SB),NOSPLIT|NOFRAME,$0
	WORD $0xf1020013         // cps #0x13
	MOVW $·kstack+65520(SB), R13
	MOVW $·kg(SB), g
	MOVW R0, 4(R13)
	BL ·trapEntry(SB)
	B ·resume(SB)

// resume continues the current thread from its context.
TEXT ·resume(SB),NOSPLIT|NOFRAME,$0
	WORD $0xee1ddf90         // mrc p15,0,sp,c13,c0,4
	WORD $0xe59d0040         // ldr r0, [sp, #CTX_CPSR]
	WORD $0xe16ff000         // msr spsr_fsxc, r0
	WORD $0xf57ff01f         // clrex
	WORD $0xe59de03c         // ldr lr, [sp, #CTX_PC]
	WORD $0xe8dd7fff         // ldmia sp, {r0-r14}^
	WORD $0xe320f000         // nop
	WORD $0xe1b0f00e         // movs pc, lr

// kernelTrap is a trap that interrupted the kernel: a page that is there on
// demand, or a fault. The mode is the trap's own, SP the current context with
// the interrupted R0 in its scratch word, R0 the kind, LR the address to resume
// at. The registers of the interrupted code, which ran in SVC mode, are saved on
// the fault stack in the order of struct faultFrame (fault.go): below what the
// interrupted code has there, or from the top if it ran elsewhere or too little
// is left. kernelFault runs in SVC mode, so that a trap within it finds the
// trap's banked registers free. If it returns, the code goes on from there.
TEXT kernelTrap<>(SB),NOSPLIT|NOFRAME,$0
	WORD $0xe58d1048         // str r1, [sp, #CTX_SCRATCH+4]
	WORD $0xe58d204c         // str r2, [sp, #CTX_SCRATCH+8]
	WORD $0xe10f2000         // mrs r2, cpsr
	WORD $0xf1020013         // cps #0x13
	WORD $0xe1a0100d         // mov r1, sp
	WORD $0xe121f002         // msr cpsr_c, r2
	MOVW $·fstack+16384(SB), R2
	SUB R2, R1, R2
	CMP $(48*1024), R2
	BLO room
	MOVW $·fstack+65536(SB), R1
room:
	SUB $(128+80), R1
	BIC $7, R1
	WORD $0xe281200c         // add r2, r1, #12
	WORD $0xe8821ff8         // stmia r2, {r3-r12}
	WORD $0xe59d2044         // ldr r2, [sp, #CTX_SCRATCH]
	WORD $0xe5812000         // str r2, [r1]
	WORD $0xe59d2048         // ldr r2, [sp, #CTX_SCRATCH+4]
	WORD $0xe5812004         // str r2, [r1, #4]
	WORD $0xe59d204c         // ldr r2, [sp, #CTX_SCRATCH+8]
	WORD $0xe5812008         // str r2, [r1, #8]
	WORD $0xe581e03c         // str lr, [r1, #60]  pc
	WORD $0xe14f2000         // mrs r2, spsr
	WORD $0xe5812040         // str r2, [r1, #64]  cpsr
	WORD $0xe5810044         // str r0, [r1, #68]  kind
	WORD $0xf1020013         // cps #0x13
	WORD $0xe581d034         // str sp, [r1, #52]
	WORD $0xe581e038         // str lr, [r1, #56]
	WORD $0xe241d010         // sub sp, r1, #16
	WORD $0xe58d1004         // str r1, [sp, #4]
	MOVW $·fg(SB), g
	BL ·kernelFault(SB)
	// Go on where it was interrupted: SVC mode's registers first, the others
	// by way of ABT mode's.
	WORD $0xe28d0010         // add r0, sp, #16
	WORD $0xe590e038         // ldr lr, [r0, #56]
	WORD $0xe590d034         // ldr sp, [r0, #52]
	WORD $0xf1020017         // cps #0x17
	WORD $0xe1a0d000         // mov sp, r0
	WORD $0xe59de03c         // ldr lr, [sp, #60]
	WORD $0xe59d0040         // ldr r0, [sp, #64]
	WORD $0xe16ff000         // msr spsr_fsxc, r0
	WORD $0xe89d1fff         // ldmia sp, {r0-r12}
	WORD $0xe1b0f00e         // movs pc, lr

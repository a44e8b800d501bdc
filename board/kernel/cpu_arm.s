#include "textflag.h"

// func svcRun(fn uintptr, arg unsafe.Pointer)
TEXT ·svcRun(SB),NOSPLIT,$0-8
	MOVW fn+0(FP), R0
	MOVW arg+4(FP), R1
	MOVW $0x10000, R7 // sysRun
	SWI $0
	RET

// func mode() uint32
TEXT ·mode(SB),NOSPLIT,$0-4
	WORD $0xe10f0000 // mrs r0, cpsr
	WORD $0xe200001f // and r0, r0, #0x1f
	MOVW R0, ret+0(FP)
	RET

// func setCurrent(ctx uintptr)
TEXT ·setCurrent(SB),NOSPLIT,$0-4
	MOVW ctx+0(FP), R0
	MCR 15, 0, R0, C13, C0, 4 // TPIDRPRW
	RET

// func saveVFP(p uintptr)
TEXT ·saveVFP(SB),NOSPLIT,$0-4
	MOVW p+0(FP), R0
	WORD $0xeca00b20 // vstmia r0!, {d0-d15}
	WORD $0xece00b20 // vstmia r0!, {d16-d31}
	WORD $0xeef11a10 // vmrs r1, fpscr
	MOVW R1, (R0)
	RET

// func loadVFP(p uintptr)
TEXT ·loadVFP(SB),NOSPLIT,$0-4
	MOVW p+0(FP), R0
	WORD $0xecb00b20 // vldmia r0!, {d0-d15}
	WORD $0xecf00b20 // vldmia r0!, {d16-d31}
	MOVW (R0), R1
	WORD $0xeee11a10 // vmsr fpscr, r1
	RET

// func wfi()
TEXT ·wfi(SB),NOSPLIT,$0
	WORD $0xf57ff04f // dsb
	WORD $0xe320f003 // wfi
	RET

// func fiqOn()
TEXT ·fiqOn(SB),NOSPLIT,$0
	WORD $0xf1080040 // cpsie f
	RET

// func dfar() uint32
TEXT ·dfar(SB),NOSPLIT,$0-4
	MRC 15, 0, R0, C6, C0, 0
	MOVW R0, ret+0(FP)
	RET

// func dfsr() uint32
TEXT ·dfsr(SB),NOSPLIT,$0-4
	MRC 15, 0, R0, C5, C0, 0
	MOVW R0, ret+0(FP)
	RET

// func ifsr() uint32
TEXT ·ifsr(SB),NOSPLIT,$0-4
	MRC 15, 0, R0, C5, C0, 1
	MOVW R0, ret+0(FP)
	RET

// func midr() uint32
TEXT ·midr(SB),NOSPLIT,$0-4
	MRC 15, 0, R0, C0, C0, 0
	MOVW R0, ret+0(FP)
	RET

// func isar0() uint32
TEXT ·isar0(SB),NOSPLIT,$0-4
	MRC 15, 0, R0, C0, C2, 0 // ID_ISAR0
	MOVW R0, ret+0(FP)
	RET

// func mmuOn(ttbr uint32)
//
// The tables are written back, then translation and caches are switched on.
TEXT ·mmuOn(SB),NOSPLIT,$0-4
	MOVW ttbr+0(FP), R0
	WORD $0xf57ff04f // dsb
	ORR $0x4a, R0 // IRGN = RGN = write-back write-allocate, shareable
	MCR 15, 0, R0, C2, C0, 0 // TTBR0
	MOVW $0, R0
	MCR 15, 0, R0, C2, C0, 2 // TTBCR
	MOVW $1, R0
	MCR 15, 0, R0, C3, C0, 0 // DACR: domain 0 client, permissions are checked
	MOVW $0, R0
	MCR 15, 0, R0, C8, C7, 0 // TLBIALL
	MCR 15, 0, R0, C7, C5, 0 // ICIALLU
	MCR 15, 0, R0, C7, C5, 6 // BPIALL
	MRC 15, 0, R0, C1, C0, 1 // ACTLR.SMP: without it A7 and A9 cache nothing
	ORR $0x40, R0
	MCR 15, 0, R0, C1, C0, 1
	WORD $0xf57ff04f // dsb
	WORD $0xf57ff06f // isb
	MRC 15, 0, R0, C1, C0, 0
	ORR $0x1800, R0 // I-cache, branch prediction
	ORR $0x5, R0 // MMU, D-cache
	MCR 15, 0, R0, C1, C0, 0
	WORD $0xf57ff06f // isb
	RET

// func tlbFlushPage(va uint32)
TEXT ·tlbFlushPage(SB),NOSPLIT,$0-4
	MOVW va+0(FP), R0
	WORD $0xf57ff04f // dsb
	MCR 15, 0, R0, C8, C7, 1 // TLBIMVA
	WORD $0xf57ff04f // dsb
	WORD $0xf57ff06f // isb
	RET

// func tlbFlushAll()
TEXT ·tlbFlushAll(SB),NOSPLIT,$0-0
	MOVW $0, R0
	WORD $0xf57ff04f // dsb
	MCR 15, 0, R0, C8, C7, 0 // TLBIALL
	WORD $0xf57ff04f // dsb
	WORD $0xf57ff06f // isb
	RET

// func cacheCleanLine(va uint32)
TEXT ·cacheCleanLine(SB),NOSPLIT,$0-4
	MOVW va+0(FP), R0
	MCR 15, 0, R0, C7, C10, 1 // DCCMVAC
	RET

// func icacheInvalidate()
TEXT ·icacheInvalidate(SB),NOSPLIT,$0-0
	MOVW $0, R0
	WORD $0xf57ff04f // dsb
	MCR 15, 0, R0, C7, C5, 0 // ICIALLU
	MCR 15, 0, R0, C7, C5, 6 // BPIALL
	WORD $0xf57ff04f // dsb
	WORD $0xf57ff06f // isb
	RET

// func semihost(op, arg uint32) uint32
//
// SVC from SVC mode overwrites LR, which the frame keeps.
TEXT ·semihost(SB),NOSPLIT,$4-12
	MOVW op+0(FP), R0
	MOVW arg+4(FP), R1
	WORD $0xef123456 // svc #0x123456
	MOVW R0, ret+8(FP)
	RET

// func sigreturn()
//
// Where a signal handler returns to: rt_sigreturn(2).
TEXT ·sigreturn(SB),NOSPLIT|NOFRAME,$0
	MOVW $173, R7
	SWI $0

// func runtimeEntry() uint32
TEXT ·runtimeEntry(SB),NOSPLIT,$0-4
	MOVW $_rt0_arm_linux(SB), R0
	MOVW R0, ret+0(FP)
	RET

// func sigreturnAddr() uint32
TEXT ·sigreturnAddr(SB),NOSPLIT,$0-4
	MOVW $·sigreturn(SB), R0
	MOVW R0, ret+0(FP)
	RET

// func image() (text, etext, rodata, erodata, end uint32)
//
// Where the linker put the parts of this image.
TEXT ·image(SB),NOSPLIT,$0-20
	MOVW $runtime·text(SB), R0
	MOVW R0, text+0(FP)
	MOVW $runtime·etext(SB), R0
	MOVW R0, etext+4(FP)
	MOVW $runtime·rodata(SB), R0
	MOVW R0, rodata+8(FP)
	MOVW $runtime·erodata(SB), R0
	MOVW R0, erodata+12(FP)
	MOVW $runtime·end(SB), R0
	MOVW R0, end+16(FP)
	RET

// func getg() uint32
TEXT ·getg(SB),NOSPLIT,$0-4
	MOVW g, R0
	MOVW R0, ret+0(FP)
	RET

// func variables() (from, to uint32)
TEXT ·variables(SB),NOSPLIT,$0-8
	MOVW $runtime·data(SB), R0
	MOVW R0, from+0(FP)
	MOVW $runtime·ebss(SB), R0
	MOVW R0, to+4(FP)
	RET

// func pclntab() uint32
TEXT ·pclntab(SB),NOSPLIT,$0-4
	MOVW $runtime·pclntab(SB), R0
	MOVW R0, ret+0(FP)
	RET

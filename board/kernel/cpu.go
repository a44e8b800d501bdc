//go:build arm

package kernel

import "unsafe"

// Entry points and single instructions, in assembly.

// Entry is the kernel's entry point; a board's entry jumps to it with its
// *Machine in R0. It is never called from Go.
func Entry()

func resume()

//go:noescape
func svcRun(fn uintptr, arg unsafe.Pointer)
func mode() uint32
func setCurrent(ctx uintptr)
func saveVFP(p uintptr)
func loadVFP(p uintptr)
func wfi()
func fiqOn()
func dfar() uint32
func dfsr() uint32
func ifsr() uint32
func isar0() uint32
func midr() uint32
func mmuOn(ttbr uint32)
func tlbFlushPage(va uint32)
func tlbFlushAll()
func cacheCleanLine(va uint32)
func icacheInvalidate()
func semihost(op, arg uint32) uint32
func sigreturn()
func sigreturnAddr() uint32
func runtimeEntry() uint32
func image() (text, etext, rodata, erodata, end uint32)

const stackSize = 64 << 10 // boot_arm.s has the same figure

// Stacks and g's of trap context. The lowest 8 KiB of a stack hold its guard
// page, see mmu.go.
var (
	kstack [stackSize]byte // traps from threads
	fstack [stackSize]byte // traps from the kernel
	qstack [8 << 10]byte   // FIQ; boot_arm.s has the same figure
	kg, fg [128]uintptr
	qg     [128]uintptr
	// vecpage holds one whole page for the vector table.
	vecpage [2 * pageSize]byte
)

//go:build arm

package kernel

import "unsafe"

// The vDSO: a shared object in memory with one symbol, by which the runtime
// reads the clock without a system call; its scheduler does so all the time.
// The function itself is in the kernel's text (vdso_arm.s). Offsets in the
// object are from its start; the format is ELF's (System V ABI, chapters 4 and
// 5), of which only what a program needs to find the symbol is there.

const vdsoWords = 96

var (
	vdso [vdsoWords]uint32

	// vdsoTimer is the address of the counter's words, 0: the generic timer.
	vdsoTimer uint32
)

// vdsoClockGettime is clock_gettime for C: clock in r0, struct timespec in r1.
func vdsoClockGettime()

// Where things are in the object.
const (
	vdsoProgram = 52  // program headers: load, dynamic
	vdsoDynamic = 116 // its entries
	vdsoSymbols = 164 // none, __vdso_clock_gettime
	vdsoHash    = 196 // one bucket, a chain of two
	vdsoVersion = 216 // of each symbol
	vdsoVerdef  = 220 // LINUX_2.6
	vdsoStrings = 248

	vdsoName    = "__vdso_clock_gettime"
	vdsoLinux26 = "LINUX_2.6"
)

// initVDSO makes the object and returns its address, 0 if the clock has a rate
// that vdsoClockGettime cannot do.
func initVDSO() uint32 {
	if clk.mul == 0 {
		return 0
	}
	if machine.MPCore != 0 {
		vdsoTimer = machine.MPCore + gtCounterLo
	}
	fn := vdsoClockGettime
	base := uint32(uintptr(unsafe.Pointer(&vdso)))
	entry := **(**uint32)(unsafe.Pointer(&fn)) - base
	put := func(at int, words ...uint32) { copy(vdso[at/4:], words) }
	const load, dynamic, text = 1, 2, 5
	const hash, strtab, symtab, versym, verdef = 4, 5, 6, 0x6ffffff0, 0x6ffffffc
	put(0, 0x464c457f, 0x00010101)                      // ELF, 32 bits, little-endian
	put(16, 40<<16|3, 1, 0, vdsoProgram, 0, 0x05000000) // shared object for ARM, EABI 5
	put(40, 32<<16|52, 2)                               // sizes of the headers, number
	put(vdsoProgram, load, 0, 0, 0, vdsoWords*4, vdsoWords*4, text, 4)
	put(vdsoProgram+32, dynamic, vdsoDynamic, vdsoDynamic, vdsoDynamic, 48, 48, 4, 4)
	put(vdsoDynamic, hash, vdsoHash, strtab, vdsoStrings, symtab, vdsoSymbols,
		versym, vdsoVersion, verdef, vdsoVerdef, 0, 0)
	const global, function = 1 << 4, 2
	put(vdsoSymbols+16, 1, entry, 0, 1<<16|global|function)
	put(vdsoHash, 1, 2, 1, 0, 0)
	put(vdsoVersion, 1<<16)
	put(vdsoVerdef, 1, 1<<16|1, 0x3ae75f6, 20, 0, 1+uint32(len(vdsoName))+1, 0)
	s := bytesAt(base+vdsoStrings, vdsoWords*4-vdsoStrings)
	copy(s[1:], vdsoName)
	copy(s[1+len(vdsoName)+1:], vdsoLinux26)
	return base
}

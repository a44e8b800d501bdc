//go:build arm

package kernel

import (
	"runtime"
	"unsafe"

	"github.com/gasp-go/gasp/board/trap"
)

// Machine is what a board tells the kernel before the Go runtime exists. It
// must be initialised statically (constants, addresses and top-level functions
// only), and so must its SoC: no init function has run when the kernel reads
// them.
type Machine struct {
	Name string
	SoC  *SoC

	// Init prepares the console UART and whatever else of the board the kernel
	// needs. It runs with MMU off, in trap context.
	Init func()

	// Putc writes one byte to the console UART, polled. Trap context.
	Putc func(b byte)
}

// SoC is what the kernel has to know of a SoC. A package of the SoC has it
// ready.
type SoC struct {
	RAMBase uint32 // physical address of the RAM
	RAMMax  uint32 // most bytes of RAM the memory controller can hold

	// VMBase and VMSize are the virtual addresses that mmap hands out: whole
	// megabytes, at most 1 GiB, where there is neither RAM nor a device.
	VMBase, VMSize uint32

	// Devices are ranges mapped as device memory, in whole megabytes.
	Devices [4]Range

	GICD, GICC uint32 // interrupt controller: distributor, CPU interface

	// MPCore is the private memory region of a Cortex-A9 MPCore, whose global
	// timer is then the clock; 0: the CPU has the generic timer. PL310 is the
	// level 2 cache controller beside it.
	MPCore, PL310 uint32

	// TimerIRQ is the timer's interrupt (generic: of the physical timer).
	// TimerHz finds out the counter's rate, given its low word; nil: CNTFRQ
	// has it. Trap context.
	TimerIRQ int
	TimerHz  func(counter func() uint32) uint32

	// EarlyInit prepares what the kernel itself needs, such as clocks. It runs
	// with MMU off, in trap context, before the board's Init.
	EarlyInit func()

	// Restart resets the SoC. Trap context.
	Restart func()

	// WatchdogIRQ is the interrupt that the watchdog raises before it resets the
	// SoC, 0: there is none. StartWatchdog arms the watchdog for good: it
	// interrupts after pretimeout without PetWatchdog, and resets later, after
	// timeout. Both are in ns and at most 128 s. PetWatchdog also takes back the
	// interrupt; it must touch nothing but the watchdog's registers: it is called
	// in FIQ mode. Nil: there is no watchdog. Trap context.
	WatchdogIRQ   int
	StartWatchdog func(timeout, pretimeout int64)
	PetWatchdog   func()

	// Entropy takes a word from the random number generator, false if it has
	// none now or never will. It never waits. Half of a word's bits are taken
	// for random. Nil: there is no generator. Trap context.
	Entropy func() (word uint32, ok bool)

	// RTC is the time in ns since 1970, false if nobody knows. Nil: there is no
	// real time clock. Trap context.
	RTC func() (unix int64, ok bool)
}

// Range is a range of physical addresses.
type Range struct{ Base, Size uint32 }

// machine is a copy of the board's Machine and of its SoC.
var machine struct {
	Machine
	SoC
}

// DefaultCmdline is the boot arguments used when the loader left none. The
// linker's -X sets it.
var DefaultCmdline = ""

// Version is the firmware's version. The linker's -X sets it.
var Version = "devel"

const (
	// cmdlineOffset is where, from the start of RAM, the loader may leave
	// boot arguments: a NUL-terminated string of at most cmdlineMax bytes.
	cmdlineOffset = 0x8000
	cmdlineMax    = 4095
)

// boot runs on the kernel stack right after Entry: it makes the first thread
// ready to enter the Go runtime.
func boot(m *Machine) {
	copyMachine(m)
	initMPCore()
	if machine.EarlyInit != nil {
		machine.EarlyInit()
	}
	if machine.Init != nil {
		machine.Init()
	}
	probeRAM()
	readCmdline()
	readBuildID()
	initMMU()
	initPages()
	initTimer()
	initWall()
	initIRQ()
	initRandom()
	initMeasure()
	initThreads()
	initFiles()
	loaded = loadImage()
	initKernelMemory(loaded)
	if !loaded {
		startRuntime()
	}
}

// copyMachine copies *m and its SoC.
func copyMachine(m *Machine) {
	copyWords(unsafe.Pointer(&machine.Machine), unsafe.Pointer(m), unsafe.Sizeof(*m))
	copyWords(unsafe.Pointer(&machine.SoC), unsafe.Pointer(m.SoC), unsafe.Sizeof(*m.SoC))
}

// copyWords copies n bytes word by word: a plain assignment would go through
// the write barrier's bulk form.
func copyWords(dst, src unsafe.Pointer, n uintptr) {
	for i := uintptr(0); i < n; i += 4 {
		store32(uint32(uintptr(dst)+i), load32(uint32(uintptr(src)+i)))
	}
}

// startRuntime sends the first thread to this image's own Go runtime.
func startRuntime() {
	t := &threads[0]
	t.ctx.pc = runtimeEntry()
	t.ctx.r[13] = initialStack()
}

// Raw memory access by address. Addresses are integers all over the kernel:
// it must not hold Go pointers.

func load32(a uint32) uint32     { return *(*uint32)(unsafe.Add(nil, a)) }
func store32(a uint32, v uint32) { *(*uint32)(unsafe.Add(nil, a)) = v }
func load8(a uint32) byte        { return *(*byte)(unsafe.Add(nil, a)) }
func store8(a uint32, v byte)    { *(*byte)(unsafe.Add(nil, a)) = v }

// zero clears n bytes at a.
func zero(a, n uint32) { clear(bytesAt(a, n)) }

// bytesAt is the n bytes at a.
func bytesAt(a, n uint32) []byte { return unsafe.Slice((*byte)(unsafe.Add(nil, a)), n) }

// modeSYS is the processor mode of threads.
const modeSYS = 0x1f

// run is trap.Enter: fn(arg) on the kernel stack with interrupts masked.
func run(fn func(unsafe.Pointer), arg unsafe.Pointer) {
	if mode() != modeSYS {
		fn(arg)
		return
	}
	svcRun(*(*uintptr)(unsafe.Pointer(&fn)), arg)
	runtime.KeepAlive(fn) // svcRun has its address only
}

func init() {
	if Runs() {
		trap.Enter = run
	}
}

// Runs reports whether the kernel of this image is the one that runs. It is not in
// a program that another image's runs ("gasp exec"), or Linux: nothing in this
// package works there but reading and setting variables. Any context.
func Runs() bool { return machine.RAMBase != 0 }

// InTrap reports whether the caller runs in trap context.
func InTrap() bool { return mode() != modeSYS }

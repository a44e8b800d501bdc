//go:build arm

package kernel

import "unsafe"

// What the firmware writes to its standard output and error. Before the log is
// there (ConsoleHook), bytes go to the UART and are kept for it. Under
// semihosting, the debugger's (QEMU's) standard streams get them unchanged.

// ConsoleHook receives what is written to file descriptor 1 or 2, in trap
// context. It is set once at start.
var ConsoleHook func(fd int, p []byte)

// ErrorHook receives a line that the kernel itself has to say, an error, in trap
// context. It is set once at start.
var ErrorHook func(line []byte)

const earlySize = 8 << 10

var (
	early    [earlySize]byte
	earlyLen int

	semihosting bool      // boot argument gasp.semihosting=1
	semiHandle  [3]uint32 // handles of :tt for standard output and error
	semiArgs    [4]uint32 // argument block of a semihosting call
	semiName    = [4]byte{':', 't', 't', 0}
)

// EarlyLog returns what was written before ConsoleHook was set.
func EarlyLog() []byte { return early[:earlyLen] }

// Putc writes one byte to the console UART, polled. Trap context.
func Putc(b byte) {
	if machine.Putc != nil {
		machine.Putc(b)
	}
}

func puts(s string) {
	for i := 0; i < len(s); i++ {
		putEarly(s[i])
	}
}

func puthex(v uint32) {
	for i := 28; i >= 0; i -= 4 {
		putEarly("0123456789abcdef"[v>>uint(i)&15])
	}
}

func putEarly(b byte) {
	if earlyLen < earlySize {
		early[earlyLen] = b
		earlyLen++
	}
	if b == '\n' {
		Putc('\r')
	}
	Putc(b)
}

// consoleWrite is write(2) to descriptor 1 or 2.
func consoleWrite(fd, p, n uint32) {
	if semihosting {
		semihostWrite(fd, p, n)
	}
	if ConsoleHook != nil {
		ConsoleHook(int(fd), bytesAt(p, n))
		return
	}
	for i := uint32(0); i < n; i++ {
		putEarly(load8(p + i))
	}
}

// sayError logs a line of the kernel's own. Trap context.
func sayError(line string) {
	if ErrorHook != nil {
		ErrorHook(unsafe.Slice(unsafe.StringData(line), len(line)))
		return
	}
	puts(line)
	puts("\n")
}

// Semihosting (ARM DUI 0471, chapter 8): the operation in r0, the address of
// its argument block in r1.
const (
	semiOpen         = 0x01
	semiWrite        = 0x05
	semiExitExtended = 0x20

	semiModeWrite  = 4 // with the name :tt: standard output
	semiModeAppend = 8 // with the name :tt: standard error

	semiApplicationExit = 0x20026
)

func semihostWrite(fd, p, n uint32) {
	if semiHandle[fd] == 0 {
		mode := uint32(semiModeWrite)
		if fd == 2 {
			mode = semiModeAppend
		}
		semiArgs = [4]uint32{uint32(addrOf(&semiName)), mode, 3, 0}
		semiHandle[fd] = semihost(semiOpen, uint32(addrOf(&semiArgs)))
	}
	semiArgs = [4]uint32{semiHandle[fd], p, n, 0}
	semihost(semiWrite, uint32(addrOf(&semiArgs)))
}

func semihostExit(status uint32) {
	semiArgs = [4]uint32{semiApplicationExit, status, 0, 0}
	semihost(semiExitExtended, uint32(addrOf(&semiArgs)))
	Halt()
}

func addrOf[T any](p *T) uintptr { return uintptr(unsafe.Pointer(p)) }

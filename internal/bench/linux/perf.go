//go:build arm

package main

import (
	"encoding/binary"
	"fmt"
	"syscall"
	"unsafe"
)

// counter counts instructions with the CPU's performance monitor: see
// perf_event_open(2). Under icount QEMU counts exactly.
type counter struct{ fd int }

const (
	sysPerfEventOpen = 364

	attrSize          = 112 // PERF_ATTR_SIZE_VER5
	typeHardware      = 0
	countInstructions = 1
	excludeKernel     = 1 << 5
	excludeHV         = 1 << 6
)

func open(flags uint64, pid, cpu int) (counter, error) {
	var attr [attrSize]byte
	binary.LittleEndian.PutUint32(attr[0:], typeHardware)
	binary.LittleEndian.PutUint32(attr[4:], attrSize)
	binary.LittleEndian.PutUint64(attr[8:], countInstructions)
	binary.LittleEndian.PutUint64(attr[40:], flags)
	fd, _, no := syscall.Syscall6(sysPerfEventOpen, uintptr(unsafe.Pointer(&attr)), uintptr(pid), uintptr(cpu), ^uintptr(0), 0, 0)
	if no != 0 {
		return counter{}, fmt.Errorf("perf_event_open: %w", no)
	}
	return counter{int(fd)}, nil
}

// countCPU counts everything that CPU 0 executes.
func countCPU() (counter, error) { return open(0, -1, 0) }

// countUser counts what a thread executes in user mode.
func countUser(tid int) (counter, error) { return open(excludeKernel, tid, -1) }

// read returns the count. It has to be read before it has counted 2^32, which is
// what the hardware holds.
func (c counter) read() uint64 {
	var b [8]byte
	if n, err := syscall.Read(c.fd, b[:]); n != 8 || err != nil {
		return 0
	}
	return binary.LittleEndian.Uint64(b[:])
}

//go:build arm

package kernel_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/gasp-go/gasp/board/kernel"
	"github.com/gasp-go/gasp/internal/surface"
)

// kernelAddresses are addresses that are not the program's: the kernel's tables,
// stacks and image, DMA memory, devices.
func kernelAddresses(t *testing.T) []uintptr {
	t.Helper()
	mem := slurp(t, "/proc/meminfo")
	kb := uintptr(0)
	fmt.Sscanf(mem[strings.Index(mem, "MemTotal:"):], "MemTotal: %d", &kb)
	if kb == 0 {
		t.Fatal(mem)
	}
	// Devices have a second place, from 0xf0000000 on.
	a := []uintptr{0xf2020000, 0xf0a01000, 0xf0a02000, 0xf2188000}
	ram := uintptr(0x80000000) // i.MX6UL's
	if uintptr(unsafe.Pointer(&kb)) >= 0x90000000 {
		ram = 0x10000000 // i.MX6Q's, which has the heap there
	}
	end := ram + kb<<10
	a = append(a, end-4, end-4<<20, end-4<<20-4, end-4<<20-4096)
	own := kernel.KernelAddresses()
	if len(own) > 0 {
		return append(a, own...)
	}
	// Another image's kernel runs: all of its image is foreign.
	for off := uintptr(0x201000); off < 0x3c2000; off += 0x20000 {
		a = append(a, ram+off)
	}
	return a
}

func TestNoArgumentsOfAnySystemCallHarmTheKernel(t *testing.T) {
	onKernel(t)
	var some []uintptr
	all := kernelAddresses(t)
	for i := 0; i < len(all); i += (len(all) + 15) / 16 {
		some = append(some, all[i])
	}
	s := surface.Run(surface.Config{Kernel: some, Seed: 1, Random: 50_000, Failf: t.Errorf})
	t.Logf("%d calls, %d of them succeeded, %d not made", s.Calls, s.Succeeded, s.Skipped)
	if s.Calls < 250_000 {
		t.Errorf("only %d calls", s.Calls)
	}
}

func TestTheKernelsMemoryIsEFAULT(t *testing.T) {
	onKernel(t)
	null, err := syscall.Open("/dev/null", syscall.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	zero, err := syscall.Open("/dev/zero", syscall.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(null, zero)
	for _, p := range kernelAddresses(t) {
		if e := raw(syscall.SYS_WRITE, uintptr(null), p, 1); e != syscall.EFAULT {
			t.Errorf("reading %#x: %v", p, e)
		}
		if e := raw(syscall.SYS_READ, uintptr(zero), p, 1); e != syscall.EFAULT {
			t.Errorf("writing %#x: %v", p, e)
		}
		if e := raw(syscall.SYS_OPEN, p, 0, 0); e != syscall.EFAULT {
			t.Errorf("a name at %#x: %v", p, e)
		}
		page := p &^ 4095
		if e := raw(syscall.SYS_MUNMAP, page, 4096, 0); e != syscall.EINVAL {
			t.Errorf("munmap of %#x: %v", page, e)
		}
		if e := raw(syscall.SYS_MPROTECT, page, 4096, 3); e != syscall.ENOMEM {
			t.Errorf("mprotect of %#x: %v", page, e)
		}
		if e := raw(syscall.SYS_MADVISE, page, 4096, 4); e != syscall.ENOMEM {
			t.Errorf("madvise of %#x: %v", page, e)
		}
		if e := raw6(syscall.SYS_MMAP2, page, 4096, 3, 0x32); e != syscall.ENOMEM {
			t.Errorf("mmap over %#x: %v", page, e)
		}
	}
}

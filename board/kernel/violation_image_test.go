//go:build arm && (mx6ulevk || sabrelite)

package kernel_test

import (
	"syscall"
	"testing"
	"unsafe"

	"github.com/gasp-go/gasp/board/kernel"
)

// Every violation of the memory's protection, committed.

const returns = 0xe12fff1e // bx lr

// wordAt is the word at addr.
func wordAt(addr uintptr) *uint32 { return (*uint32)(unsafe.Add(nil, addr)) }

// mustFault checks that nothing of read, write and execute works at addr.
func mustFault(t *testing.T, name string, addr uintptr) {
	t.Helper()
	want := addr
	if addr < 4096 {
		want = 0 // the runtime tells a nil dereference without its address
	}
	if at, ok := faults(t, func() { data[1] = *wordAt(addr) }); !ok || at != want {
		t.Errorf("%s: reading %#x: fault %v at %#x", name, addr, ok, at)
	}
	if at, ok := faults(t, func() { *wordAt(addr) = returns }); !ok || at != want {
		t.Errorf("%s: writing %#x: fault %v at %#x", name, addr, ok, at)
	}
	if _, ok := faults(t, func() { call(addr) }); !ok {
		t.Errorf("%s: %#x was executed", name, addr)
	}
}

func TestPageZeroAndGuardsAllowNothing(t *testing.T) {
	inImage(t)
	for _, a := range []uintptr{0, 4, 0x800, 0xffc} {
		mustFault(t, "page 0", a)
	}
	for _, a := range kernel.StackGuards() {
		mustFault(t, "a stack's guard", uintptr(a))
		mustFault(t, "a stack's guard", uintptr(a)+4092)
	}
	const size = 4096
	p, _, e := syscall.RawSyscall6(syscall.SYS_MMAP2, 0, size, 0, 0x22, ^uintptr(0), 0)
	if e != 0 {
		t.Fatal(e)
	}
	mustFault(t, "PROT_NONE", p)
	raw(syscall.SYS_MUNMAP, p, size, 0)
	mustFault(t, "what was unmapped", p)
}

// onStack runs fn with the address of code on the stack.
//
//go:noinline
func onStack(fn func(uintptr)) uint32 {
	code := [4]uint32{returns, returns, returns, returns}
	fn(uintptr(unsafe.Pointer(&code)))
	return code[0]
}

func TestNothingButTextIsExecuted(t *testing.T) {
	inImage(t)
	refused := func(name string, addr uintptr) {
		t.Helper()
		if at, ok := faults(t, func() { call(addr) }); !ok || at != addr {
			t.Errorf("code in %s at %#x: fault %v at %#x", name, addr, ok, at)
		}
	}
	refused("data", uintptr(unsafe.Pointer(&data[0])))
	heap := make([]uint32, 8192)
	heap[0] = returns
	refused("the heap", uintptr(unsafe.Pointer(&heap[0])))
	if onStack(func(addr uintptr) { refused("a stack", addr) }) != returns {
		t.Error("the stack did not hold the code")
	}
	refused("read-only data", uintptr(unsafe.Pointer(unsafe.StringData("\x1e\xff\x2f\xe1\x1e\xff\x2f\xe1\x1e\xff\x2f\xe1")))&^3)
	for _, prot := range []uintptr{3, 7, 5, 1} { // PROT_EXEC is none
		p, _, e := syscall.RawSyscall6(syscall.SYS_MMAP2, 0, 4096, 3, 0x22, ^uintptr(0), 0)
		if e != 0 {
			t.Fatal(e)
		}
		*wordAt(p) = returns
		if e := raw(syscall.SYS_MPROTECT, p, 4096, prot); e != 0 {
			t.Fatal(e)
		}
		refused("mmap's memory", p)
		raw(syscall.SYS_MUNMAP, p, 4096, 0)
	}
	dma, phys := kernel.DMA()
	last := (*uint32)(unsafe.Pointer(&dma[len(dma)-4]))
	was := *last
	*last = returns
	refused("DMA memory", uintptr(phys)+uintptr(len(dma))-4)
	*last = was
	refused("a device", 0x00a01000) // GIC
}

func TestVectorsAreNotWritable(t *testing.T) {
	inImage(t)
	a := uintptr(kernel.VectorPage())
	if at, ok := faults(t, func() { *wordAt(a + 8) = returns }); !ok || at != a+8 {
		t.Errorf("writing %#x: fault %v at %#x", a+8, ok, at)
	}
}

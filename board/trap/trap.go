// Package trap runs short critical sections in trap context: on the kernel's
// own stack, with interrupts masked, so that nothing else on the CPU can see
// the section half done. It is what a spinlock with interrupts off is in other
// kernels, on one CPU.
//
// # Rules of trap context
//
// Code that runs here must not allocate, must not grow its stack beyond the
// kernel's few kilobytes, must not store a Go pointer into memory (the garbage
// collector's write barrier needs a P, and there is none), must not use maps,
// defer, channels or blocking locks, must not panic, and must finish within a
// bound. Calling function values and interface methods that were set earlier
// is allowed; so is storing integers.
package trap

import (
	"sync"
	"unsafe"
)

// Enter is how the kernel runs fn(arg) in trap context. The kernel sets it
// once, before the first goroutine of the firmware starts. While it is nil
// (a test on a host) a process-wide mutex stands in for the masked interrupts.
//
// It must accept calls from trap context too, and then call fn directly.
var Enter func(fn func(unsafe.Pointer), arg unsafe.Pointer)

// host serialises sections where no kernel is below. It is not reentrant, so
// a host test that nests sections hangs instead of passing by luck.
var host sync.Mutex

// Run calls fn(arg) in trap context and returns when it has returned. It may
// be called from any goroutine. fn must keep to the rules above. arg does not
// escape: fn must not keep it.
//
// Run must not be called from within a section; functions meant for trap
// context say so in their documentation and are called directly there.
func Run(fn func(unsafe.Pointer), arg unsafe.Pointer) {
	p := NoEscape(arg) // a new variable: escape analysis knows no order
	if Enter != nil {
		Enter(fn, p)
		return
	}
	host.Lock()
	defer host.Unlock()
	fn(p)
}

// NoEscape hides p from escape analysis, which cannot see through the call of a
// function value or an interface, so that what p points to can stay on the
// caller's stack. It is for arguments that nobody keeps beyond the call. The
// compiler no longer sees that it is in use either: a caller that does not use it
// afterwards keeps it alive (runtime.KeepAlive).
//
//go:nosplit
func NoEscape(p unsafe.Pointer) unsafe.Pointer {
	x := uintptr(p)
	return *(*unsafe.Pointer)(unsafe.Pointer(&x))
}

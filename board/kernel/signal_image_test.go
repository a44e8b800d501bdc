//go:build arm && (mx6ulevk || sabrelite)

package kernel_test

import (
	"testing"
	"unsafe"

	"github.com/gasp-go/gasp/board/kernel"
)

// The walk of a stack goes on behind a signal's handler wherever in runtime.sigtramp it
// is, and nowhere else.
func TestASignalsFrameIsFoundFromItsHandler(t *testing.T) {
	inImage(t)
	handler, restorer := kernel.SignalAddresses()
	if name, _ := kernel.Symbol(handler); name != "runtime.sigtramp" {
		t.Fatalf("the handler is %s", name)
	}
	stack := new([256]uint32)
	sp := uint32(uintptr(unsafe.Pointer(stack)))
	regs := func(at int) []uint32 { return stack[at+kernel.SignalRegs/4:] }
	for i, pushed := range []int{0, 1, 9, 13} {
		clear(stack[:])
		stack[pushed] = restorer
		for r := range 17 {
			regs(pushed + 1)[r] = uint32(1000*i + r)
		}
		for _, off := range []uint32{4, 0x30, 0x40} {
			at, ok := kernel.SignalFrame(handler+off, sp)
			if !ok || at.Regs[15] != uint32(1000*i+15) || at.Regs[13] != uint32(1000*i+13) {
				t.Errorf("%d words pushed, at +%#x: %v, %v", pushed, off, at.Regs, ok)
			}
		}
		if at, ok := kernel.SignalFrame(restorer, sp+4*uint32(pushed)+4); !ok || at.Regs[14] != uint32(1000*i+14) {
			t.Errorf("%d words pushed, at its return: %v, %v", pushed, at.Regs, ok)
		}
		if _, ok := kernel.SignalFrame(handler-4, sp); ok {
			t.Error("found from before the handler")
		}
	}
	clear(stack[:])
	if _, ok := kernel.SignalFrame(handler+0x30, sp); ok {
		t.Error("found where there is none")
	}
	if _, ok := kernel.SignalFrame(handler+0x30, 0x1000); ok {
		t.Error("found where there is no memory")
	}
}

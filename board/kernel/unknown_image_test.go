//go:build arm && (mx6ulevk || sabrelite)

package kernel_test

import (
	"strings"
	"testing"

	"github.com/gasp-go/gasp/board/kernel"
)

// kernelLines are the kernel's lines in the order in which it wrote them.
var kernelLines struct {
	n   int
	buf [4096]byte
}

func TestAnUnknownSystemCallIsLoggedOnce(t *testing.T) {
	inImage(t)
	kernel.ForgetUnknownCalls(498) // other tests make every call
	kernelLines.n = 0
	hook := kernel.ErrorHook
	kernel.ErrorHook = func(line []byte) {
		l := &kernelLines
		l.n += copy(l.buf[l.n:], line)
		l.n += copy(l.buf[l.n:], "\n")
	}
	for range 3 {
		raw(498, 0, 0, 0)
		raw(0xdead0001, 0, 0, 0)
		raw(172, 0, 0, 0) // the runtime tries it: no line
	}
	kernel.ErrorHook = hook
	got := string(kernelLines.buf[:kernelLines.n])
	for _, want := range []string{"kernel: no system call 498: ENOSYS\n", "kernel: no system call 3735879681: ENOSYS\n"} {
		if strings.Count(got, want) != 1 {
			t.Errorf("%q is not there once: %q", want, got)
		}
	}
	if strings.Count(got, "\n") != 2 {
		t.Errorf("%q", got)
	}
}

//go:build arm && (mx6ulevk || sabrelite)

package kernel_test

import (
	"runtime"
	"runtime/debug"
	"syscall"
	"testing"

	"github.com/gasp-go/gasp/board/kernel"
)

var single [1 << 10]uintptr // pages that are no more than that

// In a file behind that of the tests that need one large piece of addresses for their
// sockets: what the runtime maps while memory is short may lie anywhere.
func TestSocketsWithoutMemoryAreAnError(t *testing.T) {
	inImage(t)
	defer kernel.ServeAlone()()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	runtime.GC()
	debug.FreeOSMemory()
	n, _ := fillMemory(1 << 32)
	pages := 0
	for ; pages < len(single); pages++ { // what is left
		p, _, e := syscall.RawSyscall6(syscall.SYS_MMAP2, 0, 4096, 3, 0x22, ^uintptr(0), 0)
		if e != 0 {
			break
		}
		single[pages] = p
	}
	sockets, e := 0, syscall.Errno(0)
	var open [1000]uintptr
	for ; sockets < len(open); sockets++ {
		if open[sockets], _, e = syscall.RawSyscall(syscall.SYS_SOCKET, syscall.AF_INET, syscall.SOCK_DGRAM, 0); e != 0 {
			break
		}
	}
	for _, fd := range open[:sockets] {
		syscall.RawSyscall(syscall.SYS_CLOSE, fd, 0, 0)
	}
	for _, p := range single[:pages] {
		syscall.RawSyscall(syscall.SYS_MUNMAP, p, 4096, 0)
	}
	whole := checkMemory(n)
	// Where the pages of the table lie in a megabyte that has its memory, all is well.
	if e != 0 && e != syscall.ENFILE || !whole {
		t.Errorf("%d sockets, then %v; the rest of memory whole: %v", sockets, e, whole)
	}
}

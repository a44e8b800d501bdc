//go:build linux

package sockprobe

import (
	"syscall"
	"unsafe"
)

// disconnect is connect to an address of no family.
func disconnect(fd int) error {
	var none [16]byte
	_, _, e := syscall.Syscall(syscall.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&none)), 16)
	if e != 0 {
		return e
	}
	return nil
}

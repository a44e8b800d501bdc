//go:build !arm

package mmio

import (
	"sync/atomic"
	"unsafe"
)

var fence atomic.Uint32

func read32(addr uintptr) uint32 {
	return atomic.LoadUint32((*uint32)(pointer(addr)))
}

func write32(addr uintptr, v uint32) {
	atomic.StoreUint32((*uint32)(pointer(addr)), v)
}

func read16(addr uintptr) uint16 { return *(*uint16)(pointer(addr)) }

func write16(addr uintptr, v uint16) { *(*uint16)(pointer(addr)) = v }

// barrier orders through an atomic read-modify-write, which is a full fence on
// every host Go runs on.
func barrier() { fence.Add(1) }

func pointer(addr uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&addr)) }

package dma

import "unsafe"

// CPU is the CPU's data cache, to the point of coherency. A level 2 cache outside
// the CPU (PL310 of i.MX6Q) is not covered: the kernel switches it off.
var CPU Cache = cpuCache{}

type cpuCache struct{}

func (cpuCache) Invalidate(p unsafe.Pointer, n uint32) { invalidate(uintptr(p), n) }

// invalidate does DCIMVAC for each line of the range, then DSB (ARM DDI 0406C,
// B4.2.1). The line's length is from CTR.DminLine.
//
//go:noescape
func invalidate(addr uintptr, n uint32)

package mmio

//go:noescape
func read32(addr uintptr) uint32

//go:noescape
func write32(addr uintptr, v uint32)

func barrier()

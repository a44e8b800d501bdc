package mmio

// Offset is where the CPU finds a register, less its physical address. The
// kernel changes it when something else takes the devices' own addresses.
var Offset uintptr

//go:noescape
func read32(addr uintptr) uint32

//go:noescape
func write32(addr uintptr, v uint32)

//go:noescape
func read16(addr uintptr) uint16

//go:noescape
func write16(addr uintptr, v uint16)

func barrier()

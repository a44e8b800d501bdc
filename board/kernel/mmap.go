//go:build arm

package kernel

const (
	protNone = 0
	mapFixed = 0x10
)

// sysMmap answers mmap2: anonymous private memory only, which is all a Go
// program without files asks for.
func sysMmap(addr, size, prot, flags, fd uint32) uint32 {
	if size == 0 || size > ramEnd-machine.RAMBase {
		if size == 0 {
			return errno(EINVAL)
		}
		return errno(ENOMEM)
	}
	if int32(fd) != -1 {
		return errno(ENODEV)
	}
	size = (size + pageSize - 1) &^ (pageSize - 1)
	state := pageDemand
	if prot == protNone {
		state = pageReserved
	}
	switch {
	case flags&mapFixed != 0:
		if addr&(pageSize-1) != 0 {
			return errno(EINVAL)
		}
		if !inRAM(addr, size) || !ours(addr, size) {
			return errno(ENOMEM)
		}
	case addr&(pageSize-1) == 0 && inRAM(addr, size) && isFree(addr, size):
		// The hint is as good as any other place.
	default:
		addr = findFree(size)
		if addr == 0 {
			return errno(ENOMEM)
		}
	}
	change(addr, size, state)
	return addr
}

// isFree reports whether nobody has any page of the range.
func isFree(addr, size uint32) bool {
	for pn := addr >> pageShift; pn < (addr+size)>>pageShift; pn++ {
		if pageGet(pn) != pageFree {
			return false
		}
	}
	return true
}

// ours reports whether no page of the range is the kernel's.
func ours(addr, size uint32) bool {
	for pn := addr >> pageShift; pn < (addr+size)>>pageShift; pn++ {
		if pageGet(pn) == pageKernel {
			return false
		}
	}
	return true
}

// findFree finds the highest free range, so that the Go heap, which asks for
// addresses above the image, can grow upwards from there. 0 if there is none.
func findFree(size uint32) uint32 {
	n := size >> pageShift
	got := uint32(0)
	for pn := kernTop>>pageShift - 1; pn >= pages.first; pn-- {
		if pageGet(pn) != pageFree {
			got = 0
			continue
		}
		if got++; got == n {
			return pn << pageShift
		}
	}
	return 0
}

func sysMunmap(addr, size uint32) uint32 {
	size = (size + pageSize - 1) &^ (pageSize - 1)
	if addr&(pageSize-1) != 0 || size == 0 || !inRAM(addr, size) || !ours(addr, size) {
		return errno(EINVAL)
	}
	change(addr, size, pageFree)
	return 0
}

// sysMprotect knows no access and read-write; narrower rights are granted as
// read-write.
func sysMprotect(addr, size, prot uint32) uint32 {
	size = (size + pageSize - 1) &^ (pageSize - 1)
	if addr&(pageSize-1) != 0 {
		return errno(EINVAL)
	}
	if size == 0 {
		return 0
	}
	if !inRAM(addr, size) || !ours(addr, size) {
		return errno(ENOMEM)
	}
	for a := addr; a < addr+size; a += pageSize {
		switch s := pageGet(a >> pageShift); {
		case s == pageFree:
			return errno(ENOMEM)
		case prot == protNone && s != pageReserved:
			change(a, pageSize, pageReserved)
		case prot != protNone && s == pageReserved:
			change(a, pageSize, pageDemand)
		}
	}
	return 0
}

// sysMadvise gives pages back on MADV_DONTNEED and MADV_FREE; they read as zero
// when touched again. Other advice is taken without effect.
func sysMadvise(addr, size, advice uint32) uint32 {
	const dontNeed, free = 4, 8
	if addr&(pageSize-1) != 0 {
		return errno(EINVAL)
	}
	size = (size + pageSize - 1) &^ (pageSize - 1)
	if advice != dontNeed && advice != free || size == 0 {
		return 0
	}
	if !inRAM(addr, size) || !ours(addr, size) {
		return errno(ENOMEM)
	}
	for a := addr; a < addr+size; a += pageSize {
		if pageGet(a>>pageShift) == pageUsed {
			change(a, pageSize, pageDemand)
		}
	}
	return 0
}

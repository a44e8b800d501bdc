//go:build arm

package kernel

// Every page of RAM has a state byte. Pages handed out by mmap exist only when
// they are first touched: the fault clears the page and maps it. So a mapping
// costs nothing until it is used, memory given back by madvise or munmap is
// zero when it is used again, and the time with interrupts masked is that of
// one page.

type pageState uint8

const (
	pageFree     pageState = iota // nobody's
	pageKernel                    // the kernel's, this image's, or not for mmap
	pageReserved                  // mmap with PROT_NONE: an address range, no access
	pageDemand                    // readable and writable, not touched yet
	pageUsed                      // touched: mapped
)

// Memory accounts for the RAM, in bytes.
type Memory struct {
	Total    uint64 // all RAM
	Kernel   uint64 // image, kernel tables, DMA memory
	Used     uint64 // handed out by mmap and touched
	PeakUsed uint64
	Reserved uint64 // address ranges without access, and untouched pages
	Faults   uint64 // pages cleared and mapped on first touch
}

var pages struct {
	first, n   uint32 // page numbers: first page of RAM, count
	used, peak uint32
	kernel     uint32
	reserved   uint32
	faults     uint64
	hint       uint32 // where the search for free pages from the top begins
}

func pageGet(pn uint32) pageState    { return pageState(load8(pageBase + pn - pages.first)) }
func pageSet(pn uint32, s pageState) { store8(pageBase+pn-pages.first, byte(s)) }

// inRAM reports whether [addr, addr+size) lies in RAM.
func inRAM(addr, size uint32) bool {
	return addr >= machine.RAMBase && addr < ramEnd && size <= ramEnd-addr
}

// initPages takes the pages of the kernel and of this image out of use.
func initPages() {
	pages.first = machine.RAMBase >> pageShift
	pages.n = (ramEnd - machine.RAMBase) >> pageShift
	_, _, _, _, end := image()
	keep := end
	for pn := pages.first; pn < (keep+pageSize-1)>>pageShift; pn++ {
		pageSet(pn, pageKernel)
		pages.kernel++
	}
	for pn := kernTop >> pageShift; pn < ramEnd>>pageShift; pn++ {
		pageSet(pn, pageKernel)
		pages.kernel++
	}
}

// demand resolves a fault at addr if a page is due there.
func demand(addr uint32) bool {
	if !inRAM(addr, 1) {
		return false
	}
	pn := addr >> pageShift
	if pageGet(pn) != pageDemand {
		return false
	}
	a := addr &^ (pageSize - 1)
	protect(a, pageSize, attrData)
	zero(a, pageSize)
	pageSet(pn, pageUsed)
	pages.faults++
	pages.reserved--
	pages.used++
	if pages.used > pages.peak {
		pages.peak = pages.used
	}
	return true
}

// change gives the pages of [addr, addr+size) the state s, unmapping those that
// were in use. Pages of the kernel are left alone.
func change(addr, size uint32, s pageState) {
	unmapFrom, unmapN := uint32(0), uint32(0)
	for pn := addr >> pageShift; pn < (addr+size)>>pageShift; pn++ {
		old := pageGet(pn)
		if old == pageKernel {
			continue
		}
		if old == pageUsed {
			pages.used--
			if unmapN > 0 && unmapFrom+unmapN == pn {
				unmapN++
			} else {
				protect(unmapFrom<<pageShift, unmapN<<pageShift, attrNone)
				unmapFrom, unmapN = pn, 1
			}
		} else if old != pageFree {
			pages.reserved--
		}
		if s != pageFree {
			pages.reserved++
		}
		pageSet(pn, s)
	}
	protect(unmapFrom<<pageShift, unmapN<<pageShift, attrNone)
}

// accessible reports whether a thread may read (and, for writing, write) the n
// bytes at addr. System calls ask it before they follow a pointer; false means
// EFAULT. Demand pages count: the kernel's own access will fault them in.
func accessible(addr, n uint32, write bool) bool {
	if n == 0 {
		return true
	}
	if execAccessible(addr, n, write) {
		return true
	}
	if !inRAM(addr, n) {
		return false
	}
	for pn := addr >> pageShift; pn <= (addr+n-1)>>pageShift; pn++ {
		switch pageGet(pn) {
		case pageDemand, pageUsed:
		case pageKernel:
			if !kernelAccessible(pn<<pageShift, write) {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// kernelAccessible is accessible for pages outside mmap: this image's data is,
// its read-only parts are for reading, guards and tables are not.
func kernelAccessible(addr uint32, write bool) bool {
	text, _, _, erodata, end := image()
	data := (erodata + pageSize - 1) &^ (pageSize - 1)
	switch {
	case addr < text&^(pageSize-1) || addr >= end:
		return false
	case addr < data || addr == pageOf(&vecpage):
		return !write
	}
	return addr != pageOf(&kstack) && addr != pageOf(&fstack)
}

// MemoryStat returns how the RAM is used.
func MemoryStat() Memory {
	return Memory{
		Total:    uint64(pages.n) << pageShift,
		Kernel:   uint64(pages.kernel) << pageShift,
		Used:     uint64(pages.used) << pageShift,
		PeakUsed: uint64(pages.peak) << pageShift,
		Reserved: uint64(pages.reserved) << pageShift,
		Faults:   pages.faults,
	}
}

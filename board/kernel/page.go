//go:build arm

package kernel

// Virtual memory. Addresses that mmap hands out get a page frame when they are
// first touched: the fault takes a free frame, clears it and maps it. So a
// mapping costs nothing until it is used, memory given back by madvise or munmap
// is zero when it is used again, an address range can be reserved that is larger
// than the RAM, and the time with interrupts masked is that of one page.
//
// What is promised can be kept: accessible pages, touched or not, are counted,
// and mmap fails with ENOMEM before there are more of them than frames. The one
// exception is uninitialised data (bss) of programs, whose unused parts are
// large (the standard library has 32 MB of it for a rarely used mode); it counts
// when it is touched.
//
// The state of a page is in its descriptor. A valid descriptor means touched;
// in others the hardware ignores all but the low two bits, and they hold a
// pageState. In the first-level table that stands for a whole megabyte.

type pageState uint32

const (
	pageNone     pageState = 0      // not mapped
	pageReserved pageState = 1 << 2 // mmap with PROT_NONE: taken, no access
	pageDemand   pageState = 2 << 2 // accessible, not touched yet
	pageBSS      pageState = 3 << 2 // likewise, and not counted as promised
	pageDemandRO pageState = 4 << 2 // readable, not touched yet
	pageUsed     pageState = 5 << 2 // mapped; never in a descriptor
)

// Memory accounts for the RAM, in bytes.
type Memory struct {
	Total    uint64 // all RAM
	Kernel   uint64 // image as far as resident, kernel tables, DMA memory
	Used     uint64 // page frames in use by mmap and uninitialised data
	PeakUsed uint64
	Free     uint64 // page frames not in use
	Promised uint64 // accessible by mmap, touched or not
	Faults   uint64 // pages cleared and mapped on first touch
}

var pages struct {
	total    uint32 // frames there are
	free     uint32 // length of the stack at frameBase
	minFree  uint32
	promised uint32
	faults   uint64
}

// initPages gives all RAM that is nobody's to the frame allocator, and the tail
// of this image's bss: the linker puts the largest variables last, so behind the
// kernel's own largest none is needed to handle a fault.
func initPages() {
	initMegabytes()
	holdOut()   // a program in RAM that waits to be loaded
	holdFiles() // files in RAM
	holdPersistent()
	freeRange(machine.RAMBase, (firstOfImage())&^(pageSize-1))
	freeRange(imageEnd, kernTop)
	if last := kernelBSSEnd(); last < imageEnd {
		protect(last, imageEnd-last, attrNone)
		setState(last, imageEnd-last, pageBSS)
		freeRange(last, imageEnd)
	}
	pages.total = pages.free
	pages.minFree = pages.free
}

func firstOfImage() uint32 {
	text, _, _, _, _ := image()
	return text
}

// kernelBSSEnd is the first page after everything that trap entry, fault
// handling and the frame allocator touch.
func kernelBSSEnd() uint32 {
	end := uint32(0)
	for _, a := range [...]uint32{
		uint32(addrOf(&kstack)) + stackSize, uint32(addrOf(&fstack)) + stackSize,
		uint32(addrOf(&processStack)) + stackTop, uint32(addrOf(&threads)) + uint32(threadsSize),
		uint32(addrOf(&qstack)) + 8<<10, uint32(addrOf(&qg)) + 512, uint32(addrOf(&fiqState)) + fiqStateSize,
		uint32(addrOf(&l1Mem)) + 32<<10, uint32(addrOf(&vecpage)) + 2*pageSize,
	} {
		end = max(end, a)
	}
	return (end + pageSize - 1) &^ (pageSize - 1)
}

// freeRange gives the frames of [start, end) to the allocator, except the boot
// arguments' and those held out.
func freeRange(start, end uint32) {
	for a := start; a < end; a += pageSize {
		if a == machine.RAMBase+cmdlineOffset || a >= heldStart && a < heldEnd ||
			a >= filesStart && a < filesEnd || a >= persistStart && a < persistEnd {
			continue
		}
		freeFrame(a)
	}
}

func freeFrame(pa uint32) {
	store32(frameBase+4*pages.free, pa)
	pages.free++
}

// takeFrame returns the address of a free frame; 0 if there is none.
func takeFrame() uint32 {
	if pages.free == 0 {
		return 0
	}
	pages.free--
	if pages.free < pages.minFree {
		pages.minFree = pages.free
	}
	return load32(frameBase + 4*pages.free)
}

// stateOf returns the state of the page at va and, if used, its descriptor
// (a section's, for a section).
func stateOf(va uint32) (s pageState, desc uint32) {
	d := load32(l1 + va>>20*4)
	if d&3 == 1 {
		d = load32(d&^1023 + va>>pageShift&255*4)
	}
	if d&3 != 0 {
		return pageUsed, d
	}
	return pageState(d), 0
}

// setState makes the pages of [va, va+size) what s says, whatever they were.
// Frames they had become free.
func setState(va, size uint32, s pageState) {
	n := size >> pageShift
	flush := n > 16 // all at once
	for n > 0 {
		e := l1 + va>>20*4
		d := load32(e)
		if va&(sectionSize-1) == 0 && n >= 256 && d&3 != 1 {
			tally(va, pageState(d), -256)
			tally(va, s, 256)
			store32(e, uint32(s))
			cacheCleanLine(e)
			va, n = va+sectionSize, n-256
			continue
		}
		t := split(va)
		if t == 0 {
			return
		}
		first := va >> pageShift & 255
		k := min(n, 256-first)
		setPages(t+first*4, va, k, s, !flush)
		if m := megabyteOf(va); m != nil && (m.none == 256 || m.reserved == 256) {
			// Nothing in the table says more than the whole does.
			store32(e, uint32(s))
			cacheCleanLine(e)
			flush = true
		}
		va, n = va+k<<pageShift, n-k
	}
	if flush {
		tlbFlushAll()
	}
}

// promised reports whether a page in state s has a frame or a right to one.
func (s pageState) promised() bool {
	return s == pageDemand || s == pageDemandRO || s == pageUsed
}

// setPages is setState for k pages whose descriptors are at p.
func setPages(p, va, k uint32, s pageState, flush bool) {
	var used, demand, reserved, none, bss int32
	for end := p + 4*k; p < end; p, va = p+4, va+pageSize {
		old := load32(p)
		store32(p, uint32(s))
		switch {
		case old&3 != 0:
			cacheCleanLine(p)
			if flush {
				tlbFlushPage(va)
			}
			freeFrame(old &^ (pageSize - 1))
			used++
		case pageState(old).promised():
			demand++
		case pageState(old) == pageReserved:
			reserved++
		case pageState(old) == pageNone:
			none++
		default:
			bss++
		}
	}
	va -= pageSize // the last one, in the same megabyte
	tally(va, pageUsed, -used)
	tally(va, pageDemand, -demand)
	tally(va, pageReserved, -reserved)
	tally(va, pageNone, -none)
	tally(va, pageBSS, -bss)
	tally(va, s, int32(k))
}

// demand resolves a fault at va if a page is due there.
func demand(va uint32) bool {
	s, _ := stateOf(va)
	if s != pageDemand && s != pageDemandRO && s != pageBSS {
		return false
	}
	if s == pageBSS && !affordable(1) {
		return false // or it would take what mmap promised
	}
	frame := takeFrame()
	if frame == 0 {
		return false
	}
	if s == pageBSS {
		tally(va, pageUsed, 1)
	}
	va &^= pageSize - 1
	mapRange(va, frame, pageSize, attrData)
	zero(va, pageSize)
	if s == pageDemandRO {
		mapRange(va, frame, pageSize, attrRead)
	}
	pages.faults++
	return true
}

// present reports whether the page at va has a frame, which it gets if need be: a
// fault in trap context that finds none would be fatal.
func present(va uint32) bool {
	s, _ := stateOf(va)
	return s == pageUsed || demand(va)
}

// accessible reports whether a thread may read (and, for writing, write) the n
// bytes at addr. System calls ask it before they follow a pointer; false means
// EFAULT. Pages not touched yet count: the kernel's own access will fault them
// in.
func accessible(addr, n uint32, write bool) bool {
	if n == 0 {
		return true
	}
	last := addr + n - 1
	if last < addr || addr < pageSize || addr >= kernTop && addr < ramEnd || isKernels(addr, last) {
		return false
	}
	for va := addr &^ (pageSize - 1); ; va += pageSize {
		if e := load32(l1 + va>>20*4); e&3 == 1 && load32(e&^1023+va>>pageShift&255*4)&(pageSize-1) == pageBits[attrData] {
			if last-va < pageSize {
				return true // as nearly always
			}
			continue
		}
		if l2Table(va) == 0 {
			return false // nothing of a program is elsewhere
		}
		switch s, d := stateOf(va); s {
		case pageDemand, pageBSS:
		case pageDemandRO:
			if write {
				return false
			}
		case pageUsed:
			if d&(1<<3) == 0 || isKept(d) {
				return false // a device's or DMA memory: not cached
			}
			readOnly := d&(1<<9) != 0
			if d&3 == 2 && load32(l1+va>>20*4)&3 == 2 {
				readOnly = d&(1<<15) != 0
			}
			if write && readOnly {
				return false
			}
		default:
			return false
		}
		if last-va < pageSize {
			return true
		}
	}
}

// Peek reads the word at addr, if it is mapped memory of the program or the
// kernel's stack. Any context.
func Peek(addr uint32) (word uint32, ok bool) {
	if addr&3 != 0 || addr < pageSize || l2Table(addr) == 0 {
		return 0, false
	}
	if s, d := stateOf(addr); s != pageUsed || d&(1<<3) == 0 || isKept(d) {
		return 0, false
	}
	return load32(addr), true
}

// inVM reports whether [addr, addr+size) lies in mmap's addresses and is nothing
// of the kernel's.
func inVM(addr, size uint32) bool {
	return addr >= machine.VMBase && addr-machine.VMBase < machine.VMSize && size <= machine.VMSize-(addr-machine.VMBase) &&
		!isKernels(addr, addr+size-1)
}

// inRAM reports whether [addr, addr+size) lies in RAM.
func inRAM(addr, size uint32) bool {
	return addr >= machine.RAMBase && addr < ramEnd && size <= ramEnd-addr
}

// MemoryStat returns how the RAM is used.
func MemoryStat() Memory {
	ram := uint64(ramEnd - machine.RAMBase)
	return Memory{
		Total:    ram,
		Kernel:   ram - uint64(pages.total)<<pageShift,
		Used:     uint64(pages.total-pages.free) << pageShift,
		PeakUsed: uint64(pages.total-pages.minFree) << pageShift,
		Free:     uint64(pages.free) << pageShift,
		Promised: uint64(pages.promised) << pageShift,
		Faults:   pages.faults,
	}
}

//go:build arm

package kernel

// Page tables: ARMv7 short descriptors (ARM DDI 0406C, B3.5). This image, the
// kernel's memory and devices are mapped one to one; mmap's addresses have page
// frames from anywhere (page.go).
//
//	text                      read, execute
//	read-only data            read
//	data, stacks, heap        read, write
//	DMA memory                read, write, not cached
//	devices                   read, write, device
//	page 0, guards, the rest  nothing: a fault
//
// Whole megabytes use sections, others second-level tables of 4 KiB pages.

const (
	pageSize    = 4096
	pageShift   = 12
	sectionSize = 1 << 20

	// DMASize is the size of the memory for devices at the top of RAM.
	DMASize = 4 << 20

	// StreamSize is the part of it, its end, that is cached: StreamingDMA.
	StreamSize = 1 << 20
)

// attr says what may be done with a page.
type attr uint8

const (
	attrNone   attr = iota
	attrText        // read, execute
	attrRead        // read
	attrData        // read, write
	attrDMA         // read, write, not cached
	attrDevice      // read, write, device
	attrExec        // read, write, execute: only for images that exec.go loads
	attrKept        // no access to what the page holds; pages only
)

// section and page descriptors by attr. Memory is normal write-back
// write-allocate (TEX=001 C=1 B=1) shareable; DMA memory is normal not cached
// (TEX=001 C=0 B=0); devices are shareable device (TEX=000 C=0 B=1).
// AP=001: privileged read and write, AP=101: privileged read, AP=000: nothing.
var sectionBits = [...]uint32{
	attrNone:   0,
	attrText:   1<<16 | 1<<15 | 1<<12 | 1<<10 | 1<<3 | 1<<2 | 2,
	attrRead:   1<<16 | 1<<15 | 1<<12 | 1<<10 | 1<<4 | 1<<3 | 1<<2 | 2,
	attrData:   1<<16 | 1<<12 | 1<<10 | 1<<4 | 1<<3 | 1<<2 | 2,
	attrDMA:    1<<16 | 1<<12 | 1<<10 | 1<<4 | 2,
	attrDevice: 1<<10 | 1<<4 | 1<<2 | 2,
	attrExec:   1<<16 | 1<<12 | 1<<10 | 1<<3 | 1<<2 | 2,
}

var pageBits = [...]uint32{
	attrNone:   0,
	attrText:   1<<10 | 1<<9 | 1<<6 | 1<<4 | 1<<3 | 1<<2 | 2,
	attrRead:   1<<10 | 1<<9 | 1<<6 | 1<<4 | 1<<3 | 1<<2 | 3,
	attrData:   1<<10 | 1<<6 | 1<<4 | 1<<3 | 1<<2 | 3,
	attrDMA:    1<<10 | 1<<6 | 1<<4 | 3,
	attrDevice: 1<<4 | 1<<2 | 3,
	attrExec:   1<<10 | 1<<6 | 1<<4 | 1<<3 | 1<<2 | 2,
	attrKept:   1<<10 | 1<<6 | 1<<3 | 1<<2 | 3,
}

var (
	l1Mem [32 << 10]byte // holds the 16 KiB first-level table, aligned
	l1    uint32

	ramEnd uint32 // first address after the RAM

	// Cut from the top of RAM at boot, see initMMU.
	l2Base    uint32 // second-level tables, 1 KiB for each megabyte that may need one
	frameBase uint32 // the free page frames, a stack of page numbers (page.go)
	dmaBase   uint32 // memory for devices
	kernTop   uint32 // first address of all this: free RAM ends here

	imageEnd uint32 // first page after this image
)

// lowMB is how many megabytes from address 0 an image loaded by exec.go may
// take.
const lowMB = 128

// tableRange is a range of addresses that may be mapped in pages: it has a
// second-level table for each of its megabytes.
type tableRange struct {
	start, end uint32 // whole megabytes
	table      uint32 // of the first megabyte
}

// tableRanges are the low addresses (exec.go), mmap's, this image's and those
// of the kernel's memory at the top of RAM.
var tableRanges [4]tableRange

// probe* let probeRAM touch addresses where nothing may be (kernelFault).
var probing, probeFault bool

// probeRAM finds the end of RAM: beyond it either nothing answers (an external
// abort) or the RAM appears again. It runs with MMU off.
func probeRAM() {
	const where = cmdlineOffset - 16 // in the unused page below the boot arguments
	size := uint32(32 << 20)
	for size < machine.RAMMax {
		low, high := machine.RAMBase+where, machine.RAMBase+size+where
		probing, probeFault = true, false
		v := load32(high)
		if !probeFault {
			store32(high, ^v)
		}
		probing = false
		if probeFault {
			break
		}
		before := load32(low)
		got := load32(high)
		store32(low, before^0x5a5a5a5a)
		alias := load32(high) != got
		store32(low, before)
		store32(high, v)
		if alias || got != ^v {
			break
		}
		size <<= 1
	}
	ramEnd = machine.RAMBase + size
}

// limitRAM applies the boot argument mem=.
func limitRAM(size uint32) {
	size &^= sectionSize - 1
	if size >= 32<<20 && size < ramEnd-machine.RAMBase {
		ramEnd = machine.RAMBase + size
	}
}

// initMMU builds the tables and switches translation and caches on.
func initMMU() {
	l1 = (uint32(addrOf(&l1Mem)) + 16383) &^ 16383
	zero(l1, 16384)
	text, etext, rodata, erodata, end := image()
	imageEnd = (end + pageSize - 1) &^ (pageSize - 1)
	const mb = sectionSize - 1
	top := (ramEnd - 32<<20) &^ mb
	tableRanges = [...]tableRange{
		{start: 0, end: lowMB << 20},
		{start: machine.VMBase, end: machine.VMBase + machine.VMSize},
		{start: machine.RAMBase, end: (imageEnd + mb) &^ mb},
		{start: top, end: (ramEnd + mb) &^ mb},
	}
	n := uint32(0)
	for i := range tableRanges {
		n += (tableRanges[i].end - tableRanges[i].start) >> 20
	}
	dmaBase = ramEnd - DMASize
	l2Base = dmaBase - n*1024
	frameBase = (l2Base - (ramEnd-machine.RAMBase)>>pageShift*4) &^ (pageSize - 1)
	kernTop = frameBase
	if imageEnd > kernTop {
		puts("Not enough RAM for this image\n")
		Halt()
	}
	zero(kernTop, dmaBase-kernTop)
	n = l2Base
	for i := range tableRanges {
		r := &tableRanges[i]
		r.table = n
		n += (r.end - r.start) >> 20 * 1024
	}

	for i := range machine.Devices {
		d := &machine.Devices[i]
		protect(d.Base, d.Size, attrDevice)
		if d.Base < 1<<28 {
			mapRange(d.Base+deviceAlias, d.Base, d.Size, attrDevice)
		}
	}
	data := (erodata + pageSize - 1) &^ (pageSize - 1)
	protect(machine.RAMBase+cmdlineOffset, pageSize, attrData)
	protect(text&^(pageSize-1), etext-text&^(pageSize-1), attrText)
	protect(rodata&^(pageSize-1), data-rodata&^(pageSize-1), attrRead)
	protect(data, end-data, attrData)
	protect(pageOf(&vecpage), pageSize, attrText)
	protect(pageOf(&kstack), pageSize, attrNone)
	protect(pageOf(&fstack), pageSize, attrNone)
	protect(kernTop, dmaBase-kernTop, attrData)
	protect(dmaBase, DMASize-StreamSize, attrDMA)
	protect(dmaBase+DMASize-StreamSize, StreamSize, attrData)
	mmuOn(l1)
}

// pageOf is the first whole page inside the array at p.
func pageOf[T any](p *T) uint32 {
	return (uint32(addrOf(p)) + pageSize - 1) &^ (pageSize - 1)
}

// l2Table is the second-level table for the megabyte of va, 0 if it can have
// none.
func l2Table(va uint32) uint32 {
	for i := range tableRanges {
		if r := &tableRanges[i]; va >= r.start && va < r.end {
			return r.table + (va-r.start)>>20*1024
		}
	}
	return 0
}

// protect sets what may be done with [va, va+size), mapped one to one. Partial
// pages count whole.
func protect(va, size uint32, a attr) { mapRange(va, va, size, a) }

// mapRange maps [va, va+size) to pa onwards.
func mapRange(va, pa, size uint32, a attr) {
	if size == 0 {
		return
	}
	n := (size + va&(pageSize-1) + pageSize - 1) >> pageShift
	va &^= pageSize - 1
	pa &^= pageSize - 1
	flush := n > 16
	for n > 0 {
		e := l1 + va>>20*4
		if va&(sectionSize-1) == 0 && pa&(sectionSize-1) == 0 && n >= 256 {
			d := uint32(0)
			if a != attrNone {
				d = pa | sectionBits[a]
			}
			store32(e, d)
			cacheCleanLine(e)
			va, pa, n = va+sectionSize, pa+sectionSize, n-256
			flush = true
			continue
		}
		t := split(va)
		if t == 0 {
			return
		}
		for ok := true; ok; ok = n > 0 && va&(sectionSize-1) != 0 {
			d := uint32(0)
			if a != attrNone {
				d = pa | pageBits[a]
			}
			p := t + va>>pageShift&255*4
			store32(p, d)
			cacheCleanLine(p)
			if !flush {
				tlbFlushPage(va)
			}
			va, pa, n = va+pageSize, pa+pageSize, n-1
		}
	}
	if flush {
		tlbFlushAll()
	}
}

// split makes the megabyte of va use a second-level table and returns it, 0 if
// it can have none. Every page stays what the whole was.
func split(va uint32) uint32 {
	e := l1 + va>>20*4
	d := load32(e)
	if d&3 == 1 {
		return d &^ 1023
	}
	t := l2Table(va)
	if t == 0 {
		return 0
	}
	step := uint32(0)
	if d&3 != 0 {
		for a := attrText; a <= attrExec; a++ {
			if d&(sectionSize-1) == sectionBits[a] {
				d = d&^(sectionSize-1) | pageBits[a]
				step = pageSize
				break
			}
		}
	}
	for i := uint32(0); i < 1024; i += 4 {
		store32(t+i, d)
		d += step
	}
	for i := uint32(0); i < 1024; i += 32 {
		cacheCleanLine(t + i)
	}
	store32(e, t|1)
	cacheCleanLine(e)
	tlbFlushAll()
	return t
}

// RAM returns the physical address and size of the RAM.
func RAM() (base, size uint32) { return machine.RAMBase, ramEnd - machine.RAMBase }

// DMA returns the coherent memory, all but StreamSize, mapped without caches, for
// descriptors and buffers that devices access. The kernel does not use it.
func DMA() (mem []byte, phys uint32) {
	return bytesAt(dmaBase, DMASize-StreamSize), dmaBase
}

// StreamingDMA returns memory for devices that is cached: see package dma. To be
// called once; the caller owns it.
func StreamingDMA() (mem []byte, phys uint32) {
	phys = dmaBase + DMASize - StreamSize
	return bytesAt(phys, StreamSize), phys
}

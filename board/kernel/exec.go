//go:build arm

package kernel

import "github.com/gasp-go/gasp/board/mmio"

// Running another program: any static linux/arm ELF, for instance what "go test
// -c" builds, linked at its usual low addresses. The loader leaves the file in
// RAM and says where (boot argument gasp.exec=<address>,<size>); the kernel
// copies its segments to free pages, maps them where they want to be, and
// starts the program instead of this image's own runtime.

// deviceAlias is where devices are mapped a second time, for when a program
// takes the low addresses, where i.MX has them.
const deviceAlias = 0xf0000000

// ELF, 32 bits little-endian.
const (
	elfMagic  = 0x464c457f
	elfClass  = 0x00010101 // 32 bits, little-endian, version 1
	elfExec   = 2
	elfARM    = 40
	ptLoad    = 1
	pfX, pfW  = 1, 2
	ehdrSize  = 52
	phdrSize  = 32
	maxPhdrs  = 32
	lowest    = pageSize
	highest   = lowMB << 20
	badImage  = "gasp.exec: not a static linux/arm ELF program\n"
	noRoom    = "gasp.exec: not enough RAM for the program\n"
	badSyntax = "gasp.exec: want <address>,<size>\n"
)

// The file waits in [heldStart, heldEnd), whole pages, which are not free until
// it is loaded.
var heldStart, heldEnd uint32

// holdOut finds out where a program waits. It runs before page frames are given
// out.
func holdOut() {
	addr, size, ok := areaOf("gasp.exec=")
	if !ok || size < ehdrSize {
		return
	}
	elfFile, elfSize = addr, size
	heldStart = elfFile &^ (pageSize - 1)
	heldEnd = (elfFile + elfSize + pageSize - 1) &^ (pageSize - 1)
}

// areaOf reads a boot argument <address>,<size> that names a part of free RAM.
func areaOf(key string) (addr, size uint32, ok bool) {
	v := bootValue(key)
	a, rest := parseNumber(v)
	if len(v) == 0 || len(rest) < 2 || rest[0] != ',' || a > 0xffffffff {
		return 0, 0, false
	}
	s, rest := parseNumber(rest[1:])
	if len(rest) != 0 || s == 0 || s > 1<<30 || !inRAM(uint32(a), uint32(s)) ||
		uint32(a) < imageEnd || uint32(a+s) > kernTop {
		return 0, 0, false
	}
	return uint32(a), uint32(s), true
}

var elfFile, elfSize uint32 // the program's ELF file in RAM

// loadImage prepares another program instead of this image's, if the boot
// arguments name one, and reports whether it did. A program that cannot be
// loaded ends the firmware with the reason.
func loadImage() bool {
	if len(bootValue("gasp.exec=")) == 0 {
		return false
	}
	if elfFile == 0 {
		refuse(badSyntax)
	}
	entry := loadELF()
	t := &threads[0]
	t.ctx.pc = entry
	t.ctx.r[13] = initialStack()
	return true
}

// loadELF loads the file and returns the entry address.
func loadELF() uint32 {
	const mb = sectionSize - 1
	window := elfFile &^ mb
	windowSize := (elfFile+elfSize+mb)&^mb - window
	if window < (imageEnd+mb)&^mb || window+windowSize > tableRanges[3].start {
		refuse(badSyntax)
	}
	protect(window, windowSize, attrData)
	phoff := load32(elfFile + 28)
	phnum := load32(elfFile+44) & 0xffff
	if load32(elfFile) != elfMagic || load32(elfFile+4)&0xffffff != elfClass ||
		load32(elfFile+16) != elfARM<<16|elfExec || load32(elfFile+40)>>16 != phdrSize ||
		phnum > maxPhdrs || phoff > elfSize || elfSize-phoff < phnum*phdrSize {
		refuse(badImage)
	}
	// The program may take the devices' addresses.
	machine.GICD += deviceAlias
	machine.GICC += deviceAlias
	if machine.MPCore != 0 {
		machine.MPCore += deviceAlias
	}
	mmio.Offset = deviceAlias
	for i := range machine.Devices {
		protect(machine.Devices[i].Base, machine.Devices[i].Size, attrNone)
	}
	for i := uint32(0); i < phnum; i++ {
		if ph := elfFile + phoff + i*phdrSize; load32(ph) == ptLoad {
			loadSegment(ph)
		}
	}
	entry := load32(elfFile + 24)
	if s, _ := stateOf(entry); s != pageUsed || entry >= highest {
		refuse(badImage)
	}
	protect(window, windowSize, attrNone)
	start, end := heldStart, heldEnd
	heldStart, heldEnd = 0, 0
	before := pages.free
	freeRange(start, end)
	pages.total += pages.free - before
	icacheInvalidate()
	return entry
}

// loadSegment maps one part of the program: what the file has is copied, the
// rest is uninitialised data, there on demand.
func loadSegment(ph uint32) {
	off, va := load32(ph+4), load32(ph+8)
	filesz, memsz, flags := load32(ph+16), load32(ph+20), load32(ph+24)
	if memsz == 0 {
		return
	}
	if filesz > memsz || off > elfSize || filesz > elfSize-off ||
		va < lowest || va >= highest || memsz > highest-va {
		refuse(badImage)
	}
	a := attrRead
	switch {
	case flags&pfX != 0 && flags&pfW != 0:
		a = attrExec
	case flags&pfX != 0:
		a = attrText
	case flags&pfW != 0:
		a = attrData
	}
	start := va &^ (pageSize - 1)
	fileEnd := (va + filesz + pageSize - 1) &^ (pageSize - 1)
	end := (va + memsz + pageSize - 1) &^ (pageSize - 1)
	for p := start; p < end; p += pageSize {
		if s, _ := stateOf(p); s != pageNone {
			refuse(badImage) // overlaps another segment
		}
		if p >= fileEnd {
			setState(p, pageSize, pageBSS)
			continue
		}
		frame := takeFrame()
		if frame == 0 {
			refuse(noRoom)
		}
		pages.promised++
		mapRange(p, frame, pageSize, attrData)
		zero(p, pageSize)
		first, last := max(p, va), min(p+pageSize, va+filesz)
		if first < last {
			copy(bytesAt(first, last-first), bytesAt(elfFile+off+first-va, last-first))
		}
		for l := p; l < p+pageSize; l += 32 {
			cacheCleanLine(l)
		}
		mapRange(p, frame, pageSize, a)
	}
}

// refuse ends the firmware because a program cannot be loaded.
func refuse(why string) {
	if semihosting {
		for i := 0; i < len(why); i++ {
			early[i] = why[i]
		}
		semihostWrite(2, uint32(addrOf(&early)), uint32(len(why)))
		semihostExit(126)
	}
	puts(why)
	Halt()
}

//go:build arm

package kernel

import "github.com/gasp-go/gasp/board/mmio"

// Running another program: any static linux/arm ELF, for instance what "go test
// -c" builds, linked at its usual low addresses. The loader leaves the file in
// RAM and says where (boot argument gasp.exec=<address>,<size>); the kernel
// copies its segments to free pages, maps them where they want to be, and
// starts the program instead of this image's own runtime.

// segment is one loaded part of the program.
type segment struct {
	start, end uint32 // virtual, whole pages
	writable   bool
}

var (
	segments  [8]segment
	nSegments int
)

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

// loadImage prepares another program instead of this image's, if the boot
// arguments name one, and reports whether it did. A program that cannot be
// loaded ends the firmware with the reason.
func loadImage() bool {
	v := bootValue("gasp.exec=")
	if len(v) == 0 {
		return false
	}
	addr, rest := parseNumber(v)
	if len(rest) < 2 || rest[0] != ',' || addr > 0xffffffff {
		refuse(badSyntax)
	}
	size, rest := parseNumber(rest[1:])
	if len(rest) != 0 || size < ehdrSize || size > 1<<30 || !inRAM(uint32(addr), uint32(size)) ||
		!isFree(uint32(addr)&^(pageSize-1), uint32(size)+pageSize&^(pageSize-1)) {
		refuse(badSyntax)
	}
	entry := loadELF(uint32(addr), uint32(size))
	t := &threads[0]
	t.ctx.pc = entry
	t.ctx.r[13] = initialStack()
	return true
}

// loadELF loads the n bytes at file and returns the entry address.
func loadELF(file, n uint32) uint32 {
	whole := (n + pageSize - 1 + file&(pageSize-1)) &^ (pageSize - 1)
	base := file &^ (pageSize - 1)
	protect(base, whole, attrData)
	for a := base; a < base+whole; a += pageSize {
		pageSet(a>>pageShift, pageKernel) // not to be taken for a segment
	}
	phoff := load32(file + 28)
	phnum := load32(file+44) & 0xffff
	if load32(file) != elfMagic || load32(file+4)&0xffffff != elfClass&0xffffff ||
		load32(file+16) != elfARM<<16|elfExec || load32(file+40)>>16 != phdrSize ||
		phnum > maxPhdrs || phoff > n || n-phoff < phnum*phdrSize {
		refuse(badImage)
	}
	for i := uint32(0); i < phnum; i++ {
		if ph := file + phoff + i*phdrSize; load32(ph) == ptLoad {
			loadSegment(file, n, ph)
		}
	}
	entry := load32(file + 24)
	if !execAccessible(entry, 4, false) {
		refuse(badImage)
	}
	for a := base; a < base+whole; a += pageSize {
		pageSet(a>>pageShift, pageFree)
	}
	protect(base, whole, attrNone)
	// The program may have taken the devices' addresses.
	machine.GICD += deviceAlias
	machine.GICC += deviceAlias
	mmio.Offset = deviceAlias
	icacheInvalidate()
	return entry
}

func loadSegment(file, n, ph uint32) {
	off, va := load32(ph+4), load32(ph+8)
	filesz, memsz, flags := load32(ph+16), load32(ph+20), load32(ph+24)
	if memsz == 0 {
		return
	}
	if nSegments == len(segments) || filesz > memsz || off > n || filesz > n-off ||
		va < lowest || va >= highest || memsz > highest-va {
		refuse(badImage)
	}
	start := va &^ (pageSize - 1)
	end := (va + memsz + pageSize - 1) &^ (pageSize - 1)
	for i := 0; i < nSegments; i++ {
		if start < segments[i].end && segments[i].start < end {
			refuse(badImage)
		}
	}
	pa := findFree(end - start)
	if pa == 0 {
		refuse(noRoom)
	}
	protect(pa, end-start, attrData)
	zero(pa, end-start)
	copy(bytesAt(pa+va-start, filesz), bytesAt(file+off, filesz))
	for a := pa; a < pa+end-start; a += pageSize {
		pageSet(a>>pageShift, pageKernel)
		for l := a; l < a+pageSize; l += 32 {
			cacheCleanLine(l)
		}
		pages.kernel++
	}
	protect(pa, end-start, attrNone)
	a := attrRead
	switch {
	case flags&pfX != 0 && flags&pfW != 0:
		a = attrExec
	case flags&pfX != 0:
		a = attrText
	case flags&pfW != 0:
		a = attrData
	}
	mapRange(start, pa, end-start, a)
	segments[nSegments] = segment{start: start, end: end, writable: flags&pfW != 0}
	nSegments++
}

// execAccessible is accessible for a loaded program's segments.
func execAccessible(addr, n uint32, write bool) bool {
	for i := 0; i < nSegments; i++ {
		s := &segments[i]
		if addr >= s.start && addr < s.end {
			return n <= s.end-addr && (s.writable || !write)
		}
	}
	return false
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

//go:build arm

package kernel

import "unsafe"

// Names of functions, from the table the linker leaves for the runtime
// (cmd/link writes it, runtime/symtab.go reads it). The runtime's own look-up
// cannot be used here: it needs a P. The layout is checked before use, so that
// another Go release gives no names rather than wrong ones.

// pcHeader is the table's head.
type pcHeader struct {
	magic                             uint32
	pad1, pad2                        uint8
	minLC, ptrSize                    uint8
	nfunc, nfiles                     uint32
	_                                 uint32
	funcname, cu, files, pctab, funcs uint32 // offsets from the head
}

const pcMagic = 0xfffffff1 // Go 1.20 and later

func pclntab() uint32 // address of the table, in assembly

// findFunc returns the table, and in it the function that pc lies in: its entry
// and record. No record: there is none. Any context.
func findFunc(pc uint32) (base, entry, rec uint32) {
	text, etext, _, _, _ := image()
	base = pclntab()
	h := (*pcHeader)(unsafe.Add(nil, base))
	if pc < text || pc >= etext || h.magic != pcMagic || h.ptrSize != 4 || h.nfunc == 0 {
		return 0, 0, 0
	}
	// Pairs of entry and record offsets, sorted by entry.
	tab := base + h.funcs
	lo, hi := uint32(0), h.nfunc
	for hi-lo > 1 {
		if mid := (lo + hi) / 2; load32(tab+8*mid) <= pc-text {
			lo = mid
		} else {
			hi = mid
		}
	}
	return base, text + load32(tab+8*lo), tab + load32(tab+8*lo+4)
}

// Offsets in a function's record (runtime2.go: _func).
const (
	funcName   = 4
	funcSP     = 16
	funcFile   = 20
	funcLine   = 24
	funcCU     = 32
	maxEntries = 100_000 // of a table of values
)

// Symbol returns the name of the function that pc lies in and pc's offset from
// its start; no name if there is none. The name is static data. Any context.
func Symbol(pc uint32) (name string, off uint32) {
	base, entry, rec := findFunc(pc)
	if rec == 0 {
		return "", 0
	}
	h := (*pcHeader)(unsafe.Add(nil, base))
	return staticString(base + h.funcname + load32(rec+funcName)), pc - entry
}

// staticString is the string at an address of the table, up to its NUL.
func staticString(at uint32) string {
	n := uint32(0)
	for n < 256 && load8(at+n) != 0 {
		n++
	}
	return unsafe.String((*byte)(unsafe.Add(nil, at)), n)
}

// Frame returns how far the stack pointer at pc lies below its value in the
// caller; false if nobody knows. If it does at all, the word it points to is the
// return address. Any context.
func Frame(pc uint32) (size uint32, ok bool) {
	v, ok := pcValue(pc, funcSP)
	return uint32(v), ok && v >= 0
}

// Line returns the place in the source that pc was made of, the file's name without
// its directories; line 0: unknown. Any context.
func Line(pc uint32) (file string, line uint32) {
	n, ok := pcValue(pc, funcLine)
	f, ok2 := pcValue(pc, funcFile)
	if !ok || !ok2 || n <= 0 {
		return "", 0
	}
	base, _, rec := findFunc(pc)
	h := (*pcHeader)(unsafe.Add(nil, base))
	off := load32(base + h.cu + 4*(load32(rec+funcCU)+uint32(f)))
	if off == ^uint32(0) {
		return "", 0
	}
	file = staticString(base + h.files + off)
	for i := len(file) - 1; i >= 0; i-- {
		if file[i] == '/' {
			return file[i+1:], uint32(n)
		}
	}
	return file, uint32(n)
}

// pcValue looks pc up in a table of values of its function, which the record has at
// field: pairs of differences, of the value (zigzag) and of pc, in words. Linear:
// functions are short.
func pcValue(pc, field uint32) (v int32, ok bool) {
	base, at, rec := findFunc(pc)
	if rec == 0 || load32(rec+field) == 0 {
		return 0, false
	}
	p := base + (*pcHeader)(unsafe.Add(nil, base)).pctab + load32(rec+field)
	v = -1
	for i := range maxEntries {
		var d uint32
		if d, p = varint(p); d == 0 && i > 0 {
			break
		}
		v += int32(-(d & 1) ^ d>>1)
		d, p = varint(p)
		if at += 4 * d; pc < at {
			return v, true
		}
	}
	return 0, false
}

func varint(p uint32) (v, next uint32) {
	for shift := uint32(0); shift < 35; shift += 7 {
		b := load8(p)
		p++
		v |= uint32(b&0x7f) << (shift & 31)
		if b&0x80 == 0 {
			break
		}
	}
	return v, p
}

var (
	buildID    [128]byte
	buildIDLen int
)

// readBuildID copies the Go build ID from the image's ELF note. The ELF header
// is loaded right below the text, into a page that initPages gives away.
func readBuildID() {
	text, _, _, _, _ := image()
	h := text - pageSize
	if load32(h) != elfMagic {
		return
	}
	for i, n := uint32(0), load32(h+44)&0xffff; i < n && i < maxPhdrs; i++ {
		ph := h + load32(h+28) + i*phdrSize
		const ptNote, goBuildID = 4, 4
		if load32(ph) != ptNote {
			continue
		}
		for at, end := load32(ph+8), load32(ph+8)+load32(ph+16); at >= h && end <= text && at+12 < end; {
			name, desc := (load32(at)+3)&^3, load32(at+4)
			if load32(at+8) == goBuildID && desc <= uint32(len(buildID)) && load32(at+12) == 'G'|'o'<<8 {
				buildIDLen = copy(buildID[:], bytesAt(at+12+name, desc))
				return
			}
			at += 12 + name + (desc+3)&^3
		}
	}
}

// BuildID returns the Go build ID of the image, as "go tool buildid" prints it;
// "" if the loader did not load the ELF header.
func BuildID() string { return string(buildID[:buildIDLen]) }

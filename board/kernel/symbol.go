//go:build arm

package kernel

import "unsafe"

// Names of functions, from the table the linker leaves for the runtime
// (cmd/link writes it, runtime/symtab.go reads it). The runtime's own look-up
// cannot be used here: it needs a P. The layout is checked before use, so that
// another Go release gives no names rather than wrong ones.

// pcHeader is the table's head.
type pcHeader struct {
	magic                    uint32
	pad1, pad2               uint8
	minLC, ptrSize           uint8
	nfunc, nfiles            uint32
	_                        uint32
	funcname, _, _, _, funcs uint32 // offsets from the head
}

const pcMagic = 0xfffffff1 // Go 1.20 and later

func pclntab() uint32 // address of the table, in assembly

// Symbol returns the name of the function that pc lies in and pc's offset from
// its start; no name if there is none. The name is static data. Any context.
func Symbol(pc uint32) (name string, off uint32) {
	text, etext, _, _, _ := image()
	base := pclntab()
	h := (*pcHeader)(unsafe.Add(nil, base))
	if pc < text || pc >= etext || h.magic != pcMagic || h.ptrSize != 4 || h.nfunc == 0 {
		return "", 0
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
	at := base + h.funcname + load32(tab+load32(tab+8*lo+4)+4)
	n := uint32(0)
	for n < 256 && load8(at+n) != 0 {
		n++
	}
	return unsafe.String((*byte)(unsafe.Add(nil, at)), n), pc - text - load32(tab+8*lo)
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

//go:build arm

package kernel

// Texts that are made when they are read. Each read makes the text from the
// start and keeps what lies in the part asked for, so there is no buffer and no
// state; what changes between two reads of one file may show a seam.

// window is the part of a text that a read asks for.
type window struct {
	skip    uint64 // bytes before the part that are still to come
	at, end uint32 // where the next byte of the part goes; its end
}

func (w *window) full() bool { return w.at == w.end }

func (w *window) byte(b byte) {
	switch {
	case w.skip > 0:
		w.skip--
	case w.at != w.end:
		store8(w.at, b)
		w.at++
	}
}

func (w *window) str(s string) {
	for i := 0; i < len(s); i++ {
		w.byte(s[i])
	}
}

// num writes v in that base, with at least that many digits.
func (w *window) num(v, base uint64, digits int) {
	var buf [20]byte
	i := len(buf)
	for v > 0 || digits > 0 && i > 0 {
		i--
		buf[i] = "0123456789abcdef"[v%base]
		v /= base
		digits--
	}
	for ; i < len(buf); i++ {
		w.byte(buf[i])
	}
}

func (w *window) dec(v uint64) { w.num(v, 10, 1) }

func (w *window) hex(v uint32) {
	for i := 28; i >= 0; i -= 4 {
		w.byte("0123456789abcdef"[v>>i&15])
	}
}

// kb writes a line of meminfo's and status's kind.
func (w *window) kb(name string, bytes uint64) {
	w.str(name)
	w.str(":\t")
	w.dec(bytes >> 10)
	w.str(" kB\n")
}

// line writes "name:\tv\n".
func (w *window) line(name, v string) {
	w.str(name)
	w.str("\t: ")
	w.str(v)
	w.byte('\n')
}

// centi writes ns as seconds with two decimals.
func (w *window) centi(ns int64) {
	cs := uint64(ns) / 10_000_000
	w.dec(cs / 100)
	w.byte('.')
	w.num(cs%100, 10, 2)
}

// readProc stores n bytes of text id, from off on, at p.
func readProc(id uint8, p, n uint32, off int64) uint32 {
	w := window{skip: uint64(off), at: p, end: p + n}
	switch id {
	case procCmdline:
		w.memory(uint32(addrOf(&processStack)), argStart, argEnd)
	case procEnviron:
		w.memory(uint32(addrOf(&processStack)), argEnd, envEnd)
	case procAuxv:
		for _, v := range auxv {
			for i := 0; i < 4; i++ {
				w.byte(byte(v >> (8 * i)))
			}
		}
	case procMaps:
		w.maps()
	case procStatus:
		w.status()
	case procStat:
		w.stat()
	case procMeminfo:
		w.meminfo()
	case procCPUInfo:
		w.cpuinfo()
	case procUptime:
		w.centi(nanotime())
		w.byte(' ')
		w.centi(sched.idle)
		w.byte('\n')
	case procVersion:
		w.str("Linux version " + osRelease + " (gasp ")
		w.str(Version)
		w.str(")\n")
	default:
		w.made(id)
	}
	return w.at - p
}

// memory writes what lies in [from, to), both offsets from base.
func (w *window) memory(base, from, to uint32) {
	for ; from < to; from++ {
		w.byte(load8(base + from))
	}
}

func (w *window) meminfo() {
	m := MemoryStat()
	w.kb("MemTotal", m.Total)
	w.kb("MemFree", m.Free)
	w.kb("MemAvailable", m.Free)
	w.kb("Buffers", 0)
	w.kb("Cached", 0)
	w.kb("SwapTotal", 0)
	w.kb("SwapFree", 0)
	w.kb("CommitLimit", m.Total-m.Kernel)
	w.kb("Committed_AS", m.Promised)
}

func (w *window) status() {
	m := MemoryStat()
	w.str("Name:\tgasp\nState:\tR (running)\nTgid:\t1\nPid:\t1\nPPid:\t0\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\n")
	w.kb("VmPeak", m.Promised)
	w.kb("VmSize", m.Promised)
	w.kb("VmHWM", m.PeakUsed)
	w.kb("VmRSS", m.Used)
	w.kb("VmSwap", 0)
	w.str("Threads:\t")
	w.dec(uint64(CPUStat().Threads))
	w.byte('\n')
}

// stat writes the 52 fields of proc(5); what there is no such thing of is 0.
func (w *window) stat() {
	m := MemoryStat()
	w.str("1 (gasp) R")
	for field := 4; field <= 52; field++ {
		v := uint64(0)
		switch field {
		case 5, 6: // pgrp, session
			v = 1
		case 10: // minflt
			v = m.Faults
		case 14: // utime, in hundredths of a second; all time is the program's
			v = uint64(processTime()) / 10_000_000
		case 18: // priority
			v = 20
		case 20: // num_threads
			v = uint64(CPUStat().Threads)
		case 23: // vsize, in bytes
			v = m.Promised
		case 24: // rss, in pages
			v = m.Used >> pageShift
		case 25: // rsslim
			v = 1<<32 - 1
		}
		w.byte(' ')
		w.dec(v)
	}
	w.byte('\n')
}

func (w *window) cpuinfo() {
	id := midr() // main ID register (ARM DDI 0406C, B4.1.105)
	w.str("processor\t: 0\nmodel name\t: ARMv7 Processor rev ")
	w.dec(uint64(id & 15))
	w.str(" (v7l)\nFeatures\t: half thumb fastmult vfp neon vfpv3 vfpd32")
	if auxv[3]&hwcapIDIVA != 0 {
		w.str(" idiva")
	}
	w.str("\nCPU implementer\t: 0x")
	w.num(uint64(id>>24), 16, 2)
	w.str("\nCPU architecture: 7\nCPU variant\t: 0x")
	w.num(uint64(id>>20&15), 16, 1)
	w.str("\nCPU part\t: 0x")
	w.num(uint64(id>>4&0xfff), 16, 3)
	w.str("\nCPU revision\t: ")
	w.dec(uint64(id & 15))
	w.str("\n\n")
	w.line("Hardware", machine.Name)
}

// Rights as /proc/self/maps writes them.
const (
	mapsNone   = ""
	mapsNo     = "---p"
	mapsRead   = "r--p"
	mapsText   = "r-xp"
	mapsData   = "rw-p"
	mapsExec   = "rwxp"
	mapsDevice = "rw-s"
)

// rightsOf tells what may be done with the page at va, and how far that surely
// goes.
func rightsOf(va uint32) (rights string, size uint32) {
	if m := megabyteOf(va); m != nil && va&(sectionSize-1) == 0 {
		if rights, uniform := m.rights(); uniform {
			i := (va - machine.VMBase) >> 20
			n := i + 1
			for last := machine.VMSize >> 20; n < last && megabytes[n] == *m; n++ {
			}
			return rights, (n - i) << 20
		}
	}
	size = pageSize
	l1d := load32(l1 + va>>20*4)
	if l1d&3 != 1 {
		size = sectionSize - va&(sectionSize-1)
	} else {
		// Pages behind it that differ in the frame alone: a program has
		// tens of thousands, and interrupts are masked.
		at := l1d&^1023 + va>>pageShift&255*4
		for first := load32(at) & (pageSize - 1); at&1023 != 1020; size += pageSize {
			if at += 4; load32(at)&(pageSize-1) != first {
				break
			}
		}
	}
	s, d := stateOf(va)
	switch s {
	case pageNone:
		return mapsNone, size
	case pageReserved:
		return mapsNo, size
	case pageDemandRO:
		return mapsRead, size
	case pageDemand, pageBSS:
		return mapsData, size
	}
	// See sectionBits and pageBits in mmu.go.
	noExec, readOnly, tex := d&1 != 0, d&(1<<9) != 0, d>>6&7
	if l1d&3 != 1 {
		noExec, readOnly, tex = d&(1<<4) != 0, d&(1<<15) != 0, d>>12&7
	}
	switch {
	case l1d&3 == 1 && isKept(d):
		return mapsNo, size
	case tex == 0:
		return mapsDevice, size
	case readOnly && noExec:
		return mapsRead, size
	case readOnly:
		return mapsText, size
	case noExec:
		return mapsData, size
	}
	return mapsExec, size
}

// rights tells what may be done with all pages of a megabyte of mmap's
// addresses, if it is the same.
func (m *megabyte) rights() (rights string, uniform bool) {
	switch {
	case m.none == 256:
		return mapsNone, true
	case m.reserved == 256:
		return mapsNo, true
	case m.none == 0 && m.reserved == 0 && !m.mixed:
		return mapsData, true
	}
	return "", false
}

// maps writes /proc/self/maps: the program's memory, in the order of addresses,
// without the kernel's at the top of RAM.
func (w *window) maps() {
	order := [3]int{0, 1, 2}
	if machine.RAMBase < machine.VMBase {
		order = [3]int{0, 2, 1}
	}
	for _, i := range order {
		r := &tableRanges[i]
		start, rights := r.start, mapsNone
		for va := r.start; va < r.end && !w.full(); {
			now, size := rightsOf(va)
			if now != rights {
				w.mapping(start, va, rights, i)
				start, rights = va, now
			}
			va += size
			if va >= r.end {
				w.mapping(start, va, rights, i)
			}
		}
	}
}

// mapping writes one line of maps; i is the index in tableRanges.
func (w *window) mapping(start, end uint32, rights string, i int) {
	if rights == mapsNone {
		return
	}
	w.hex(start)
	w.byte('-')
	w.hex(end)
	w.byte(' ')
	w.str(rights)
	switch {
	case rights != mapsText:
		w.str(" 00000000 00:00 0\n")
	case i == 0: // a program of exec.go: its file starts with the text
		w.str(" 00000000 00:01 1 " + exePath + "\n")
	default: // this image: the file has one page before the text
		w.byte(' ')
		w.hex(start - firstOfImage()&^(pageSize-1) + pageSize)
		w.str(" 00:01 1 " + exePath + "\n")
	}
}

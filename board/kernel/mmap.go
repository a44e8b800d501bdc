//go:build arm

package kernel

const (
	mapFixed = 0x10

	mapAnonymous = 0x20
)

// goesOn in the flags of mmap2 is the kernel's own: the call is made again for
// the rest of a MAP_FIXED range, and r4 has where it started.
const goesOn = 1 << 31

// sysMmap answers mmap2: anonymous private memory only, which is all a Go
// program without files asks for.
func sysMmap(addr, size, prot, flags uint32) uint32 {
	if size == 0 {
		return errno(EINVAL)
	}
	if size > machine.VMSize {
		return errno(ENOMEM)
	}
	if flags&mapAnonymous == 0 {
		return errno(ENODEV)
	}
	size = (size + pageSize - 1) &^ (pageSize - 1)
	state := untouched(prot)
	if flags&mapFixed != 0 {
		return mapOver(addr, size, state, flags)
	}
	if state.promised() && !affordable(size>>pageShift) {
		return errno(ENOMEM)
	}
	if addr&(pageSize-1) != 0 || !inVM(addr, size) || !isFree(addr, size) {
		// The hint would have been as good as any other place.
		addr = findFree(size)
		if addr == 0 {
			return errno(ENOMEM)
		}
	}
	setState(addr, size, state)
	return addr
}

// mapOver maps with MAP_FIXED, over what may be there, step by step.
func mapOver(addr, size uint32, state pageState, flags uint32) uint32 {
	if addr&(pageSize-1) != 0 {
		return errno(EINVAL)
	}
	if !inVM(addr, size) {
		return errno(ENOMEM)
	}
	start := addr
	if flags&goesOn != 0 {
		start = threads[cur].ctx.r[4]
	} else if state.promised() && !affordable(size>>pageShift-promisedIn(addr, size)) {
		return errno(ENOMEM)
	}
	step, rest := inSteps(addr, size)
	if state.promised() && !affordable(step>>pageShift-promisedIn(addr, step)) {
		return errno(ENOMEM) // somebody else was promised it meanwhile
	}
	setState(addr, step, state)
	if !rest {
		return start
	}
	r := &threads[cur].ctx.r
	r[3], r[4] = flags|goesOn, start
	return again(addr+step, size-step)
}

// promisedIn counts the accessible pages of a range.
func promisedIn(addr, size uint32) (n uint32) {
	for va := addr; va < addr+size; {
		step := min(sectionSize-va&(sectionSize-1), addr+size-va)
		switch m := megabyteOf(va); {
		case step == sectionSize:
			n += uint32(m.promised)
		case m.promised == 0:
		default:
			for a := va; a < va+step; a += pageSize {
				if s, _ := stateOf(a); s.promised() {
					n++
				}
			}
		}
		va += step
	}
	return n
}

// affordable reports whether n more pages can be promised.
func affordable(n uint32) bool {
	return pages.promised+n <= pages.total
}

// isFree reports whether nobody has any page of the range.
func isFree(addr, size uint32) bool {
	for va := addr; va < addr+size; {
		switch megabyteOf(va).none {
		case 256:
			va = (va + sectionSize) &^ (sectionSize - 1)
			continue
		case 0:
			return false
		}
		if s, _ := stateOf(va); s != pageNone {
			return false
		}
		va += pageSize
	}
	return true
}

// findFree finds the lowest free range; 0 if there is none.
func findFree(size uint32) uint32 {
	start := machine.VMBase
	for i := range megabytes[:machine.VMSize>>20] {
		mb := machine.VMBase + uint32(i)<<20
		switch megabytes[i].none {
		case 256:
		case 0:
			start = mb + sectionSize
			continue
		default:
			t := load32(l1+mb>>20*4) &^ 1023 // as its pages differ
			for k := uint32(0); k < 256; k++ {
				if load32(t+4*k) != uint32(pageNone) {
					start = mb + (k+1)<<pageShift
				} else if mb+(k+1)<<pageShift-start >= size {
					return start
				}
			}
			continue
		}
		if mb+sectionSize-start >= size {
			return start
		}
	}
	return 0
}

func sysMunmap(addr, size uint32) uint32 {
	if size > machine.VMSize {
		return errno(EINVAL)
	}
	size = (size + pageSize - 1) &^ (pageSize - 1)
	if addr&(pageSize-1) != 0 || size == 0 || !inVM(addr, size) {
		return errno(EINVAL)
	}
	step, rest := inSteps(addr, size)
	setState(addr, step, pageNone)
	if rest {
		return again(addr+step, size-step)
	}
	return 0
}

// stepSize is how much of a range that is mapped in pages is done at once.
const stepSize = 16 * pageSize

// inSteps is how much of a range is done at once, so that interrupts are not
// masked for long; rest: there is more.
func inSteps(addr, size uint32) (step uint32, rest bool) {
	step = sectionSize - addr&(sectionSize-1)
	if load32(l1+addr>>20*4)&3 == 1 {
		step = stepSize - addr&(stepSize-1)
	}
	if size <= step {
		return size, false
	}
	return step, true
}

// again has the running thread make its system call once more, for what is left
// of its range; interrupts come in between. The result is the call's first
// argument then.
func again(addr, size uint32) uint32 {
	t := &threads[cur]
	t.ctx.r[1] = size
	t.ctx.pc -= 4 // to the SVC
	return addr
}

// sysMadvise gives pages back on MADV_DONTNEED and MADV_FREE; they read as zero
// when touched again. Other advice is taken without effect.
func sysMadvise(addr, size, advice uint32) uint32 {
	const dontNeed, free = 4, 8
	if size > machine.VMSize {
		return errno(ENOMEM)
	}
	if addr&(pageSize-1) != 0 {
		return errno(EINVAL)
	}
	size = (size + pageSize - 1) &^ (pageSize - 1)
	if advice != dontNeed && advice != free || size == 0 {
		return 0
	}
	if !inVM(addr, size) {
		return errno(ENOMEM)
	}
	step, rest := inSteps(addr, size)
	if load32(l1+addr>>20*4)&3 == 1 { // else no page of it has a frame
		for a := addr; a < addr+step; a += pageSize {
			if s, d := stateOf(a); s == pageUsed {
				setState(a, pageSize, untouched(protOf(d)))
			}
		}
	}
	if rest {
		return again(addr+step, size-step)
	}
	return 0
}

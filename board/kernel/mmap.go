//go:build arm

package kernel

const (
	mapFixed = 0x10

	mapAnonymous = 0x20
)

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
	replaced := uint32(0) // pages that are promised already
	if flags&mapFixed != 0 {
		if addr&(pageSize-1) != 0 {
			return errno(EINVAL)
		}
		if !inVM(addr, size) {
			return errno(ENOMEM)
		}
		replaced = promisedIn(addr, size)
	}
	if state.promised() && !affordable(size>>pageShift-replaced) {
		return errno(ENOMEM)
	}
	switch {
	case flags&mapFixed != 0:
	case addr&(pageSize-1) == 0 && inVM(addr, size) && isFree(addr, size):
		// The hint is as good as any other place.
	default:
		addr = findFree(size)
		if addr == 0 {
			return errno(ENOMEM)
		}
	}
	setState(addr, size, state)
	return addr
}

// promisedIn counts the accessible pages of a range.
func promisedIn(addr, size uint32) (n uint32) {
	for va := addr; va < addr+size; {
		step := uint32(pageSize)
		if load32(l1+va>>20*4)&3 == 0 { // the whole megabyte alike
			step = min(sectionSize-va&(sectionSize-1), addr+size-va)
		}
		if s, _ := stateOf(va); s.promised() {
			n += step >> pageShift
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
		d := load32(l1 + va>>20*4)
		if d == 0 {
			va = (va + sectionSize) &^ (sectionSize - 1)
			continue
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
	for va := start; va-machine.VMBase < machine.VMSize; {
		d := load32(l1 + va>>20*4)
		step := uint32(pageSize)
		if d&3 == 0 {
			step = sectionSize - va&(sectionSize-1)
		}
		s, _ := stateOf(va)
		va += step
		if s != pageNone {
			start = va
		} else if va-start >= size {
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

// inSteps is how much of a range is done at once, so that interrupts are not
// masked for long; rest: there is more.
func inSteps(addr, size uint32) (step uint32, rest bool) {
	step = sectionSize - addr&(sectionSize-1)
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
	for a := addr; a < addr+step; a += pageSize {
		if s, d := stateOf(a); s == pageUsed {
			setState(a, pageSize, untouched(protOf(d)))
		}
	}
	if rest {
		return again(addr+step, size-step)
	}
	return 0
}

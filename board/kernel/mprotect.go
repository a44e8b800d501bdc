//go:build arm

package kernel

// Rights to mmap's memory. PROT_EXEC is taken without effect: nothing that mmap
// gave is ever executed.

const (
	protRead  = 1
	protWrite = 2
	protExec  = 4
)

// untouched is the state of a page with these rights that has no frame.
func untouched(prot uint32) pageState {
	switch {
	case prot&protWrite != 0:
		return pageDemand
	case prot&(protRead|protExec) != 0:
		return pageDemandRO
	}
	return pageReserved
}

// touched is what may be done with a page with these rights that has a frame.
func touched(prot uint32) attr {
	switch untouched(prot) {
	case pageDemand:
		return attrData
	case pageDemandRO:
		return attrRead
	}
	return attrKept
}

// protOf are the rights in the descriptor d of one of mmap's pages.
func protOf(d uint32) uint32 {
	switch d & (pageSize - 1) {
	case pageBits[attrData]:
		return protRead | protWrite
	case pageBits[attrRead]:
		return protRead
	}
	return 0
}

// isKept reports whether d describes a page that may not be accessed.
func isKept(d uint32) bool { return d&(pageSize-1) == pageBits[attrKept] }

// sysMprotect changes the rights to a range, up to the first page that is not
// there. Pages keep what they hold.
func sysMprotect(addr, size, prot uint32) uint32 {
	if prot&^(protRead|protWrite|protExec) != 0 {
		return errno(EINVAL)
	}
	if size > machine.VMSize {
		return errno(ENOMEM)
	}
	size = (size + pageSize - 1) &^ (pageSize - 1)
	if addr&(pageSize-1) != 0 {
		return errno(EINVAL)
	}
	if size == 0 {
		return 0
	}
	if !inVM(addr, size) {
		return errno(ENOMEM)
	}
	want := untouched(prot)
	step, rest := inSteps(addr, size)
	if want.promised() && !affordable(step>>pageShift-promisedIn(addr, step)) {
		return errno(ENOMEM)
	}
	if want != pageDemand {
		megabyteOf(addr).mixed = true
	}
	if s, _ := stateOf(addr); step == sectionSize && s != pageNone && load32(l1+addr>>20*4)&3 != 1 {
		setState(addr, step, want) // all its pages are alike, and none has a frame
		if rest {
			return again(addr+step, size-step)
		}
		return 0
	}
	for a := addr; a < addr+step; a += pageSize {
		switch s, d := stateOf(a); {
		case s == pageNone:
			return errno(ENOMEM)
		case s == pageUsed:
			mapRange(a, d&^(pageSize-1), pageSize, touched(prot))
		case s != want:
			setState(a, pageSize, want)
		}
	}
	if rest {
		return again(addr+step, size-step)
	}
	return 0
}

// sysMincore tells for each page whether it has a frame, in a byte at vec.
func sysMincore(addr, size, vec uint32) uint32 {
	if addr&(pageSize-1) != 0 {
		return errno(EINVAL)
	}
	if size == 0 {
		return 0
	}
	last := addr + size - 1
	if last < addr {
		return errno(ENOMEM)
	}
	n := (last-addr)>>pageShift + 1
	done := min(n, sectionSize>>pageShift)
	if !accessible(vec, done, true) {
		return errno(EFAULT)
	}
	for i := range done {
		s, _ := stateOf(addr + i<<pageShift)
		if s == pageNone {
			return errno(ENOMEM)
		}
		store8(vec+i, 0)
		if s == pageUsed {
			store8(vec+i, 1)
		}
	}
	if done < n {
		threads[cur].ctx.r[2] = vec + done
		return again(addr+done<<pageShift, size-done<<pageShift)
	}
	return 0
}

//go:build arm

package kernel

import "unsafe"

// What memory is the kernel's own, and so nothing that a system call may be told
// to read, fill, or give back. When the kernel runs another program (exec.go),
// that is its whole image; linked with the program, its tables and stacks: the
// small variables are among the program's. The buffers of sockets and pipes are
// at mmap's addresses.

// region is [start, end).
type region struct{ start, end uint32 }

var (
	tables     [24]region // in the image
	tablesN    int
	tablesHull region    // from the first to the last
	buffers    [2]region // of sockets and pipes
)

// initKernelMemory finds the kernel's memory; loaded: another program runs.
func initKernelMemory(loaded bool) {
	tablesN, tablesHull = 0, region{^uint32(0), 0}
	if loaded {
		stack := uint32(addrOf(&processStack)) // the program's
		own(firstOfImage()&^(pageSize-1), stack)
		own(stack+stackTop, imageEnd)
		return
	}
	ownVar(&threads)
	ownVar(&futexQueues)
	ownVar(&timerQueue)
	ownVar(&sigactions)
	ownVar(&fds)
	ownVar(&files)
	ownVar(&watches)
	ownVar(&pipes)
	ownVar(&socks)
	ownVar(&sockQueue)
	ownVar(&nodes)
	ownVar(&contents)
	ownVar(&tops)
	ownVar(&cpuTimers)
	ownVar(&machine)
	ownVar(&early)
	ownVar(&causes)
	ownVar(&kstack)
	ownVar(&fstack)
	ownVar(&qstack)
	ownVar(&vecpage)
	ownVar(&l1Mem)
}

func ownVar[T any](p *T) {
	a := uint32(addrOf(p))
	own(a, a+uint32(unsafe.Sizeof(*p)))
}

func own(start, end uint32) {
	tables[tablesN] = region{start, end}
	tablesN++
	tablesHull.start = min(tablesHull.start, start)
	tablesHull.end = max(tablesHull.end, end)
}

// isKernels reports whether any byte of [addr, last] is the kernel's.
func isKernels(addr, last uint32) bool {
	for i := range buffers {
		if r := &buffers[i]; addr < r.end && last >= r.start {
			return true
		}
	}
	if addr >= tablesHull.end || last < tablesHull.start {
		return false
	}
	for i := range tables[:tablesN] {
		if r := &tables[i]; addr < r.end && last >= r.start {
			return true
		}
	}
	return false
}

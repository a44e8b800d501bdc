//go:build arm

package kernel

import (
	"runtime"
	"strings"
	"unsafe"
)

// The goroutines there are, for reports of deaths in which the runtime has no say any
// more. Its list of them (runtime.allgs) and what it calls their waits
// (runtime.waitReasonStrings) are reachable for nobody else, so they are looked for
// once at start, by what is known to be in them, and the layout of a goroutine's
// record (runtime2.go: g) is checked against two that are known. With another Go
// release there are no goroutines in these reports rather than wrong ones.

// Offsets in a g.
const (
	gStackLo, gStackHi = 0, 4
	gSP, gPC, gSelf    = 28, 32, 36 // sched
	gSyscallSP         = 52
	gSyscallPC         = 56
	gStatus            = 72
	gID                = 80
	gReason            = 100
	gCreator           = 184 // gopc
	gStart             = 192 // startpc
)

// States of a g, without _Gscan.
const (
	gRunnable, gRunning, gSyscall, gWaiting = 1, 2, 3, 4
	gPreempted                              = 9
	gScan                                   = 0x1000
)

const (
	maxGoroutines  = 1 << 20
	maxReasons     = 256
	secondReason   = "GC assist marking" // in waitReasonStrings
	findYields     = 1000
	reasonReceives = "chan receive"
)

// gos is what FindGoroutines has found; addresses, 0: unknown.
var gos struct{ list, reasons uint32 }

func getg() uint32 // address of the running goroutine's g, in assembly

// variables are the addresses of the variables that hold pointers, in assembly.
func variables() (from, to uint32)

// GoroutineInfo is what GoroutineAt tells. It holds no pointers.
type GoroutineInfo struct {
	ID      uint64
	PC, SP  uint32 // where it goes on; 0 if it is running
	Creator uint32 // PC behind the go statement, 0 if there was none
	Start   uint32 // PC of the function that it is
	Thread  uint32 // ID of the thread that runs it, 0: none does, or it is not known
}

// System reports whether it is one of the runtime's own. Any context.
func (g *GoroutineInfo) System() bool {
	name, _ := Symbol(g.Start)
	return strings.HasPrefix(name, "runtime.") && name != "runtime.main"
}

// FindGoroutines makes GoroutineAt work and reports whether it does. To be called once,
// by a goroutine.
func FindGoroutines() bool {
	from, to := variables()
	self := getg()
	gos.list, gos.reasons = 0, 0
	list, reasons := uint32(0), uint32(0)
	for page := from &^ (pageSize - 1); page < to && (list == 0 || reasons == 0); page += pageSize {
		if _, ok := Peek(page); !ok {
			continue // nobody has written there yet
		}
		start := max(from, page)
		w := unsafe.Slice((*uint32)(unsafe.Add(nil, start)), (min(to, page+pageSize+8)-start)/4)
		for i := 0; i+2 < len(w); i++ {
			switch n := w[i+1]; {
			case n == 0 || n >= maxGoroutines:
			case n == uint32(len(secondReason)) && reasons == 0 && i >= 2 && imageString(w[i], n) == secondReason:
				reasons = start + 4*uint32(i) - 8
			case w[i+2] >= n && w[i+2] < maxGoroutines && list == 0 && w[i]&3 == 0 && isIn(w[i], n, self):
				list = start + 4*uint32(i)
			}
		}
	}
	if list == 0 || reasons == 0 {
		return false
	}
	gos.list, gos.reasons = list, reasons
	if !checkGoroutines(self) {
		gos.list = 0
	}
	return gos.list != 0
}

// imageString is the string of n bytes at p, empty if that is not in the image.
func imageString(p, n uint32) string {
	text, _, _, _, end := image()
	if p < text || p >= end-n {
		return ""
	}
	return unsafe.String((*byte)(unsafe.Add(nil, p)), n)
}

// isIn reports whether w is among the n words at p.
func isIn(p, n, w uint32) bool {
	for i := range n {
		v, ok := Peek(p + 4*i)
		if !ok {
			return false
		}
		if v == w {
			return true
		}
	}
	return false
}

// checkGoroutines looks at the goroutine that runs, and at one that is known to wait.
func checkGoroutines(self uint32) bool {
	sp := uint32(uintptr(unsafe.Pointer(&self)))
	if load32(self+gSelf) != self || load32(self+gStatus)&^gScan != gRunning ||
		sp < load32(self+gStackLo) || sp >= load32(self+gStackHi) {
		return false
	}
	c, done := make(chan bool), make(chan bool)
	go func() { <-c; close(done) }()
	defer func() { close(c); <-done }()
	var info GoroutineInfo
	for range findYields {
		runtime.Gosched()
		for i := 0; ; i++ {
			state, ok := GoroutineAt(&i, &info)
			if !ok {
				break
			}
			if state != reasonReceives {
				continue
			}
			name, _ := Symbol(info.PC)
			start, _ := Symbol(info.Start)
			creator, _ := Symbol(info.Creator)
			if name == "runtime.gopark" && strings.HasSuffix(start, "kernel.checkGoroutines.func1") && strings.HasSuffix(creator, "kernel.checkGoroutines") {
				return true
			}
		}
	}
	return false
}

// record is the g with number i in the list; 0: there are not so many.
func record(i int) (g uint32, ok bool) {
	p, _ := Peek(gos.list)
	n, _ := Peek(gos.list + 4)
	if gos.list == 0 || i < 0 || uint32(i) >= min(n, maxGoroutines) {
		return 0, false
	}
	return Peek(p + 4*uint32(i))
}

// GoroutineAt tells of the goroutine with number i in the runtime's list, or the first
// after it that is not dead, whose number it sets i to. state is what it does or waits
// for, static data. It reports false if there is none. Any context.
func GoroutineAt(i *int, info *GoroutineInfo) (state string, ok bool) {
	for ; ; *i++ {
		g, ok := record(*i)
		if !ok {
			return "", false
		}
		status, ok := Peek(g + gStatus)
		if !ok {
			continue
		}
		switch status &= ^uint32(gScan); status {
		case gRunnable, gPreempted:
			state = "runnable"
		case gRunning:
			state = "running"
		case gSyscall:
			state = "syscall"
		case gWaiting:
			w, _ := Peek((g + gReason) &^ 3)
			state = reason(w >> (8 * (gReason % 4)) & 0xff)
		default:
			continue // dead, or not alive yet
		}
		low, _ := Peek(g + gID)
		high, _ := Peek(g + gID + 4)
		info.ID = uint64(high)<<32 | uint64(low)
		info.PC, _ = Peek(g + gPC)
		info.SP, _ = Peek(g + gSP)
		info.Creator, _ = Peek(g + gCreator)
		info.Start, _ = Peek(g + gStart)
		info.Thread = 0
		if status == gSyscall {
			info.PC, _ = Peek(g + gSyscallPC)
			info.SP, _ = Peek(g + gSyscallSP)
		}
		if status == gRunning {
			info.PC, info.SP = 0, 0
			info.Thread = threadOn(g)
		}
		return state, true
	}
}

// threadOn is the ID of the thread whose stack pointer is on the stack of g.
func threadOn(g uint32) uint32 {
	lo, _ := Peek(g + gStackLo)
	hi, _ := Peek(g + gStackHi)
	for i := range threads {
		t := &threads[i]
		if sp := t.ctx.r[13]; t.state != threadFree && sp >= lo && sp < hi {
			return t.id
		}
	}
	return 0
}

// reason is the runtime's name of what a goroutine waits for.
func reason(n uint32) string {
	p, _ := Peek(gos.reasons + 8*n)
	size, ok := Peek(gos.reasons + 8*n + 4)
	if ok && n < maxReasons && size <= 64 {
		if s := imageString(p, size); s != "" {
			return s
		}
	}
	return "waiting"
}

//go:build arm

package kernel

import (
	"unsafe"

	"github.com/gasp-go/gasp/board/trap"
)

// Event lets trap context wake one goroutine at once: the goroutine's thread
// sleeps in the kernel. The P stays with it as in any system call, so that it
// runs on at once when it wakes up; there is a P more than otherwise (maxCPU),
// whose thread takes the goroutines that were ready on this one. The zero Event
// is ready for use; it must not be moved.
type Event struct {
	pending bool
	waiting bool
	thread  int16
}

//go:linkname entersyscallblock runtime.entersyscallblock
func entersyscallblock()

//go:linkname entersyscall runtime.entersyscall
func entersyscall()

//go:linkname exitsyscall runtime.exitsyscall
func exitsyscall()

// eventWaitFn is a variable so that Wait can pass it without a closure.
var eventWaitFn = eventWait

// Wait blocks until Signal, or returns at once if Signal was called since the
// last Wait. It may also return early without a Signal. One goroutine waits at
// a time.
//
// Between entersyscall and exitsyscall the P may be taken away: nothing may run
// that could grow the stack or allocate.
//
//go:nosplit
func (e *Event) Wait() {
	entersyscall()
	svcRun(*(*uintptr)(unsafe.Pointer(&eventWaitFn)), unsafe.Pointer(e))
	exitsyscall()
}

func eventWait(p unsafe.Pointer) {
	e := (*Event)(p)
	if e.pending {
		e.pending = false
		return
	}
	e.waiting = true
	e.thread = cur
	block(&threads[cur], waitEvent, uint32(uintptr(p)), 0, 0)
}

// Signal ends the wait, now or the next. Trap context.
func (e *Event) Signal() {
	if e.waiting {
		e.waiting = false
		t := &threads[e.thread]
		if t.state == threadBlocked && t.wait == waitEvent && t.waitAddr == uint32(uintptr(unsafe.Pointer(e))) {
			wake(e.thread, 0)
			return
		}
	}
	e.pending = true
}

// Wake is Signal for goroutines.
func (e *Event) Wake() {
	trap.Run(func(p unsafe.Pointer) { (*Event)(p).Signal() }, unsafe.Pointer(e))
}

// Yield lets other goroutines and threads run: the caller's P is given up, with
// all goroutines ready on it, and the CPU goes to a thread of the same priority
// that waits for it.
//
//go:nosplit
func Yield() {
	entersyscallblock()
	svcRun(*(*uintptr)(unsafe.Pointer(&yieldFn)), nil)
	exitsyscall()
}

var yieldFn = yield

func yield(unsafe.Pointer) { resched = true }

// SetNetPriority makes the calling goroutine's thread the network thread's
// priority, above all others, or normal again. The goroutine must be locked to
// its thread.
func SetNetPriority(high bool) {
	f := setNormalFn
	if high {
		f = setHighFn
	}
	run(f, nil)
}

var setHighFn, setNormalFn = setHigh, setNormal

func setHigh(unsafe.Pointer) {
	t := &threads[cur]
	t.prio, t.net = prioNet, true
	t.high = t.cpuTime + nanotime() - switchedAt
	netThread = cur
}

func setNormal(unsafe.Pointer) {
	t := &threads[cur]
	t.prio = prioNormal
	overdraw(t, t.cpuTime+nanotime()-switchedAt-t.high)
	resched = true
}

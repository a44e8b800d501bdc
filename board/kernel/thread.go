//go:build arm

package kernel

import "unsafe"

const (
	maxThreads = 128
	nobody     = -1 // no thread, end of a queue
)

// context is what boot_arm.s saves and restores; it knows the offsets.
type context struct {
	r       [15]uint32 // r0 to r14 of SYS mode
	pc      uint32
	cpsr    uint32
	scratch [3]uint32
}

type threadState uint8

const (
	threadFree    threadState = iota
	threadReady               // in a run queue
	threadRunning             // on the CPU: threads[cur]
	threadBlocked             // in a system call, see waitKind
)

// waitKind is what a blocked thread waits for.
type waitKind uint8

const (
	waitNone waitKind = iota
	waitSleep
	waitFutex
	waitEpoll
	waitEvent
	waitFile
	waitLinger // a receive or send, see linger.go
	waitSocket // a request to the socket service: not interruptible
)

// Priorities, higher first.
const (
	prioCompute = iota // threads of the Go runtime that compute, see sched.go
	prioNormal         // the others
	prioNet            // the network thread
	nPrio
)

// thread is one thread: one M of the Go runtime.
type thread struct {
	ctx   context
	vfp   [64]uint32
	fpscr uint32

	state   threadState
	prio    uint8
	yielded bool   // it gave way and is in its run queue
	net     bool   // it had prioNet once: the network thread
	id      uint32 // thread ID, from 1; index + 1
	next    int16  // in its run queue

	// A blocked thread. Whoever wakes it puts the system call's result in r0.
	wait     waitKind
	waitAddr uint32 // futex word, index of a file or socket, or *Event
	waitNext int16  // in its futex queue
	deadline int64  // ns since boot, valid while in the timer queue
	timerPos int16  // position in the timer queue, -1: not in it
	since    uint32 // monitorRuns when its wait began
	timedOut uint32 // result when the deadline passes
	restart  bool   // waking up, it makes the call again instead of a result

	// Signals, see signal.go. Signal n is bit n-1.
	masked, pending uint64
	altSP, altSize  uint32

	cpuTime int64 // ns on the CPU
	ran     int64 // ns of its turn that were over when a higher priority took the CPU
	quick   int64 // ran when it was last taken for one that does not compute
	high    int64 // cpuTime when it got the network thread's priority
	over    int64 // ns that it had of others' turns and goes without, see overdraw

	// Profiling, see prof.go.
	profAt   int64 // cpuTime at which its first timer expires, 0: none
	profiled uint8
}

const threadsSize = unsafe.Sizeof(threads)

// threads are the threads; cur is the one on the CPU, or the last that was
// while the CPU idles.
var (
	threads [maxThreads]thread
	cur     int16
)

func initThreads() {
	for i := range threads {
		threads[i].id = uint32(i) + 1
		threads[i].next = nobody
		threads[i].waitNext = nobody
		threads[i].timerPos = nobody
	}
	for i := range runq {
		runq[i].head, runq[i].tail = nobody, nobody
	}
	for i := range futexQueues {
		futexQueues[i].head, futexQueues[i].tail = nobody, nobody
	}
	t := &threads[0]
	t.state = threadRunning
	t.ctx.cpsr = modeSYS
	setCurrent(uintptr(unsafe.Pointer(&t.ctx)))
}

// cloneThread is what makes a thread of clone's flags: CLONE_VM,
// CLONE_SIGHAND and CLONE_THREAD.
const cloneThread = 0x100 | 0x800 | 0x10000

// sysClone answers clone as the Go runtime calls it: a thread that shares
// everything and starts behind the call, with 0 in r0, on its own stack.
func sysClone(t *thread, flags, stack uint32) uint32 {
	if flags&cloneThread != cloneThread || stack == 0 {
		return errno(ENOSYS) // a process
	}
	for i := range threads {
		n := &threads[i]
		if n.state != threadFree {
			continue
		}
		n.ctx = t.ctx
		n.ctx.r[0] = 0
		n.ctx.r[13] = stack
		saveVFP(uintptr(unsafe.Pointer(&n.vfp)))
		n.prio, n.net = prioNormal, false
		n.wait = waitNone
		n.masked, n.pending = t.masked, 0
		n.altSP, n.altSize = 0, 0
		n.cpuTime, n.ran, n.quick = 0, 0, 0
		n.profAt, n.profiled = 0, 0
		makeReady(int16(i))
		return n.id
	}
	return errno(EAGAIN)
}

// sysExit ends the calling thread.
func sysExit(t *thread) {
	profExit(t)
	t.state = threadFree
}

// block takes the running thread off the CPU until wake. A deadline of 0 means
// none; timedOut is the system call's result if it passes.
func block(t *thread, w waitKind, addr uint32, deadline int64, timedOut uint32) {
	t.state = threadBlocked
	t.ran, t.quick = 0, 0
	t.wait = w
	if w == waitFile {
		fileWaiters++
	}
	t.waitAddr = addr
	t.since = monitorRuns
	if deadline != 0 {
		t.timedOut = timedOut
		timerAdd(cur, deadline)
	}
}

// wake makes blocked thread i ready; its system call returns result.
func wake(i int16, result uint32) {
	t := &threads[i]
	if t.state != threadBlocked {
		return
	}
	if t.timerPos != nobody {
		timerRemove(i)
	}
	switch t.wait {
	case waitFutex:
		futexRemove(i)
	case waitEpoll:
		epollWaiters--
	case waitFile:
		fileWaiters--
	case waitLinger:
		lingerEnds(t, result == 0)
	}
	t.wait = waitNone
	if t.prio == prioCompute {
		t.prio = prioNormal
	}
	if t.restart && result == 0 {
		t.ctx.pc -= 4 // to the SVC; the arguments are untouched
	} else {
		t.ctx.r[0] = result
	}
	t.restart = false
	makeReady(i)
}

// ThreadInfo is where a thread is. It holds no pointers.
type ThreadInfo struct {
	ID   uint32
	Net  bool // the network thread
	Regs [17]uint32

	state threadState
	wait  waitKind
}

var waitNames = [...]string{
	waitNone: "blocked", waitSleep: "sleeps", waitFutex: "waits in futex", waitEpoll: "waits in epoll",
	waitEvent: "waits for an event", waitFile: "waits for a file", waitLinger: "waits to receive",
	waitSocket: "waits for a socket",
}

// State tells what the thread does, in few words. Any context.
func (i *ThreadInfo) State() string {
	switch i.state {
	case threadRunning:
		return "runs; into the kernel last from"
	case threadReady:
		return "is ready to run"
	}
	return waitNames[i.wait]
}

// ThreadAt tells of the i-th thread there is, from 0, and reports false if there
// are not as many. Registers are those of its last entry into the kernel. Trap
// context.
func ThreadAt(i int, info *ThreadInfo) bool {
	for j := range threads {
		t := &threads[j]
		if t.state == threadFree {
			continue
		}
		if i > 0 {
			i--
			continue
		}
		info.ID, info.Net, info.state, info.wait = t.id, t.net, t.state, t.wait
		copy(info.Regs[:], t.ctx.r[:])
		info.Regs[15], info.Regs[16] = t.ctx.pc, t.ctx.cpsr
		return true
	}
	return false
}

// threadByID returns the index of a live thread, nobody if there is none.
func threadByID(id uint32) int16 {
	if id == 0 || id > maxThreads || threads[id-1].state == threadFree {
		return nobody
	}
	return int16(id - 1)
}

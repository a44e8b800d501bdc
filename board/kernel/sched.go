//go:build arm

package kernel

import (
	"math/bits"
	"unsafe"
)

// The scheduler: a run queue for each priority, the highest that is not empty
// first; a thread goes in at one of its queue's ends. So choosing and queueing
// take the same time however many threads there are.
//
// The Go runtime's threads are of two kinds, and become the one or the other
// by what they do. One that has slept (prioNormal) goes ahead of those that
// compute (prioCompute), as it has most likely little to do. One that ran for
// grace when another wants the CPU, that used up its slice or that yielded,
// computes, until it sleeps again. Threads that compute take turns of a slice.
// They are not held off for ever: the time that the others take from them is a
// debt; when it has come to a slice, computing threads go first until they had
// as much.
//
// One that yielded most likely waits for what another holds, as the runtime does
// for its locks, and may itself be what all the others wait for, as when the
// garbage collector stops the world. So those before it run briefly only.
//
// The network thread ends its batch when it is done with a poll, which may be
// later than the others' slice. What it had more is noted, and when that comes to
// a slice it goes without a turn. So it and a thread that computes have the same.
//
// The tick runs only while two threads compete.

const (
	slice = 2_000_000 // ns a thread runs before its equals get their turn
	brief = 50_000    // ns at a time it runs while one that yielded waits for its turn
	grace = 50_000    // ns a thread runs before it may be one that computes
	price = 20_000    // ns of computing that one interruption takes
)

var (
	runq      [nPrio]struct{ head, tail int16 }
	runqReady uint32 // bit p: runq[p] is not empty

	changed    bool  // a queue or the alarm: schedule has to look
	resched    bool  // the running thread has had its turn
	switchedAt int64 // when the running thread got the CPU
	debt       int64 // ns that computing threads waited for normal ones
	owed       bool  // the debt is being paid
	yielders   int   // threads in run queues that yielded
	earned     int64 // ns that were computed and not yet paid with, at most slice

	// Sched counts what the scheduler did.
	sched struct {
		switches uint64
		idle     int64 // ns
	}
)

// makeReady puts thread i, which slept, into its run queue.
func makeReady(i int16) {
	threads[i].state = threadReady
	enqueue(i, false)
	if lingering != nobody {
		lingerFor(i)
	}
	r := &threads[cur]
	if threads[i].prio == prioNormal && r.state == threadRunning && r.prio == prioNormal && nanotime()-switchedAt+r.ran-r.quick > grace {
		r.prio = prioCompute
	}
}

// enqueue puts thread i at the front or the end of its queue.
func enqueue(i int16, front bool) {
	t := &threads[i]
	q := &runq[t.prio]
	changed = true
	if q.head == nobody {
		t.next = nobody
		q.head, q.tail = i, i
		runqReady |= 1 << t.prio
	} else if front {
		t.next = q.head
		q.head = i
	} else {
		t.next = nobody
		threads[q.tail].next = i
		q.tail = i
	}
}

func dequeue(prio int) int16 {
	q := &runq[prio]
	i := q.head
	if threads[i].yielded {
		threads[i].yielded = false
		yielders--
	}
	q.head = threads[i].next
	if q.head == nobody {
		q.tail = nobody
		runqReady &^= 1 << prio
	}
	return i
}

// nextPrio is the priority whose turn it is among the queues; -1: all are empty.
func nextPrio() int {
	if owed && runqReady&(1<<prioNet|1<<prioCompute) == 1<<prioCompute {
		return prioCompute
	}
	return bits.Len32(runqReady) - 1
}

// schedule chooses the thread that resume continues. It is the last step of
// every trap.
func schedule() {
	t := &threads[cur]
	now := int64(0) // if it was read
	if t.state == threadRunning {
		switch next := nextPrio(); {
		case resched:
			t.ran, t.quick = 0, 0
			if t.prio == prioNormal {
				t.prio = prioCompute
			}
			if next >= int(t.prio) {
				if t.yielded {
					yielders++
				}
				giveWay(t, false)
			}
			t.yielded = t.yielded && t.state == threadReady
		case next > int(t.prio) && (next == prioNet || t.prio != prioCompute || mayInterrupt()),
			owed && t.prio == prioNormal && next == prioCompute:
			now = nanotime()
			t.ran += now - switchedAt // the slice goes on later
			if t.prio == prioNormal && t.ran-t.quick > grace {
				t.prio = prioCompute
			}
			giveWay(t, true)
		}
	}
	resched = false
	if t.state != threadRunning {
		for runqReady == 0 {
			idle()
			now = switchedAt // the interrupt is the next thread's
		}
		if now == 0 {
			now = nanotime()
		}
		switchTo(take(nextPrio()), now)
	}
	t = &threads[cur]
	if t.pending&^t.masked != 0 {
		deliverPending(t)
		if t.state != threadRunning {
			schedule()
			return
		}
	}
	changed = false
	if tickDue || runqReady != 0 || profiling != 0 {
		setTick()
	}
}

// mayInterrupt reports whether a normal thread may take the CPU from the running
// one that computes. It costs a switch there and back, and so has its price:
// goroutines that pass each other something do not wake a thread each time.
func mayInterrupt() bool {
	if owed || earned+nanotime()-switchedAt < price {
		return false
	}
	earned -= price
	return true
}

// overdraw notes that t had a turn of ns, of which no more than two slices count:
// it may have slept meanwhile.
func overdraw(t *thread, ns int64) {
	t.over = min(t.over+max(min(ns, 2*slice)-slice, 0), 2*slice)
}

// take takes the next thread from a queue, which is not empty. One that is
// overdrawn goes to its end, if there are others.
func take(prio int) int16 {
	i := dequeue(prio)
	if t := &threads[i]; t.over >= slice && runq[prio].head != nobody {
		t.over -= slice
		enqueue(i, false)
		i = dequeue(prio)
	}
	return i
}

// giveWay puts running thread t back into its queue.
func giveWay(t *thread, front bool) {
	t.state = threadReady
	enqueue(cur, front)
}

// account charges thread t for the ns that it ran.
func account(t *thread, ns int64) {
	t.cpuTime += ns
	switch {
	case t.prio == prioNormal && runqReady&(1<<prioCompute) != 0:
		debt += ns
		owed = owed || debt >= slice
	case t.prio == prioCompute:
		earned = min(earned+ns, slice)
		pay(ns)
	}
}

// pay takes ns from what is owed to computing threads.
func pay(ns int64) {
	debt = max(debt-ns, 0)
	owed = owed && debt > 0
}

// turnEnds is when the running thread is to give way to one that waits; 0:
// none does.
func turnEnds() int64 {
	t := &threads[cur]
	begin := switchedAt - t.ran
	end := begin + slice // if it computes
	if yielders > 0 {
		end = min(end, switchedAt+brief)
	}
	normal, compute := runqReady&(1<<prioNormal) != 0, runqReady&(1<<prioCompute) != 0
	switch {
	case t.prio == prioNormal && normal:
		return begin + t.quick + grace
	case t.prio == prioNormal && compute:
		return begin + slice
	case t.prio == prioCompute && owed && normal:
		return min(switchedAt+debt, end)
	case t.prio == prioCompute && normal:
		return min(max(switchedAt+price-earned, switchedAt+1), end)
	case t.prio == prioCompute && compute:
		return end
	}
	return 0
}

// turnEnded ends the running thread's turn if it is time.
func turnEnded(now int64) {
	changed = true
	t := &threads[cur]
	if t.state != threadRunning {
		return
	}
	used := now - switchedAt + t.ran
	resched = resched || used >= slice || t.prio == prioCompute && yielders > 0 && now-switchedAt >= brief
	if t.prio == prioNormal && used-t.quick >= grace && runqReady&(1<<prioNormal) != 0 {
		t.prio = prioCompute
	}
	if t.prio == prioCompute && owed && now-switchedAt >= debt {
		pay(debt)
	}
}

// switchTo gives the CPU to thread i.
func switchTo(i int16, now int64) {
	old, t := &threads[cur], &threads[i]
	account(old, now-switchedAt)
	switchedAt = now
	t.state = threadRunning
	if i != cur {
		sched.switches++
		saveVFP(uintptr(unsafe.Pointer(&old.vfp)))
		loadVFP(uintptr(unsafe.Pointer(&t.vfp)))
		cur = i
		setCurrent(uintptr(unsafe.Pointer(&t.ctx)))
	}
}

// idle waits for an interrupt and handles it. The time counts as idle, not as
// the last thread's.
func idle() {
	if tickDue || profiling != 0 {
		setTick()
	}
	t0 := nanotime()
	threads[cur].cpuTime += t0 - switchedAt
	wfi()
	switchedAt = nanotime()
	sched.idle += switchedAt - t0
	interrupt()
}

// CPU accounts for the processor's time since boot.
type CPU struct {
	Idle     int64  // ns in WFI
	Switches uint64 // context switches
	Threads  int
}

// CPUStat returns how the CPU's time was spent.
func CPUStat() CPU {
	n := 0
	for i := range threads {
		if threads[i].state != threadFree {
			n++
		}
	}
	return CPU{Idle: sched.idle, Switches: sched.switches, Threads: n}
}

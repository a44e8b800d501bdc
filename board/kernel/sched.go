//go:build arm

package kernel

import (
	"math/bits"
	"unsafe"
)

// The scheduler: a run queue for each priority, the highest that is not empty
// first. Threads of one priority take turns; the tick runs only while two of
// them compete. A thread that wakes up goes ahead of one that has been running
// for a while, as it has most likely little to do. That one pays for having run
// with each that goes ahead, so nobody is held off for ever.

const (
	slice = 2_000_000 // ns a thread runs before its equals get their turn
	grace = 50_000    // ns a thread runs before a waking equal may displace it
)

var (
	runq      [nPrio]struct{ head, tail int16 }
	runqReady uint32 // bit p: runq[p] is not empty

	resched    bool  // the running thread has had its turn
	displace   bool  // the thread at the front of its queue goes ahead of it
	switchedAt int64 // when the running thread got the CPU

	// Sched counts what the scheduler did.
	sched struct {
		switches uint64
		idle     int64 // ns
	}
)

// makeReady puts thread i into its run queue; woken: ahead of those that have
// had their share, if any.
func makeReady(i int16, woken bool) {
	t := &threads[i]
	t.state = threadReady
	if !woken {
		enqueue(i, false)
		return
	}
	r := &threads[cur]
	if r.state == threadRunning && r.prio == t.prio && nanotime()-switchedAt+r.ran > grace {
		displace = true
		enqueue(i, true)
		return
	}
	overtake(i)
}

// overtake queues thread i ahead of the first one that has been running for a
// while before something of a higher priority took the CPU from it. That one's
// time shrinks with each that overtakes it, so that they are not too many.
func overtake(i int16) {
	q := &runq[threads[i].prio]
	prev := int16(nobody)
	for j := q.head; j != nobody; prev, j = j, threads[j].next {
		if threads[j].ran <= grace {
			continue
		}
		threads[j].ran -= grace
		if prev == nobody {
			break
		}
		threads[i].next = j
		threads[prev].next = i
		return
	}
	enqueue(i, q.head != nobody && prev == nobody)
}

// enqueue puts thread i at the front or the end of its queue.
func enqueue(i int16, front bool) {
	t := &threads[i]
	q := &runq[t.prio]
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
	q.head = threads[i].next
	if q.head == nobody {
		q.tail = nobody
		runqReady &^= 1 << prio
	}
	return i
}

// schedule chooses the thread that resume continues. It is the last step of
// every trap.
func schedule() {
	t := &threads[cur]
	if t.state == threadRunning {
		switch top := bits.Len32(runqReady) - 1; {
		case top > int(t.prio):
			t.ran += nanotime() - switchedAt // the slice goes on later
			t.state = threadReady
			enqueue(cur, true)
		case resched && top == int(t.prio):
			t.ran = 0
			t.state = threadReady
			enqueue(cur, false)
		case displace && top == int(t.prio):
			next := dequeue(top)
			t.ran = max(t.ran+nanotime()-switchedAt-grace, 0)
			t.state = threadReady
			enqueue(cur, true)
			switchTo(next)
			t = &threads[next]
		}
	}
	resched, displace = false, false
	if t.state != threadRunning {
		for runqReady == 0 {
			idle()
		}
		switchTo(dequeue(bits.Len32(runqReady) - 1))
	}
	t = &threads[cur]
	if t.pending&^t.masked != 0 {
		deliverPending(t)
		if t.state != threadRunning {
			schedule()
			return
		}
	}
	setTick(runqReady>>t.prio&1 != 0)
}

// switchTo gives the CPU to thread i.
func switchTo(i int16) {
	now := nanotime()
	old, t := &threads[cur], &threads[i]
	old.cpuTime += now - switchedAt
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
	setTick(false)
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

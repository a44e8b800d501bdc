//go:build arm

package kernel

const futexBuckets = 64 // power of two

// futexQueues are the waiting threads, first come first, by address.
var futexQueues [futexBuckets]struct{ head, tail int16 }

func futexBucket(addr uint32) uint32 { return (addr>>2 ^ addr>>8 ^ addr>>14) & (futexBuckets - 1) }

// sysFutex answers FUTEX_WAIT and FUTEX_WAKE. timeout is relative, in ns; -1:
// none.
func sysFutex(t *thread, addr, op, val uint32, timeout int64) uint32 {
	if addr&3 != 0 {
		return errno(EINVAL)
	}
	if !accessible(addr, 4, false) {
		return errno(EFAULT)
	}
	switch op & 0x7f {
	case 0: // FUTEX_WAIT
		if load32(addr) != val {
			return errno(EAGAIN)
		}
		deadline := int64(0)
		if timeout >= 0 {
			deadline = after(timeout)
		}
		block(t, waitFutex, addr, deadline, errno(ETIMEDOUT))
		q := &futexQueues[futexBucket(addr)]
		t.waitNext = nobody
		if q.head == nobody {
			q.head = cur
		} else {
			threads[q.tail].waitNext = cur
		}
		q.tail = cur
		return 0
	case 1: // FUTEX_WAKE
		n := uint32(0)
		for i := futexQueues[futexBucket(addr)].head; i != nobody && n < val; {
			next := threads[i].waitNext
			if threads[i].waitAddr == addr {
				wake(i, 0)
				n++
			}
			i = next
		}
		return n
	}
	return errno(ENOSYS)
}

// futexRemove takes thread i out of its queue.
func futexRemove(i int16) {
	q := &futexQueues[futexBucket(threads[i].waitAddr)]
	prev := int16(nobody)
	for j := q.head; j != nobody; prev, j = j, threads[j].waitNext {
		if j != i {
			continue
		}
		next := threads[j].waitNext
		if prev == nobody {
			q.head = next
		} else {
			threads[prev].waitNext = next
		}
		if q.tail == j {
			q.tail = prev
		}
		threads[j].waitNext = nobody
		return
	}
}

// after is the deadline ns from now; never 0, never past the end of time.
func after(ns int64) int64 {
	now := nanotime()
	if ns > 1<<62-now {
		return 1 << 62
	}
	return now + ns
}

package console

import "math/bits"

// A flush outside of a panic offers each console at most flushBudget records,
// so that a long log does not hold interrupts off for long; the rest follows
// at the next flush. In a panic nothing else is left to do.
const flushBudget = 32

// Flush offers the records that wait to all consoles, the oldest first. To be
// called from time to time: after polling the network, from a periodic timer,
// when a console's device has become ready. Within a console's Write it does
// nothing. Trap context.
func Flush() { std.flush(flushBudget) }

// Panic makes the log ready for a panic: the flush that was interrupted, if
// any, is forgotten, every level is printed, consoles are told that from now
// on they must poll, and what streams hold is emitted. A flush has no bound
// but the ring any more. Slow consoles wait until Finish, so that a report is on
// the wire before the first byte of it is on the serial port.
//
// It may be called again, if the panic itself faults: a console in whose code that
// happens twice is left alone from then on, and nobody waits for Finish any more,
// since what faulted may have been the way to the fast ones. Trap context.
func Panic() { std.panic() }

// Finish gives slow consoles what a panic has kept from them: the report is
// complete. From then on all get each record at once. Trap context.
func Finish() { std.finish() }

func (l *klog) panic() {
	c := &l.consoles
	again := c.panicked
	c.panicked, c.flushing, c.fastOnly = true, false, !again
	l.ring.interrupted()
	if i := c.current; again && i > 0 && i <= MaxConsoles {
		if r := c.slot[i-1].Load(); r != nil {
			r.faults++
		}
	}
	c.current = 0
	l.flushStreams()
	for i := range c.slot {
		r := c.slot[i].Load()
		if r == nil || r.faults > 1 {
			continue
		}
		r.max = Debug
		if r.onPanic != nil {
			c.current = i + 1
			r.onPanic.Panic()
			c.current = 0
		}
	}
}

func (l *klog) finish() {
	l.consoles.fastOnly = false
	l.flush(flushBudget)
}

// flush goes round the consoles with one record at a time. So a record reaches
// all of them before the next reaches one, and a record that is emitted during
// the flush, by a driver that is sending one, is picked up.
func (l *klog) flush(budget int) {
	c := &l.consoles
	if c.flushing {
		return
	}
	c.flushing = true
	l.expireStreams()
	if c.panicked {
		budget = len(l.ring.mem()) / recordHeader
	}
	todo := c.used.Load() & (1<<MaxConsoles - 1) // the slots whose console may take more
	for progress := true; progress && budget > 0; budget-- {
		progress = false
		newest := l.ring.state().next
		for left := todo; left != 0; left &= left - 1 {
			i := bits.TrailingZeros32(left)
			r := c.slot[i].Load()
			if r == nil || r.faults > 1 || r.slow && c.fastOnly {
				todo &^= 1 << i
				continue
			}
			if r.pending == 0 && r.next.seq == newest {
				continue // most often, the second time round
			}
			took, waits := l.offer(r, i)
			progress = progress || took
			if waits {
				todo &^= 1 << i
			}
		}
	}
	c.flushing = false
}

// offer offers a console its next record, if there is one. It reports whether
// the console took a record, and whether it refused one.
func (l *klog) offer(r *Registration, i int) (took, waits bool) {
	c := &l.consoles
	var h header
	lost, ok := l.ring.skip(&r.next, r, &h)
	r.lost += lost
	r.pending += lost
	switch {
	case r.pending > 0:
		at := l.now()
		if ok {
			at = h.time
		}
		c.rec.SetLost(r.pending, r.next.seq, at)
		c.loaded = false
	case ok:
		// Whoever is offered a record after another has it in memory already.
		if !c.loaded || c.rec.Seq != h.seq {
			c.loaded = false
			l.ring.load(&r.next, &h, &c.rec)
			c.loaded = true
		}
	default:
		return false, false
	}

	c.current = i + 1
	done := r.con.Write(&c.rec)
	c.current = 0
	if !done {
		return false, true
	}
	if c.rec.Lost > 0 {
		r.pending -= c.rec.Lost
		return true, false
	}
	r.next.advance(&h)
	r.written++
	return true, false
}

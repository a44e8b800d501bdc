package console

import (
	"math/bits"

	"github.com/gasp-go/gasp/board/word"
)

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
		if r == nil {
			continue
		}
		if r.faults > 1 {
			word.Store(&c.used, word.Load(&c.used)&^(1<<i))
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
	if l.streams[0].n|l.streams[1].n != 0 {
		l.expireStreams()
	}
	if c.panicked {
		budget = maxRing / recordHeader
	}
	todo := word.Load(&c.used) & (1<<MaxConsoles - 1) // the slots whose console may take more
	if c.fastOnly {
		todo &^= word.Load(&c.slow)
	}
	newest := l.ring.state().next
	behind := !c.offer.loaded
	if !behind {
		var told bool
		if todo, told, behind = l.handOut(todo, newest); told {
			budget--
		}
	}
	for ; behind && budget > 0; budget-- {
		newest = l.ring.state().next
		behind = false
		for left := todo; left != 0; left &= left - 1 {
			i := bits.TrailingZeros32(left) & (MaxConsoles - 1)
			r := word.LoadPointer(&c.slot[i])
			if r == nil {
				todo &^= 1 << i
				continue
			}
			if same(r.next.seq, newest) && same(r.pending, 0) || !l.load(r) {
				continue
			}
			if l.tell(r, i) {
				behind = behind || !same(r.next.seq, newest)
			} else {
				todo &^= 1 << i
			}
		}
		// A console's driver may have logged something.
		behind = behind || !same(l.ring.state().next, newest)
	}
	c.flushing = false
}

// handOut gives the record that is on offer, most often the one just logged and the only
// one that waits, to the consoles that are to get it next. It returns the consoles
// without those that refused it, whether there was any, and whether there may be more
// to do.
func (l *klog) handOut(todo uint32, newest uint64) (left uint32, told, more bool) {
	c := &l.consoles
	o := &c.offer
	for left = todo; todo != 0; todo &= todo - 1 {
		i := bits.TrailingZeros32(todo) & (MaxConsoles - 1)
		r := word.LoadPointer(&c.slot[i])
		if r == nil || r.next.pos != o.at.pos || !same(r.next.seq, o.at.seq) || !same(r.pending, 0) || !r.wants(&o.header) {
			more = true
			continue
		}
		told = true
		c.current = i + 1
		if !r.con.Write(&o.rec) {
			left &^= 1 << i
			continue
		}
		r.next.seq, r.next.pos = o.next.seq, o.next.pos // the compiler calls for a struct
		r.written++
	}
	c.current = 0
	return left, told, more || !same(o.next.seq, newest) || !same(l.ring.state().next, newest)
}

// tell offers a console what is on offer, and reports whether it took that.
func (l *klog) tell(r *Registration, i int) bool {
	c := &l.consoles
	o := &c.offer
	c.current = i + 1
	done := r.con.Write(&o.rec)
	c.current = 0
	switch {
	case !done:
		return false
	case !o.loaded: // it was a notice
		r.pending -= o.rec.Lost
	default:
		r.next = o.next
		r.written++
	}
	return true
}

// same is a == b in fewer instructions than the compiler makes of it on a CPU of 32
// bits.
func same(a, b uint64) bool {
	return (uint32(a)^uint32(b))|(uint32(a>>32)^uint32(b>>32)) == 0
}

// load puts on offer what a console is to get next: a record, or the notice that some
// are gone. It reports whether there is something.
func (l *klog) load(r *Registration) bool {
	o := &l.consoles.offer
	var h header
	lost, ok := l.ring.skip(&r.next, r, &h)
	if lost > 0 {
		r.lost += lost
		r.pending += lost
		r.whole = r.next.seq
	}
	if r.pending == 0 && ok && o.loaded && o.at == r.next {
		return true
	}
	o.loaded = false
	switch {
	case r.pending > 0:
		at := l.now()
		if ok {
			at = h.time
		}
		o.rec.SetLost(r.pending, r.next.seq, at)
		return true
	case ok:
		l.ring.load(&r.next, &h, &o.rec)
		o.at, o.next, o.header = r.next, r.next, h
		o.next.advance(&h)
		o.loaded = true
		return true
	}
	return false
}

package kernel

import "math/bits"

// clocksource converts between a 64-bit counter and the time since boot. Time is
// counted from the counter's value at boot, so that neither what it was then
// nor its wrapping round plays a part.
type clocksource struct {
	freq uint32 // Hz, not 0
	mul  uint32 // ns a count, if that is a whole number, else 0
	end  uint64 // counts until the end of time, if mul is not 0
	boot uint64 // the counter at boot
}

// newClocksource is the source that counts with freq Hz and is now at boot.
func newClocksource(freq uint32, boot uint64) clocksource {
	c := clocksource{freq: freq, boot: boot}
	if 1_000_000_000%freq == 0 {
		c.mul = 1_000_000_000 / freq
		c.end = (1<<63 - 1) / uint64(c.mul)
	}
	return c
}

// ns is the time in ns since boot when the counter shows count, rounded down.
// It is right for 292 years and stays at their end.
func (c *clocksource) ns(count uint64) int64 {
	count -= c.boot
	if c.mul != 0 {
		if count > c.end {
			return 1<<63 - 1
		}
		return int64(count * uint64(c.mul))
	}
	h, l := bits.Mul64(count, 1_000_000_000)
	if h >= uint64(c.freq) {
		return 1<<63 - 1
	}
	q, _ := bits.Div64(h, l, uint64(c.freq))
	return int64(min(q, 1<<63-1))
}

// count is what the counter shows ns after boot, rounded up: at the first count
// of which that time has passed. A time before boot is the boot.
func (c *clocksource) count(ns int64) uint64 {
	if ns < 0 {
		ns = 0
	}
	if c.mul != 0 {
		return c.boot + (uint64(ns)+uint64(c.mul)-1)/uint64(c.mul)
	}
	h, l := bits.Mul64(uint64(ns), uint64(c.freq))
	if h >= 1_000_000_000 {
		return c.boot - 1 // a counter of more than 2 GHz
	}
	q, r := bits.Div64(h, l, 1_000_000_000)
	if r != 0 {
		q++
	}
	return c.boot + q
}

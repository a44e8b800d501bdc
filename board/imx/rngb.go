package imx

import "github.com/gasp-go/gasp/board/mmio"

// RNGB registers (i.MX 6ULL Applications Processor Reference Manual, chapter
// "Random Number Generator").
const (
	rngbVER = 0x00
	rngbCMD = 0x04
	rngbCR  = 0x08
	rngbSR  = 0x0c
	rngbESR = 0x10
	rngbOUT = 0x14

	verRNGB = 1 // VER.TYPE

	cmdSelfTest = 1 << 0
	cmdSeed     = 1 << 1
	cmdClearInt = 1 << 4
	cmdClearErr = 1 << 5
	cmdReset    = 1 << 6

	crAutoSeed  = 1 << 4
	crMaskDone  = 1 << 5
	crMaskError = 1 << 6

	srTestDone = 1 << 4
	srSeedDone = 1 << 5
	srLevel    = 15 << 8
	srError    = 1 << 16
	srTestFail = 7 << 21 // self tests: TRNG, PRNG, reseed

	esrStatistical = 1 << 3

	rngbSeeds = 10 // most tries to make a seed that passes the statistical test
)

// RNGB is the random number generator of i.MX6ULL and 6ULZ. It is always
// clocked.
type RNGB struct {
	Regs  mmio.Block
	seeds uint8
	words
}

// Word returns a random word if there is one, and otherwise does the next step
// to get one: it never waits. The first call starts the self test, which takes
// 29,000 clocks; the seed, up to 200 ms, follows. Words are its generator's, which
// was seeded with 160 bits and seeds itself again, and passed a health test here.
// Trap context.
func (r *RNGB) Word() (uint32, bool) {
	if v, ok := r.take(); ok {
		return v, true
	}
	switch r.state {
	case rngUnknown:
		r.probe()
	case rngTesting:
		r.test()
	case rngRunning:
		r.collect()
	}
	return r.take()
}

func (r *RNGB) probe() {
	if r.Regs.Read32(rngbVER)>>28 != verRNGB {
		r.state = rngAbsent
		return
	}
	r.Regs.Write32(rngbCMD, cmdReset)
	r.Regs.Write32(rngbCR, crAutoSeed|crMaskDone|crMaskError)
	r.Regs.Write32(rngbCMD, cmdClearErr|cmdClearInt|cmdSelfTest)
	r.state = rngTesting
}

// test looks for the end of the self test, and has the seed made.
func (r *RNGB) test() {
	switch s := r.Regs.Read32(rngbSR); {
	case s&(srError|srTestFail) != 0:
		r.state = rngBroken
	case s&srTestDone != 0:
		r.state = rngRunning
		r.seed()
	}
}

func (r *RNGB) seed() {
	if r.seeds++; r.seeds > rngbSeeds {
		r.state = rngBroken
		return
	}
	r.Regs.Write32(rngbCMD, cmdClearErr|cmdClearInt|cmdSeed)
}

// collect empties the FIFO, which has room for five words.
func (r *RNGB) collect() {
	for range blockWords {
		s := r.Regs.Read32(rngbSR)
		if s&srError != 0 {
			r.failed()
			return
		}
		if s&srSeedDone == 0 || s&srLevel == 0 {
			return
		}
		r.seeds = 0
		r.put(r.Regs.Read32(rngbOUT))
		if r.left != 0 || r.state != rngRunning {
			return
		}
	}
}

// failed makes another seed if this one failed the statistical test, which a good
// one does now and then. Any other error is the end.
func (r *RNGB) failed() {
	r.have = 0
	if r.Regs.Read32(rngbESR) != esrStatistical {
		r.state = rngBroken
		return
	}
	r.seed()
}

// Status says in a few words how it is, for the boot log.
func (r *RNGB) Status() string { return "RNGB " + r.status() }

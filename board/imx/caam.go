package imx

import "github.com/gasp-go/gasp/board/mmio"

// CAAM registers: the true random number generator inside RNG4, and the version
// (i.MX 6UltraLite Security Reference Manual, chapter "Cryptographic Acceleration
// and Assurance Module"; the same on i.MX6Q and i.MX7D).
const (
	caamRTMCTL   = 0x600 // miscellaneous control
	caamRTSDCTL  = 0x610 // seed control: entropy delay, sample size
	caamRTFRQMIN = 0x618
	caamRTFRQMAX = 0x61c
	caamRTENT    = 0x640 // 16 words of entropy
	caamCHAVIDLS = 0xfec // versions of the accelerators
	caamVIDMS    = 0xff8 // version of the whole

	mctlRaw    = 1 << 0 // samples as they are, for entropy and for the tests
	mctlAccess = 1 << 5 // RTENT can be read, and the DRNG gets none
	mctlReset  = 1 << 6 // in program mode: all to its defaults
	mctlFail   = 1 << 8 // the oscillator is too slow or too fast
	mctlValid  = 1 << 10
	mctlError  = 1 << 12 // a statistical test failed; write 1 to clear
	mctlProg   = 1 << 16

	caamSamples  = 2500  // a block, what the tests' limits are made for
	caamDelayMin = 3200  // CAAM clocks a sample: 60 ms a block
	caamDelayMax = 12800 // no part is known that needs more
	caamDelayAdd = 400
	caamFRQNoMax = 1 << 20
)

// CAAM is the entropy source of the cryptographic accelerator. It is read
// directly: nothing else of CAAM is used, and while this is, the accelerator's
// own generator gets no new entropy.
//
// Regs is page 0, whose clocks must run.
type CAAM struct {
	Regs  mmio.Block
	delay uint32
	words
}

// Word returns a random word if there is one, and otherwise does the next step
// to get one: it never waits. The first 16 come about 60 ms after the first call.
// Words are raw samples that passed the hardware's statistical tests and a
// health test here; they have less entropy than bits. Trap context.
func (c *CAAM) Word() (uint32, bool) {
	if v, ok := c.take(); ok {
		return v, true
	}
	switch c.state {
	case rngUnknown:
		c.probe()
	case rngRunning:
		c.collect()
	}
	return c.take()
}

func (c *CAAM) probe() {
	vid := c.Regs.Read32(caamVIDMS)
	if rng := c.Regs.Read32(caamCHAVIDLS) >> 16 & 15; vid == 0 || vid == 0xffffffff || rng < 4 || rng == 15 {
		c.state = rngAbsent
		return
	}
	c.delay = caamDelayMin
	c.state = rngRunning
	c.start()
}

// start begins a block. Program mode together with access throws away what is
// there, such as a block that the loader's settings made.
func (c *CAAM) start() {
	c.Regs.Write32(caamRTMCTL, mctlProg|mctlReset|mctlError)
	c.Regs.Write32(caamRTMCTL, mctlProg|mctlAccess)
	c.Regs.Write32(caamRTSDCTL, c.delay<<16|caamSamples)
	c.Regs.Write32(caamRTFRQMIN, c.delay/4)
	c.Regs.Write32(caamRTFRQMAX, caamFRQNoMax)
	c.Regs.Write32(caamRTMCTL, mctlAccess|mctlRaw)
}

// collect takes a block if it is ready. If it failed a test, the next is made of
// longer samples: how long they must be depends on the part, voltage and
// temperature.
func (c *CAAM) collect() {
	s := c.Regs.Read32(caamRTMCTL)
	switch {
	case s&mctlProg != 0: // never: it was left. The bus reads ones
		c.state = rngBroken
	case s&(mctlError|mctlFail) != 0:
		if c.delay += caamDelayAdd; c.delay > caamDelayMax {
			c.state = rngBroken
			return
		}
		c.start()
	case s&mctlValid != 0:
		// Reading the last word starts the next block; RTENT0 once more, as
		// NXP's drivers do for the sake of a defect.
		for i := uintptr(0); i < blockWords; i++ {
			c.put(c.Regs.Read32(caamRTENT + 4*i))
		}
		c.Regs.Read32(caamRTENT)
	}
}

// Status says in a few words how it is, for the boot log.
func (c *CAAM) Status() string { return "CAAM " + c.status() }

package imx

import "math/bits"

// blockWords is how many words of a random number generator are judged
// together: what CAAM makes at a time.
const blockWords = 16

// maxBad is how many blocks in a row may fail before the generator is given up.
const maxBad = 3

// rngState is how far a generator has got. It only moves on when it is asked.
type rngState uint8

const (
	rngUnknown rngState = iota // nobody has asked yet
	rngTesting                 // self test
	rngRunning
	rngAbsent
	rngBroken
	rngUnhealthy
)

var rngStates = [...]string{
	rngUnknown:   "not used",
	rngTesting:   "self test",
	rngRunning:   "running, nothing yet",
	rngAbsent:    "not there",
	rngBroken:    "failed",
	rngUnhealthy: "failed: its numbers are not random",
}

// words hands out a generator's words, in blocks that passed a health test.
type words struct {
	state  rngState
	block  [blockWords]uint32
	before [blockWords]uint32 // the block before
	have   uint8              // words in the block that is being filled
	left   uint8              // words that a good block still has
	bad    uint8              // blocks in a row that failed
	good   bool               // a block has passed
}

// take returns a word of a good block.
func (w *words) take() (uint32, bool) {
	if w.left == 0 {
		return 0, false
	}
	w.left--
	return w.block[w.left], true
}

// put adds a word to the block; the last one makes it a good block or none.
func (w *words) put(v uint32) {
	w.block[w.have] = v
	if w.have++; w.have < blockWords {
		return
	}
	w.have = 0
	if healthy(&w.block, &w.before) {
		w.left, w.bad, w.good = blockWords, 0, true
	} else if w.bad++; w.bad == maxBad {
		w.state = rngUnhealthy
	}
	w.before = w.block
}

// healthy reports whether a block can be a good generator's: half of the bits
// are ones, to within six standard deviations, and no word is there twice, nor
// in the block before. Of a good generator's blocks it refuses one in 10 million;
// it finds what is stuck, repeats itself or leans to one side. (NIST SP 800-90B,
// 4.4 asks for tests of these two kinds.)
func healthy(block, before *[blockWords]uint32) bool {
	ones := 0
	for i, v := range block {
		ones += bits.OnesCount32(v)
		for j := range i {
			if block[j] == v {
				return false
			}
		}
		for _, b := range before {
			if b == v {
				return false
			}
		}
	}
	const half, most = blockWords * 32 / 2, 68 // a standard deviation is 11.3
	return ones >= half-most && ones <= half+most
}

// status is for the boot log.
func (w *words) status() string {
	if w.state == rngRunning && w.good {
		return "running"
	}
	return rngStates[w.state]
}

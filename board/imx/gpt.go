//go:build arm

package imx

import "github.com/gasp-go/gasp/board/mmio"

// GPT registers (i.MX 6Dual/6Quad Reference Manual, chapter "General Purpose
// Timer").
const (
	gptCR  = 0x00
	gptPR  = 0x04
	gptCNT = 0x24

	gptEN    = 1 << 0
	gptENMOD = 1 << 1 // start from 0
	gptOSC8  = 5 << 6 // clock: the crystal's 24 MHz divided by 8
	gptFRR   = 1 << 9 // count on after a compare match
	gptMHz   = 3

	gptSpan = 2000 * gptMHz // a measurement takes 2 ms: exact to 0.02 %
)

// MeasureHz measures the rate of a counter by the GPT at regs, which it uses up:
// in whole megahertz, 0 if the GPT does not run. Trap context.
func MeasureHz(regs mmio.Block, counter func() uint32) uint32 {
	regs.Write32(gptCR, 0)
	regs.Write32(gptPR, 0)
	regs.Write32(gptCR, gptOSC8|gptFRR|gptENMOD)
	regs.Write32(gptCR, gptOSC8|gptFRR|gptENMOD|gptEN)
	c0, t0 := sample(regs, counter)
	for i := 0; regs.Read32(gptCNT)-t0 < gptSpan; i++ {
		if i == 1_000_000 { // a read takes longer than 2 ns
			return 0
		}
	}
	c1, t1 := sample(regs, counter)
	regs.Write32(gptCR, 0)
	return ((c1-c0)*gptMHz + (t1-t0)/2) / (t1 - t0) * 1_000_000
}

// sample reads counter and GPT at the same time, or nearly: of several tries
// the quickest, as an emulator may be interrupted in the middle of one.
func sample(regs mmio.Block, counter func() uint32) (count, gpt uint32) {
	best := ^uint32(0)
	for range 8 {
		before := counter()
		t := regs.Read32(gptCNT)
		if d := counter() - before; d < best {
			best, count, gpt = d, before+d/2, t
		}
	}
	return count, gpt
}

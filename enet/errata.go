package enet

// Quirks are what some parts need and others must not get.
type Quirks uint32

const (
	// QuirkNoReset is for parts whose ENET masters an AXI bus (i.MX6SX, 7D):
	// they are stopped through ETHEREN instead of RESET.
	QuirkNoReset Quirks = 1 << iota

	// QuirkERR006358 is for i.MX6Q: see kick. Every frame raises an interrupt
	// when it was sent, so that a doorbell that was lost meanwhile is noticed.
	QuirkERR006358
)

// Errata that need nothing here: ERR006687 (i.MX6Q: the ENET's interrupt does not
// wake the SoC from a low-power mode): the kernel sleeps in WFI with all clocks
// on. ERR004512 (i.MX6Q: about 470 Mb/s in all at 1 Gb/s): a limit to know, pause
// frames help the partner. RCR.PADEN, which can wedge the receive DMA at 1 Gb/s,
// a transmit ring of one descriptor, which sends twice, and the registers and
// counters that i.MX6UL does not want touched: not used.

// QuirksOf returns the quirks of a SoC, by its board's name for it.
func QuirksOf(soc string) Quirks {
	switch soc {
	case "i.MX6Q", "i.MX6DL":
		return QuirkERR006358
	case "i.MX6SX", "i.MX7D":
		return QuirkNoReset
	}
	return 0
}

// doorbell tells the MAC that transmit descriptors are ready, after they are.
//
// ERR007885 (i.MX6UL): a write of TDAR while the engine is about to clear it is
// lost. NXP's workaround: write only if one of four reads in a row finds it
// clear. If all four find it set, the engine is at work and meets the new
// descriptor by itself; if it did not after all, kick helps later. Parts
// without the erratum lose nothing by this. Trap context.
func (m *MAC) doorbell() {
	for range 4 {
		if m.regs.Read32(regTDAR) == 0 {
			m.regs.Write32(regTDAR, active)
			return
		}
	}
}

// kick repairs a doorbell that was lost.
//
// ERR006358 (i.MX6Q): a write of TDAR while the engine is finishing a frame may
// be lost; TDAR then reads 0 although a descriptor is ready. So whenever frames
// are left after a reclaim and the engine rests, the bell is rung again. If the
// engine came to its rest only since the reclaim, ringing is harmless. Trap
// context.
func (m *MAC) kick() {
	if m.regs.Read32(regTDAR) == 0 {
		m.count(txKicks)
		m.regs.Write32(regTDAR, active)
	}
}

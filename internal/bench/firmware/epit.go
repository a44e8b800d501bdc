//go:build arm

package main

import (
	"time"

	"github.com/gasp-go/gasp/board/kernel"
	"github.com/gasp-go/gasp/board/mmio"
	"github.com/gasp-go/gasp/stack/netdev"
)

// EPIT1 is the far end's clock (i.MX 6UltraLite Applications Processor
// Reference Manual, chapter "Enhanced Periodic Interrupt Timer"): a counter
// that runs down from LR, interrupts at 0 and starts again.
const (
	epit1    = 0x020d0000
	epit1IRQ = 32 + 56

	epitCR, epitSR, epitLR, epitCMPR, epitCNR = 0x00, 0x04, 0x08, 0x0c, 0x10

	epitEN, epitENMOD, epitOCIEN, epitRLD = 1 << 0, 1 << 1, 1 << 2, 1 << 3
	epitIOVW, epitIPG                     = 1 << 17, 1 << 24
)

var epit = mmio.At(epit1)

// clock is what EPIT1's interrupt does.
var clock struct {
	p    *platform
	hz   int64       // of the counter
	napi netdev.NAPI // polled on an interrupt, for PollLatency
	take bool        // schedule napi instead of the far end
	load uint32

	left      int
	n         int64
	sum, most int64 // ns
}

func startEPIT(p *platform) {
	c := &clock
	c.p = p
	epitRun(^uint32(0), 0)
	t0, c0 := kernel.Nanotime(), epit.Read32(epitCNR)
	for kernel.Nanotime()-t0 < 1_000_000 {
	}
	c1, t1 := epit.Read32(epitCNR), kernel.Nanotime()
	c.hz = (int64(c0-c1)*1_000_000_000/(t1-t0) + 500_000) / 1_000_000 * 1_000_000
	epit.Write32(epitCR, 0)
	c.napi.Init(p.sys.Softnet, "bench", netdev.Weight, pollNow)
	c.napi.Enable()
	kernel.HandleIRQ(epit1IRQ, epitTick)
}

// epitRun starts the counter from load, with what else is in flags.
func epitRun(load uint32, flags uint32) {
	epit.Write32(epitCR, 0)
	epit.Write32(epitSR, 1)
	epit.Write32(epitCR, epitRLD|epitIPG|epitIOVW|epitENMOD|flags)
	epit.Write32(epitLR, load)
	epit.Write32(epitCMPR, 0)
	epit.Write32(epitCR, epitRLD|epitIPG|epitIOVW|epitENMOD|flags|epitEN)
}

// every has the timer's interrupt call the far end's Tick each period until it
// returns false.
func (p *platform) every(period time.Duration) {
	clock.take = false
	epitRun(uint32(int64(period)*clock.hz/int64(time.Second)), epitOCIEN)
}

// epitTick is the top half. Trap context.
func epitTick() {
	c := &clock
	epit.Write32(epitSR, 1)
	if c.take {
		c.napi.Schedule()
		return
	}
	t0 := kernel.Nanotime()
	if !c.p.far.Tick() {
		epit.Write32(epitCR, 0)
	}
	c.p.ticks++
	c.p.spent += kernel.Nanotime() - t0
}

// pollNow is a NAPI poll whose first instructions read the counter, which
// started again when it interrupted. Network thread.
func pollNow(budget int) int {
	c := &clock
	ns := int64(c.load-epit.Read32(epitCNR)) * 1_000_000_000 / c.hz
	if budget <= 0 {
		return 0
	}
	c.napi.CompleteDone(0)
	if c.left > 0 {
		c.left--
		c.n++
		c.sum += ns
		c.most = max(c.most, ns)
	} else {
		epit.Write32(epitCR, 0)
	}
	return 0
}

// PollLatency is part of guest.Platform.
func (p *platform) PollLatency(n int) (mean, most int64, ok bool) {
	c := &clock
	const period = time.Millisecond
	c.load = uint32(int64(period) * c.hz / int64(time.Second))
	c.left, c.n, c.sum, c.most, c.take = n, 0, 0, 0, true
	epitRun(c.load, epitOCIEN)
	time.Sleep(time.Duration(n+20) * period)
	if c.n == 0 {
		return 0, 0, false
	}
	return c.sum / c.n, c.most, true
}

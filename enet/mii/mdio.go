package mii

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gasp-go/gasp/board/mmio"
)

// The ENET registers MDIO needs; byte offsets (IMX6ULRM, ENET memory map).
const (
	regEIR  = 0x004
	regMMFR = 0x040
	regMSCR = 0x044

	eirMII = 1 << 23 // EIR.MII: the management frame is done
)

const (
	// Bound is the longest wait for a management frame. At 2.5 MHz one takes
	// 26 us; a port without clock never finishes.
	Bound = 30 * time.Millisecond

	maxMDC = 2_500_000 // Hz, IEEE 802.3 22.2.2.13

	// spins bounds the reads of EIR in case the clock stands still: more than
	// Bound at 100 ns a read. Where a sleep is possible it comes after the
	// first few, and each lasts nap.
	spins     = 1 << 19
	spinsBusy = 1 << 10
	naps      = 512
	nap       = 100 * time.Microsecond
)

// ErrTimeout is returned when a management frame did not finish within Bound.
var ErrTimeout = errors.New("mii: MDIO does not complete")

// Bus is one MDIO bus, driven by an ENET that need not be the one whose PHY is
// wanted: ports may share a bus. All users of a bus must share its Bus.
type Bus struct {
	regs  mmio.Block
	mscr  uint32
	now   func() int64
	sleep func(time.Duration)

	mu       sync.Mutex
	timeouts atomic.Uint64
}

// NewBus returns the bus behind the MDIO port of the ENET at regs. clock is
// that ENET's bus clock in Hz; now tells nanoseconds, from any context; sleep
// may be nil, waits then spin.
func NewBus(regs mmio.Block, clock uint32, now func() int64, sleep func(time.Duration)) *Bus {
	return &Bus{regs: regs, mscr: Speed(clock), now: now, sleep: sleep}
}

// Speed returns the value of MSCR for a bus clock of clock Hz: the fastest MDC
// that is not above 2.5 MHz, clock/(2*(MII_SPEED+1)), and at least 10 ns of
// hold time on the output, (HOLDTIME+1) clock cycles.
func Speed(clock uint32) uint32 {
	div := (uint64(clock) + 2*maxMDC - 1) / (2 * maxMDC)
	if div < 2 {
		div = 2 // MII_SPEED 0 stops the port
	}
	if div > 64 {
		div = 64
	}
	hold := (uint64(clock) + 100_000_000 - 1) / 100_000_000
	if hold < 1 {
		hold = 1
	}
	if hold > 8 {
		hold = 8
	}
	return uint32(hold-1)<<8 | uint32(div-1)<<1
}

// Timeouts counts the management frames that did not finish.
func (b *Bus) Timeouts() uint64 { return b.timeouts.Load() }

// Read reads a register of a PHY. It waits at most Bound. Goroutine.
func (b *Bus) Read(phy, reg uint8) (uint16, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.transfer(readFrame(phy, reg), b.sleep)
}

// Write writes a register of a PHY. It waits at most Bound. Goroutine.
func (b *Bus) Write(phy, reg uint8, v uint16) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, err := b.transfer(writeFrame(phy, reg, v), b.sleep)
	return err
}

// ReadTrap is Read for the panic path: it asks nobody whether the bus is free,
// and spins. A frame it disturbs is lost. Trap context.
func (b *Bus) ReadTrap(phy, reg uint8) (uint16, error) {
	return b.transfer(readFrame(phy, reg), nil)
}

// transfer sends one management frame and waits for its end.
//
// EIR is write-1-to-clear and shared with the interrupt handler: only MII is
// ever written here, and the handler leaves MII alone.
func (b *Bus) transfer(frame uint32, sleep func(time.Duration)) (uint16, error) {
	// The MAC that drives the bus may have been reset since the last frame,
	// which stops MDC.
	if b.regs.Read32(regMSCR) != b.mscr {
		b.regs.Write32(regMSCR, b.mscr)
		// Starting MDC with an old frame in MMFR sends that frame. Let it
		// pass, so that its end is not taken for ours.
		if b.regs.Read32(regMMFR) != 0 {
			b.wait(100*time.Microsecond, sleep)
		}
	}
	b.regs.Write32(regEIR, eirMII)
	b.regs.Write32(regMMFR, frame)
	if !b.wait(Bound, sleep) {
		b.timeouts.Add(1)
		return 0, ErrTimeout
	}
	v := uint16(b.regs.Read32(regMMFR))
	b.regs.Write32(regEIR, eirMII)
	return v, nil
}

// wait waits for EIR.MII, for no longer than bound and no more than a number
// of reads.
func (b *Bus) wait(bound time.Duration, sleep func(time.Duration)) bool {
	start := b.now()
	limit := spins
	if sleep != nil {
		limit = spinsBusy + naps
	}
	for i := 0; i < limit; i++ {
		if b.regs.Read32(regEIR)&eirMII != 0 {
			return true
		}
		if b.now()-start >= int64(bound) {
			// Once more: we may have been away between the two.
			return b.regs.Read32(regEIR)&eirMII != 0
		}
		if sleep != nil && i >= spinsBusy {
			sleep(nap)
		}
	}
	return false
}

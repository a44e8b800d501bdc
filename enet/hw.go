package enet

import (
	"crypto/rand"
	"sync"
	"unsafe"

	"github.com/gasp-go/gasp/board/mmio"
	"github.com/gasp-go/gasp/enet/mii"
)

// Lengths of frames in bytes.
const (
	minMTU    = 68 // RFC 791: IPv4 must get through
	mtu       = 1500
	header    = 14
	fcs       = 4
	vlanTag   = 4
	minFrame  = 60                 // without FCS
	maxFrame  = header + mtu       // without FCS and VLAN tag
	maxOnWire = maxFrame + 4 + fcs // with both
	shift     = 2                  // bytes that RACC.SHIFT16 puts before a frame; emulators count them as part of it
	runt      = header + fcs       // shorter has no header
	vlanType  = 0x8100             // EtherType of a VLAN tag
	resetTime = 10_000_000         // ns; the manual says 8 clock cycles
	stopTime  = 5_000_000          // ns for a graceful stop: two long frames at 10 Mb/s
	waitReads = 1 << 17            // bounds the same waits in reads, should the clock stand still
)

// await reads a register until the bits of mask are want. It gives up after
// bound ns or waitReads reads. Trap context.
func (m *MAC) await(off uintptr, mask, want uint32, bound int64) bool {
	start := m.cfg.Now()
	for i := 0; i < waitReads; i++ {
		if m.regs.Read32(off)&mask == want {
			return true
		}
		if m.cfg.Now()-start >= bound {
			break
		}
	}
	return m.regs.Read32(off)&mask == want
}

// reset stops the MAC and its DMA at once, whatever they are doing, and returns
// all registers to what they are after power-on. Trap context.
func (m *MAC) reset() bool {
	m.count(macResets)
	// A panic may have come in the middle of the last reset, and until that
	// ends the MAC listens to nothing.
	m.await(regECR, ecrRESET, 0, resetTime)
	m.regs.Write32(regEIMR, 0)
	if m.cfg.Quirks&QuirkNoReset != 0 {
		// On an AXI bus a reset in the middle of a burst hangs the bus;
		// taking ETHEREN away ends the burst first.
		m.regs.Write32(regECR, 0)
		return m.await(regECR, ecrETHEREN, 0, resetTime)
	}
	m.regs.Write32(regECR, ecrRESET)
	if m.await(regECR, ecrRESET, 0, resetTime) {
		return true
	}
	m.count(macResetTimeouts)
	return false
}

// program sets up a MAC that was reset, on the given rings, which it empties:
// descriptors are only rewritten while ETHEREN is 0, or the DMA may use one
// half old and half new. It returns how many frames waited in the transmit
// ring. Trap context.
func (m *MAC) program(ring int) (lost int) {
	rx, tx := m.rx[ring], m.tx[ring]
	lost = tx.Reset()
	rx.Reset()
	m.skip = false
	mode := m.mode.Load()
	if mode == 0 {
		mode = pack(mii.Link{Up: true, Speed: 100, Full: true})
	}
	m.programmed.Store(mode)
	link := unpack(mode)

	m.regs.Write32(regEIR, evOurs)
	m.programFilter()
	m.programPause(link)
	m.programCoalesce()
	m.regs.Write32(regMRBR, uint32(rx.BufSize()))
	m.regs.Write32(regFTRL, maxOnWire+shift)
	m.regs.Write32(regTFWR, tfwrSTRFWD)
	// Bad frames and checksums come up and are counted, instead of vanishing
	// in the MAC (LINEDIS, IPDIS, PRODIS).
	m.regs.Write32(regRACC, raccSHIFT16)
	m.regs.Write32(regTACC, 0) // the descriptors say which checksums to insert
	tcr := uint32(0)
	if link.Full {
		tcr |= tcrFDEN
	}
	m.regs.Write32(regTCR, tcr)
	m.regs.Write32(regMSCR, mii.Speed(m.cfg.Port.Clock))
	m.regs.Write32(regMIBC, 0) // count; the counters' memory is left alone
	m.regs.Write32(regRDSR, rx.Base())
	m.regs.Write32(regTDSR, tx.Base())
	return lost
}

// rcr is RCR for a link. PADEN stays 0: it can wedge the DMA at 1 Gb/s. CRCFWD
// stays 0: received frames keep their FCS.
func (m *MAC) rcr(link mii.Link) uint32 {
	v := uint32((maxOnWire+shift)<<rcrMAXFL | rcrMIIMODE)
	if m.cfg.Port.RMII {
		v |= rcrRMIIMODE
		if link.Speed == 10 {
			v |= rcrRMII10T
		}
	} else {
		v |= rcrRGMIIEN
	}
	if !link.Full {
		v |= rcrDRT
	}
	if m.filter.promisc {
		v |= rcrPROM
	}
	if m.pausing(link) {
		v |= rcrFCE
	}
	return v
}

// run enables a programmed MAC: first ETHEREN, which makes it read the ring
// bases, then the receive doorbell. Interrupts stay masked. Trap context.
func (m *MAC) run() bool {
	ecr := uint32(ecrETHEREN | ecrEN1588 | ecrDBSWP)
	if unpack(m.programmed.Load()).Speed == 1000 {
		ecr |= ecrSPEED
	}
	m.regs.Write32(regECR, ecr)
	m.regs.Write32(regRDAR, active)
	return m.regs.Read32(regECR)&(ecrETHEREN|ecrRESET) == ecrETHEREN
}

// trapReset is the first thing Open does to the MAC.
func trapReset(p unsafe.Pointer) {
	x := (*section)(p)
	if x.seized = x.m.state.Load() == stateSeized; !x.seized {
		x.failed = !x.m.reset()
	}
}

// trapStart brings the MAC up on the live rings, interrupts masked.
func trapStart(p unsafe.Pointer) {
	x := (*section)(p)
	if x.seized = x.m.state.Load() == stateSeized; !x.seized {
		x.failed = !x.m.startLive()
	}
}

// startLive resets the MAC and starts it on the live rings. Frames that were
// queued are lost and counted. Trap context.
func (m *MAC) startLive() bool {
	m.txBusy.Store(true) // the ring is in pieces until the end
	if !m.dead.Swap(true) && m.state.Load() == stateOpen {
		m.harvest()
	}
	m.todo.And(^uint32(todoRestart | todoFilter))
	if !m.reset() {
		m.txBusy.Store(false)
		return false
	}
	m.dropped(m.program(live))
	m.rebase()
	m.watch = watchdog{}
	ok := m.run()
	m.dead.Store(!ok)
	m.txBusy.Store(false)
	return ok
}

// trapUnmask is the last thing Open does to the MAC: it lets interrupts in.
func trapUnmask(p unsafe.Pointer) {
	x := (*section)(p)
	if x.seized = !x.m.state.CompareAndSwap(stateOpening, stateOpen); !x.seized {
		x.m.regs.Write32(regEIMR, evEnabled)
		if x.m.todo.Load() != 0 {
			x.m.schedule() // requested since trapStart
		}
	}
}

// trapStop lets the frame on the wire end, then resets the MAC.
func trapStop(p unsafe.Pointer) {
	x := (*section)(p)
	m := x.m
	if x.seized = m.state.Load() == stateSeized; x.seized {
		return
	}
	if !m.dead.Load() {
		m.harvest()
		m.regs.Write32(regTCR, m.regs.Read32(regTCR)|tcrGTS)
		m.await(regEIR, evGRA, evGRA, stopTime)
	}
	m.txBusy.Store(true)
	x.failed = !m.reset()
	m.reclaimed(m.tx[live].Reclaim())
	m.dropped(m.tx[live].Reset())
	m.txBusy.Store(false)
}

// dropped counts frames that were queued and will not be sent.
func (m *MAC) dropped(frames int) {
	if frames > 0 {
		m.n[txLost].Add(uint64(frames))
		m.dev.Counters().TxDropped.Add(uint64(frames))
	}
}

// address picks the station address. A board without one gets a random,
// locally administered one.
func address(cfg Config) (mac [6]byte, err error) {
	mac = cfg.MAC
	if mac == [6]byte{} && cfg.Port.MAC != nil {
		mac = cfg.Port.MAC()
	}
	if mac == [6]byte{} || mac[0]&1 != 0 {
		_, err = rand.Read(mac[:])
		mac[0] = mac[0]&^1 | 2
	}
	return mac, err
}

// buses has one mii.Bus for each MDIO bus, since MACs may share one.
var buses struct {
	sync.Mutex
	of map[mmio.Block]*mii.Bus
}

func sharedBus(regs mmio.Block, cfg Config) *mii.Bus {
	buses.Lock()
	defer buses.Unlock()
	if b := buses.of[regs]; b != nil {
		return b
	}
	if buses.of == nil {
		buses.of = map[mmio.Block]*mii.Bus{}
	}
	b := mii.NewBus(regs, cfg.Port.Clock, cfg.Now, cfg.Sleep)
	buses.of[regs] = b
	return b
}

// Package wire is the far end of the benchmarks' wire: the second ENET of the
// guest under test, joined to the first by a QEMU hub and driven by hand, and
// what it says: frames made beforehand, and a TCP that is just enough. Sending
// costs a few instructions a frame and no interrupt, on any system that runs in
// the guest. It works on QEMU's ENET only, where a frame is received before the
// store that sent it ends, and what does not fit the receiver's ring waits.
package wire

import (
	"sync/atomic"
	"unsafe"

	"github.com/gasp-go/gasp/board/mmio"
)

// Memory is how much Port needs: two rings of descriptors and buffers.
const Memory = 2 * Slots * (descSize + BufSize)

const (
	Slots    = 512 // of each ring; QEMU sends at most 1024 frames at a time
	BufSize  = 1536
	descSize = 8
)

// Registers (i.MX 6UltraLite Applications Processor Reference Manual, chapter
// "10/100-Mbps Ethernet MAC").
const (
	regEIR  = 0x004
	regEIMR = 0x008
	regRDAR = 0x010
	regTDAR = 0x014
	regECR  = 0x024
	regRCR  = 0x084
	regTCR  = 0x0c4
	regRDSR = 0x180
	regTDSR = 0x184
	regMRBR = 0x188

	ecrReset, ecrEnable, ecrDBSWP = 1 << 0, 1 << 1, 1 << 8

	rcrMII, rcrPromisc, rcrMaxFL = 1 << 2, 1 << 3, 1522 << 16

	tcrFullDuplex = 1 << 2

	active = 1 << 24
)

// Descriptors: {length u16, status u16, address u32}, legacy form.
const (
	bdEmpty = 1 << 31
	bdReady = 1 << 31
	bdWrap  = 1 << 29
	bdLast  = 1 << 27
	bdCRC   = 1 << 26
	bdLen   = 0xffff
	fcs     = 4
)

// Port is the MAC at the far end. Its methods allocate nothing and may be called
// in trap context, by one caller at a time.
type Port struct {
	regs     mmio.Block
	txd, rxd []uint32 // {status and length, address} a descriptor
	txb, rxb []byte
	tx, rx   uint32 // next slot to fill, to look at
	armed    bool   // something was queued since the last Kick
}

// New takes the MAC at regs over. mem, of at least Memory bytes and aligned to
// 64, is found by the MAC at phys; it is neither cached nor the garbage
// collector's to move.
func New(regs mmio.Block, mem []byte, phys uint32) *Port {
	words := unsafe.Slice((*uint32)(unsafe.Pointer(&mem[0])), 4*Slots)
	p := &Port{regs: regs, txd: words[:2*Slots], rxd: words[2*Slots:]}
	bufs := mem[2*Slots*descSize:]
	p.txb, p.rxb = bufs[:Slots*BufSize], bufs[Slots*BufSize:2*Slots*BufSize]
	at := phys + 2*Slots*descSize
	for i := range uint32(Slots) {
		p.txd[2*i], p.txd[2*i+1] = 0, at+i*BufSize
		p.rxd[2*i], p.rxd[2*i+1] = bdEmpty, at+(Slots+i)*BufSize
	}
	p.txd[2*Slots-2] |= bdWrap
	p.rxd[2*Slots-2] |= bdWrap
	mmio.Barrier()
	regs.Write32(regECR, ecrReset)
	regs.Write32(regEIMR, 0)
	regs.Write32(regRCR, rcrMaxFL|rcrMII|rcrPromisc)
	regs.Write32(regTCR, tcrFullDuplex)
	regs.Write32(regMRBR, BufSize)
	regs.Write32(regTDSR, phys)
	regs.Write32(regRDSR, phys+Slots*descSize)
	regs.Write32(regECR, ecrDBSWP) // QEMU looks at the rings' addresses now
	regs.Write32(regECR, ecrDBSWP|ecrEnable)
	regs.Write32(regRDAR, active)
	return p
}

// Load puts frame into every transmit buffer, for Burst.
func (p *Port) Load(frame []byte) {
	for i := range Slots {
		copy(p.txb[i*BufSize:], frame)
	}
}

// Slot is the buffer of the next frame to be queued.
func (p *Port) Slot() []byte {
	at := p.tx * BufSize
	return p.txb[at : at+BufSize : at+BufSize]
}

// Queue has the frame in Slot, n bytes long, sent with the next Kick. At most
// Slots frames may be queued between two.
func (p *Port) Queue(n int) {
	status := bdReady | bdLast | bdCRC | uint32(n)
	if p.tx == Slots-1 {
		status |= bdWrap
	}
	atomic.StoreUint32(&p.txd[2*p.tx], status)
	p.tx = (p.tx + 1) % Slots
	p.armed = true
}

// Kick sends what is queued. When it returns, every frame has arrived or waits
// for room in the receiver's ring.
func (p *Port) Kick() {
	if p.armed {
		p.armed = false
		mmio.Barrier()
		p.regs.Write32(regTDAR, active)
	}
}

// Burst sends n frames of length bytes as Load left them.
func (p *Port) Burst(n, length int) {
	for n > 0 {
		some := min(n, Slots)
		for range some {
			p.Queue(length)
		}
		p.Kick()
		n -= some
	}
}

// Next is the next frame that was received, nil for none. It is valid until
// Done, which makes room for another; at most Slots frames wait.
func (p *Port) Next() []byte {
	w := atomic.LoadUint32(&p.rxd[2*p.rx])
	if w&bdEmpty != 0 {
		return nil
	}
	n := max(int(w&bdLen)-fcs, 0)
	at := p.rx * BufSize
	return p.rxb[at : at+uint32(min(n, BufSize))]
}

// Done gives the buffer of the frame that Next returned back to the MAC.
func (p *Port) Done() {
	status := uint32(bdEmpty)
	if p.rx == Slots-1 {
		status |= bdWrap
	}
	atomic.StoreUint32(&p.rxd[2*p.rx], status)
	p.rx = (p.rx + 1) % Slots
}

// Resume lets a receiver go on that found its ring full. After Done.
func (p *Port) Resume() {
	mmio.Barrier()
	p.regs.Write32(regRDAR, active)
}

// Drain takes everything that was received and returns how many of the frames
// are of a kind.
func (p *Port) Drain(k Kind) (n int) {
	for f := p.Next(); f != nil; f = p.Next() {
		if k.is(f) {
			n++
		}
		p.Done()
	}
	p.Resume()
	return n
}

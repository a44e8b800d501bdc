package netpoll

import (
	"unsafe"

	"github.com/gasp-go/gasp/board/trap"
	"github.com/gasp-go/gasp/stack/netdev"
)

// Bounds of the waits. Each wait ends at its time or after so many looks at
// the device, whichever comes first: the clock may be what broke.
const (
	liveTries  = 8      // looks at a full ring, live
	sendWait   = 50e6   // ns for room in the ring and for the frame to leave, in a panic
	stuckWait  = 1e6    // the same once it was waited for in vain
	waitLooks  = 100000 // looks in a wait
	maxSeizes  = 4      // times a stuck device is seized again in one panic
	pollBudget = 16     // received frames taken per look
)

// SendUDP sends one datagram and reports whether it is on its way. It fails
// without a source address, without a link and while the ring is full; the
// caller keeps the data and tries again later. In a panic it waits until the
// frame has left, within a bound, and answers what it receives meanwhile. The
// payload is copied. Trap context; it fails from within itself.
func (e *Endpoint) SendUDP(d *Dest, payload []byte) bool {
	if !e.busy && len(payload) <= MaxPayload {
		copy(e.tx.Payload(), payload)
	}
	return e.SendDatagram(d, &e.tx, len(payload))
}

// SendDatagram is SendUDP of the n bytes of p's payload.
func (e *Endpoint) SendDatagram(d *Dest, p *Datagram, n int) bool {
	if e.busy {
		e.stats.Reentered++
		return false
	}
	if n < 0 || n > MaxPayload || (!e.panicked || e.dead || e.link.down) && !e.ready() {
		return false
	}
	if !e.addressed(d, p) && !e.address(d, p) {
		e.stats.NoAddress++
		return false
	}
	e.busy = true
	e.ipID++
	f := p.frame(n, e.ipID)
	var ok bool
	if e.panicked {
		ok = e.sendPanic(f, p.vlan) && e.linked()
	} else {
		ok = e.send(f, p.vlan)
	}
	e.busy = false
	if ok {
		e.stats.Sent++
	}
	return ok
}

// Send is SendUDP for programs. A destination that was made with the MAC address
// Broadcast is looked for (Resolve), and until it is found datagrams are broadcast.
// Interrupts are off for at most some 4,600 instructions (docs/performance.md). It
// does not allocate. d is used by one goroutine at a time. Any context.
func (e *Endpoint) Send(d *Dest, payload []byte) bool {
	x := sendSection{e: e, d: d, payload: payload}
	trap.Run(send, trap.NoEscape(unsafe.Pointer(&x)))
	return x.sent
}

type sendSection struct {
	e       *Endpoint
	d       *Dest
	payload []byte
	sent    bool
}

func send(p unsafe.Pointer) {
	x := (*sendSection)(p)
	if x.d.find {
		x.e.Resolve(x.d)
	}
	x.sent = x.e.SendUDP(x.d, x.payload)
}

// ready reports whether it makes sense to send.
func (e *Endpoint) ready() bool {
	switch {
	case e.dead:
		return false
	case e.panicked:
		if !e.link.down || e.waitLink() {
			return true
		}
		e.stats.NoCarrier++
		return false
	case !e.dev.Up() || !e.dev.Carrier():
		e.stats.NoCarrier++
		return false
	}
	return true
}

// send hands a frame to the device, with a tag on its way out if vlan is not 0.
func (e *Endpoint) send(f []byte, vlan uint16) bool {
	if e.panicked {
		return e.sendPanic(f, vlan)
	}
	for range liveTries {
		switch e.xmit(f, vlan) {
		case netdev.TxOK:
			return true
		case netdev.TxDropped:
			e.stats.Dropped++
			return false
		}
		// Reclaim what was sent meanwhile; the interrupt cannot.
		e.drv.PollController()
	}
	e.stats.Busy++
	return false
}

// sendPanic waits for the ring, and until the frame has left. If the device does
// not move, it is reset (seized again), which forgets what is in its ring, and gets
// the frame once more; after that, waits are short until it does move.
func (e *Endpoint) sendPanic(f []byte, vlan uint16) bool {
	st := e.xmit(f, vlan)
	if st == netdev.TxOK && e.drv.TxIdle() {
		e.stuck = false
		return true
	}
	for {
		limit := int64(sendWait)
		if e.stuck {
			limit = stuckWait
		}
		if (st == netdev.TxOK || e.waitRoom(f, vlan, limit)) && e.waitIdle(limit) {
			e.stuck = false
			return true
		}
		st = netdev.TxBusy
		wasStuck := e.stuck
		e.stuck = true
		if wasStuck || e.seizures >= maxSeizes {
			e.stats.Busy++
			return false
		}
		e.seize()
		e.busy = true
		if e.dead {
			return false
		}
	}
}

func (e *Endpoint) waitRoom(f []byte, vlan uint16, limit int64) bool {
	start := e.now()
	for range waitLooks {
		switch e.xmit(f, vlan) {
		case netdev.TxOK:
			return true
		case netdev.TxDropped:
			e.stats.Dropped++
			return false
		}
		e.look(pollBudget)
		if e.now()-start > limit {
			break
		}
	}
	return false
}

// waitIdle waits until all frames have left, so that they are on the wire
// whatever happens next.
func (e *Endpoint) waitIdle(limit int64) bool {
	start := e.now()
	for range waitLooks {
		if e.drv.TxIdle() {
			return true
		}
		e.look(pollBudget)
		if e.now()-start > limit {
			break
		}
	}
	return false
}

// xmit tries once. The device copies the frame.
func (e *Endpoint) xmit(f []byte, vlan uint16) netdev.TxStatus {
	if vlan != 0 {
		tag := [vlanLen]byte{typeVLAN >> 8, typeVLAN & 0xff, byte(vlan >> 8), byte(vlan)}
		parts := [3][]byte{f[:12], tag[:], f[12:]}
		return e.dev.XmitTrap(parts[:], 0)
	}
	parts := [1][]byte{f}
	return e.dev.XmitTrap(parts[:], 0)
}

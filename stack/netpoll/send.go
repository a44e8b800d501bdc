package netpoll

import (
	"unsafe"

	"github.com/gasp-go/gasp/board/trap"
	"github.com/gasp-go/gasp/stack/netdev"
)

// MaxPayload is the longest payload SendUDP takes, in bytes, over either IP.
const MaxPayload = maxFrame - ethLen - ip6Len - udpLen

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
	if e.busy {
		e.stats.Reentered++
		return false
	}
	if !e.ready() || len(payload) > MaxPayload {
		return false
	}
	src, ok := e.source(d)
	if !ok {
		e.stats.NoAddress++
		return false
	}
	e.busy = true
	e.buildUDP(d, &src, payload)
	ok = e.send(&e.tx) && e.linked()
	e.busy = false
	if ok {
		e.stats.Sent++
	}
	return ok
}

// Send is SendUDP for programs. A destination that was made with the MAC address
// Broadcast is looked for (Resolve), and until it is found datagrams are broadcast.
// Interrupts are off for at most some 5,200 instructions (docs/performance.md). It
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

func (e *Endpoint) buildUDP(d *Dest, src *[16]byte, payload []byte) {
	f := &e.tx
	if d.v6 {
		f.ethernet(d.MAC, e.dev.MAC(), typeIPv6)
		f.ipv6(src[:], d.ip[:], protoUDP, ttl, udpLen+len(payload))
		f.udp(d.srcPort, d.port, payload, 16)
	} else {
		e.ipID++
		f.ethernet(d.MAC, e.dev.MAC(), typeIPv4)
		f.ipv4(src[:4], d.ip[:4], protoUDP, e.ipID, udpLen+len(payload))
		f.udp(d.srcPort, d.port, payload, 4)
	}
	f.vlan = d.hop.vlan
}

// send hands a frame to the device.
func (e *Endpoint) send(f *frame) bool {
	f.pad()
	if e.panicked {
		return e.sendPanic(f)
	}
	for range liveTries {
		switch e.xmit(f) {
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
func (e *Endpoint) sendPanic(f *frame) bool {
	for {
		limit := int64(sendWait)
		if e.stuck {
			limit = stuckWait
		}
		if e.waitRoom(f, limit) && e.waitIdle(limit) {
			e.stuck = false
			return true
		}
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

func (e *Endpoint) waitRoom(f *frame, limit int64) bool {
	start := e.now()
	for range waitLooks {
		switch e.xmit(f) {
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
func (e *Endpoint) xmit(f *frame) netdev.TxStatus {
	if f.vlan != 0 {
		tag := [vlanLen]byte{typeVLAN >> 8, typeVLAN & 0xff, byte(f.vlan >> 8), byte(f.vlan)}
		parts := [3][]byte{f.b[:12], tag[:], f.b[12:f.n]}
		return e.dev.XmitTrap(parts[:], 0)
	}
	parts := [1][]byte{f.b[:f.n]}
	return e.dev.XmitTrap(parts[:], 0)
}

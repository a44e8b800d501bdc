package enet

import "github.com/gasp-go/gasp/enet/bd"

// Wreck is a state in which a panic may find a MAC.
type Wreck int

const (
	RingLocked     Wreck = iota // somebody is in the transmit ring
	HalfDescriptor              // and has written half of a descriptor
	RingFull                    // it is full, and the doorbell was not rung
	Stopped                     // ETHEREN is off, with frames in the ring
	InReset                     // as after power-on, with frames in the ring
)

// Wreck leaves the MAC in such a state, for demonstrations and tests; a fault has to
// follow. fill is a frame that goes into the ring where there is to be something, and
// is not sent before the panic; it returns how often. Trap context.
func (m *MAC) Wreck(w Wreck, fill []byte) (queued int) {
	t := m.tx[m.cur.Load()&1]
	m.reclaimed(t.Reclaim())
	some := 3
	if w == RingFull {
		some = t.Len()
	}
	for range some {
		buf := t.Buffer()
		if buf == nil {
			break
		}
		t.Send(copy(buf, fill), bd.TxInt)
		queued++
	}
	switch w {
	case RingLocked:
		m.txBusy.Store(true)
	case HalfDescriptor:
		m.txBusy.Store(true)
		t.Spoil()
	case Stopped:
		m.regs.Write32(regECR, 0)
	case InReset:
		m.regs.Write32(regECR, ecrRESET)
	}
	return queued
}

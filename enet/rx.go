package enet

import (
	"encoding/binary"
	"runtime"
	"unsafe"

	"github.com/gasp-go/gasp/board/trap"
	"github.com/gasp-go/gasp/board/word"
	"github.com/gasp-go/gasp/enet/bd"
	"github.com/gasp-go/gasp/stack/netdev"
)

// poll is the NAPI poll. It takes up to budget frames, bad ones included: a
// frame that is thrown away has cost a descriptor too. With budget 0 (netpoll,
// trap context) it reclaims transmits only. Network thread.
func (m *MAC) poll(budget int) (work int) {
	if budget <= 0 {
		m.reclaim()
		return 0
	}
	// On one CPU PollRx is never in progress here.
	for !m.rxBusy.CompareAndSwap(false, true) {
		runtime.Gosched()
	}
	for word.Load(&m.state) != stateSeized {
		// Events first, then the ring: see Interrupt.
		m.ack()
		if word.Load(&m.todo) != 0 {
			trap.Run(trapTodo, unsafe.Pointer(m))
			m.rxAt = outside
			m.dev.TxWake()
			m.rxAt = inRing
		}
		work += m.drain(live, budget-work, nil)
		// Frames that came meanwhile are taken now rather than with another
		// interrupt. Each round takes at least one, so the budget bounds this.
		if work >= budget || !m.rx[live].Pending() {
			break
		}
	}
	if work < budget && m.complete(work) {
		m.unmask()
	}
	m.rxBusy.Store(false)
	return work
}

// complete is the NAPI's CompleteDone, which may go up into the stack with what
// GRO has gathered.
func (m *MAC) complete(work int) bool {
	m.rxAt = outside
	done := m.napi.CompleteDone(work)
	m.rxAt = inRing
	return done
}

// PollRx is part of netdev.Driver. While the poll on the network thread is
// using the ring it takes nothing. Trap context.
func (m *MAC) PollRx(budget int, fn func(frame []byte)) int {
	if st := m.state.Load(); st != stateOpen && st != stateSeized {
		return 0
	}
	if !m.rxBusy.CompareAndSwap(false, true) {
		m.count(pollRxBusy)
		return 0
	}
	n := m.drain(int(m.cur.Load())&1, budget, fn)
	m.rxBusy.Store(false)
	return n
}

// drain takes up to budget descriptors from a ring and gives their frames to
// fn, or if that is nil to the device. Holding rxBusy.
func (m *MAC) drain(ring, budget int, fn func(frame []byte)) (n int) {
	r := m.rx[ring]
	var d bd.RxDesc
	var batch netdev.RxBatch
	good := uint32(0)
	for ; n < budget && r.Next(&d); n++ {
		if frame := m.frame(&d, r.Data(d.Length)); frame != nil {
			good++
			if fn != nil {
				fn(frame)
			} else {
				flags := m.rxFlags(&d)
				m.rxAt = inFrame
				m.dev.ReceiveBatch(frame, flags, &batch)
				m.rxAt = inRing
				if r.Lent() { // TakeRx has recycled it
					r.Return()
					continue
				}
			}
		}
		r.Recycle()
	}
	if n > 0 {
		// After the descriptors: the MAC stopped if it found none empty.
		r.Flush()
		m.regs.Write32(regRDAR, active)
		m.quick.rxGood.Add(good)
		m.dev.Received(&batch)
	}
	return n
}

// frame judges one descriptor's worth of data and returns the frame in it, nil
// if it is dropped; everything that is has a counter. d is the device's word,
// its length may be anything. data starts with the two bytes that RACC.SHIFT16
// puts there, so that what follows the Ethernet header is aligned.
func (m *MAC) frame(d *bd.RxDesc, data []byte) []byte {
	const plain = bd.Last | bd.Overrun | bd.Truncated | bd.TooLong | bd.NonOctet | bd.BadCRC
	length := d.Length - shift
	if m.skip || d.Status&plain != bd.Last || length < runt || length > maxFrame+fcs {
		if !m.unusual(d.Status, length, data) {
			return nil
		}
	}
	frame := data[shift : shift+length-fcs : shift+length-fcs]
	if !m.filter.passes(data) {
		m.count(rxOtherHost)
		return nil
	}
	if len(frame) < minFrame {
		// On a wire that is a collision's debris and the MAC has thrown it
		// away. What still gets here was sent whole, by an emulator or a
		// bridge that does not pad.
		m.count(rxShort)
	}
	return frame
}

// unusual tells whether there is a good frame after all in a descriptor that
// does not look like it, and counts what is wrong if not.
func (m *MAC) unusual(status uint32, length int, data []byte) (good bool) {
	c := m.dev.Counters()
	if status&bd.Last == 0 {
		// A buffer holds the longest frame there is, so a frame that goes on
		// in the next one is none of ours.
		if !m.skip {
			m.skip = true
			m.count(rxMultiBD)
			c.RxErrors.Add(1)
			c.RxLengthErrors.Add(1)
		}
		return false
	}
	if m.skip {
		m.skip = false // the end of a frame that was counted at its beginning
		return false
	}
	var bad counter
	switch {
	case status&bd.Overrun != 0: // the other flags mean nothing then
		bad = rxOverrun
		c.RxFIFOErrors.Add(1)
	case status&bd.Truncated != 0:
		bad = rxTruncated
		c.RxLengthErrors.Add(1)
	case status&bd.TooLong != 0, length > maxOnWire:
		bad = rxTooLong
		c.RxLengthErrors.Add(1)
	case status&bd.NonOctet != 0:
		bad = rxNonOctet
		c.RxFrameErrors.Add(1)
	case status&bd.BadCRC != 0:
		bad = rxCRC
		c.RxCRCErrors.Add(1)
	case length < runt, shift+length > len(data):
		bad = rxRunt
		c.RxLengthErrors.Add(1)
	case length > maxFrame+fcs && binary.BigEndian.Uint16(data[shift+12:]) != vlanType:
		bad = rxTooLong // room for a tag, but no tag
		c.RxLengthErrors.Add(1)
	default:
		return true
	}
	m.count(bad)
	c.RxErrors.Add(1)
	return false
}

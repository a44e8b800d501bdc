package enet

import (
	"unsafe"

	"github.com/gasp-go/gasp/board/dma"
	"github.com/gasp-go/gasp/board/word"
	"github.com/gasp-go/gasp/enet/bd"
	"github.com/gasp-go/gasp/stack/netdev"
)

// StartXmit is part of netdev.Driver. The frame is gathered into the
// descriptor's own buffer, so the parts are the caller's again at once. Trap
// context.
func (m *MAC) StartXmit(parts [][]byte, flags netdev.TxFlags) netdev.TxStatus {
	st := word.Load(&m.state)
	if st != stateOpen && st != stateSeized || word.LoadBool(&m.dead) {
		return m.drop(txNotOpen)
	}
	n := uint(0)
	for _, p := range parts {
		n += uint(len(p))
	}
	switch {
	case n < header:
		return m.refuse(txTooShort)
	case n > maxFrame && (n > maxFrame+vlanTag || byteAt(parts, 12) != vlanType>>8 || byteAt(parts, 13) != vlanType&0xff):
		return m.refuse(txTooLong)
	}
	if word.LoadBool(&m.txBusy) {
		// Only if a fault in here led back in here.
		return netdev.TxBusy
	}
	word.StoreBool(&m.txBusy, true)
	t := m.tx[word.Load(&m.cur)&1]
	if t.Done() {
		m.quick.txDone.Add(uint32(t.Reclaim()))
	}
	buf := t.Buffer()
	if buf == nil {
		m.count(txRingFull)
		m.doorbell() // for those with TxMore
		word.StoreBool(&m.txBusy, false)
		return netdev.TxBusy
	}
	at := 0
	if len(parts) == 1 { // most often
		at = dma.Copy(buf, parts[0])
	} else {
		for _, p := range parts {
			at += dma.Copy(buf[at:], p)
		}
	}
	// Short frames are padded with zeros: the buffer still holds some earlier
	// frame, which is nobody's business.
	if at < minFrame {
		clear(buf[at:minFrame])
	}
	control := m.txInterrupt(t)
	if flags&^netdev.TxMore != 0 {
		control |= m.checksums(buf[:n], flags)
	}
	t.Send(max(at, minFrame), control)
	if flags&netdev.TxMore == 0 {
		t.Flush()
		m.doorbell()
	}
	m.quick.txQueued.Add(1)
	word.StoreBool(&m.txBusy, false)
	return netdev.TxOK
}

// txInterrupt tells whether the next frame is to raise TXF. Nobody waits for a
// frame to be sent: the parts were copied, and the next StartXmit reclaims. So
// interrupts for it are only wanted when the ring gets full. Trap context.
func (m *MAC) txInterrupt(t *bd.TX) (control uint32) {
	if t.Free() <= t.Len()/2 || m.cfg.Quirks&QuirkERR006358 != 0 {
		return bd.TxInt
	}
	return 0
}

// byteAt returns byte i of the gathered frame, 0 if it has none.
func byteAt(parts [][]byte, i int) byte {
	for _, p := range parts {
		if i < len(p) {
			return p[i]
		}
		i -= len(p)
	}
	return 0
}

// drop counts a frame that will never be sent.
func (m *MAC) drop(why counter) netdev.TxStatus {
	m.count(why)
	m.dev.Counters().TxDropped.Add(1)
	return netdev.TxDropped
}

// refuse drops a frame that cannot be sent. Those before it that wait for their
// doorbell are told of now.
func (m *MAC) refuse(why counter) netdev.TxStatus {
	if !word.LoadBool(&m.txBusy) {
		m.doorbell()
	}
	return m.drop(why)
}

// reclaim takes back what was sent and rings the doorbell again if that was
// lost. It returns how many frames still wait. Trap context.
func (m *MAC) reclaim() (queued int) {
	if m.txBusy.Load() || m.dead.Load() {
		return 0
	}
	t := m.tx[m.cur.Load()&1]
	m.reclaimed(t.Reclaim())
	queued = t.Queued()
	if queued > 0 {
		m.kick()
	}
	return queued
}

func (m *MAC) reclaimed(n int) {
	if n > 0 {
		m.quick.txDone.Add(uint32(n))
	}
}

// TxIdle is part of netdev.Driver. Trap context.
func (m *MAC) TxIdle() bool {
	if st := word.Load(&m.state); st != stateOpen && st != stateSeized {
		return true
	}
	// To take frames back is for the next StartXmit.
	return !word.LoadBool(&m.dead) && m.tx[word.Load(&m.cur)&1].Idle() || m.reclaim() == 0
}

// watchdogTime is how long, in ns, a frame may wait in the ring without any
// leaving before the MAC is restarted (Linux: watchdog_timeo, 2 s). Without a
// carrier it waits for that.
const watchdogTime = 2_000_000_000

// watchdog is what the transmit watchdog remembers from one look to the next.
type watchdog struct {
	done  uint64 // frames sent so far
	since int64  // when that number was first seen, or the ring last idle or without carrier
}

// trapWatchdog looks whether frames leave the ring and, if they do not, has the
// MAC restarted. It also wakes up a receiver that stopped for no reason, whose
// doorbell was lost.
func trapWatchdog(p unsafe.Pointer) {
	m := (*MAC)(p)
	if m.state.Load() != stateOpen {
		return
	}
	if m.dead.Load() {
		m.todo.Or(todoRestart)
	} else {
		m.harvest()
		queued := m.reclaim()
		now, done := m.cfg.Now(), m.quick.txDone.Load()
		switch {
		case queued == 0 || done != m.watch.done || m.watch.since == 0 || !m.dev.Carrier():
			m.watch = watchdog{done: done, since: now}
		case now-m.watch.since >= watchdogTime:
			m.count(txTimeouts)
			m.dev.Counters().TxErrors.Add(1)
			m.watch = watchdog{}
			m.post = postmortem{taken: true}
			m.Dump(m.dump)
			m.todo.Or(todoRestart)
		}
		if m.regs.Read32(regRDAR) == 0 {
			// Full ring or lost doorbell: the poll finds the former, this the
			// latter.
			m.regs.Write32(regRDAR, active)
		}
	}
	if m.todo.Load()&todoRestart != 0 || m.regs.Read32(regEIR)&evRx != 0 {
		m.schedule()
	}
}

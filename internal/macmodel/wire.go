package macmodel

import "sync/atomic"

// writeTDAR is the transmit doorbell.
func (m *Model) writeTDAR(enabled bool) {
	switch {
	case !enabled:
		return
	case m.faults.BusyTDAR > 0:
		return // ERR007885: written while the engine is busy, and lost
	case m.faults.LoseTDAR > 0:
		m.faults.LoseTDAR-- // ERR006358
		return
	}
	m.regs[TDAR/4] = ringActive
	if m.faults.TxHang || m.faults.TxHangUntil || m.faults.TxManual || m.faults.ByteTime > 0 {
		return
	}
	m.transmit(-1)
}

// RunTx lets the transmit DMA of a device with the fault TxManual send up to n
// descriptors, all that are ready if n is negative. It returns how many.
func (m *Model) RunTx(n int) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.regs[ECR/4]&ecrEtherEn == 0 || m.regs[TDAR/4] == 0 {
		return 0
	}
	done := m.transmit(n)
	m.update()
	return done
}

// transmit sends ready descriptors until it finds one that is not.
func (m *Model) transmit(limit int) int {
	for n := 0; ; n++ {
		if n == limit {
			return n
		}
		d, ok := m.load(m.tx)
		if ok && d.status&flagReady == 0 {
			m.regs[TDAR/4] = 0
			return n
		}
		if d.addr == m.regs[TDSR/4] && d.status&flagWrap != 0 {
			m.bug("a transmit ring of one descriptor: its frame is sent twice")
		}
		data := m.bytes(d.buf, d.length)
		if !ok || data == nil || m.faults.TxBusError {
			m.faults.TxBusError = false
			m.regs[EIR/4] |= IntEBERR
			m.regs[ECR/4] &^= ecrEtherEn
			m.regs[TDAR/4], m.regs[RDAR/4] = 0, 0
			return n
		}
		m.partial = append(m.partial, data...)
		if d.status&flagLast != 0 {
			m.accelTx(m.partial, d.control)
			m.tally(MIBTxPackets, 1)
			m.tally(MIBTxOctets, len(m.partial)+4)
			if m.faults.TxDiscard {
				m.partial = m.partial[:0]
			} else {
				m.sent = append(m.sent, m.partial)
				m.partial = nil
			}
			if d.interrupts(txInt) {
				m.frameEvent(1)
			}
		}
		if d.interrupts(txInt) {
			m.regs[EIR/4] |= IntTXB
		}
		d.store(d.status&^flagReady, d.length)
		m.tx = d.after(m.regs[TDSR/4])
	}
}

// Sent takes the frames sent since the last call.
func (m *Model) Sent() [][]byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.sent
	m.sent = nil
	return s
}

// startRx is the receive doorbell.
func (m *Model) startRx() {
	if d, ok := m.load(m.rx); ok && d.status&flagReady != 0 {
		m.regs[RDAR/4] = ringActive
	}
}

// Receiving reports whether a frame would find a descriptor.
func (m *Model) Receiving() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.receiving()
}

func (m *Model) receiving() bool {
	return m.regs[ECR/4]&ecrEtherEn != 0 && m.regs[RDAR/4] != 0
}

// Deliver is a frame arriving on the wire, without FCS, which is appended. It
// returns false if it was lost for want of a descriptor.
func (m *Model) Deliver(frame []byte) bool { return m.DeliverFlags(frame, 0) }

// DeliverFlags is Deliver of a frame with something wrong: flags are those of
// the descriptor that holds its end, besides the ones its length demands.
func (m *Model) DeliverFlags(frame []byte, flags uint32) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.deliver(frame, flags)
}

// DeliverLocked is Deliver for a fault's Access hook, which runs inside the
// model: a frame that arrives at just that moment.
func (m *Model) DeliverLocked(frame []byte) bool { return m.deliver(frame, 0) }

// RaiseLocked is Raise for a fault's Access hook.
func (m *Model) RaiseLocked(bits uint32) {
	m.regs[EIR/4] |= bits
	m.update()
}

// StopRx makes the receiver stop looking at its ring, as if the last write of
// RDAR had been lost.
func (m *Model) StopRx() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.regs[RDAR/4] = 0
}

func (m *Model) deliver(frame []byte, flags uint32) bool {
	if !m.receiving() {
		if m.regs[ECR/4]&ecrEtherEn != 0 {
			m.tally(MIBRxOverflow, 1)
		}
		return false
	}
	ok, miss := m.accepts(frame)
	if !ok {
		return true // not for us: nothing is lost
	}
	if miss {
		flags |= FlagMiss
	}
	defer m.update()
	m.scratch = append(append(m.scratch[:0], frame...), 0xde, 0xad, 0xbe, 0xef)
	data := m.scratch
	if max := m.regs[RCR/4] >> 16 & 0x3fff; uint32(len(data)) > max {
		flags |= FlagTooLong
		m.regs[EIR/4] |= IntBABR
	}
	m.tallyRx(len(data), flags)
	if m.regs[RACC/4]&raccShift16 != 0 {
		m.scratch = append(m.scratch, 0, 0)
		copy(m.scratch[2:], m.scratch)
		m.scratch[0], m.scratch[1] = 0, 0
		data = m.scratch
	}
	if ftrl := m.regs[FTRL/4] & 0x3fff; uint32(len(data)) > ftrl {
		flags |= FlagTruncated | FlagTooLong
		data = data[:ftrl]
	}
	if frame != nil && frame[0]&1 != 0 {
		flags |= FlagMulticast
	}
	total := uint32(len(data))
	for first := true; first || len(data) > 0; first = false {
		d, ok := m.load(m.rx)
		if !ok || d.status&flagReady == 0 {
			m.regs[RDAR/4] = 0
			return false // the end of the frame is lost
		}
		n := min(uint32(len(data)), m.regs[MRBR/4])
		dst := m.bytes(d.buf, n)
		if dst == nil {
			m.regs[EIR/4] |= IntEBERR
			m.regs[ECR/4] &^= ecrEtherEn
			return false
		}
		copy(dst, data)
		data = data[n:]
		length, status := n, d.status&^flagReady
		last := len(data) == 0 && !m.faults.NoTerminator
		if last {
			status |= flagLast | flags // ORed into what was there
			length = total
			m.accelerate(&d, frame)
		}
		m.raiseRx(&d, last)
		m.advanceRx(d, status, length)
	}
	return true
}

// accelerate writes what the receive accelerator says about frame into an
// enhanced descriptor.
func (m *Model) accelerate(d *desc, frame []byte) {
	if !d.enhanced || m.faults.NoAccel {
		return
	}
	control, proto := accelRx(frame)
	d.control |= control
	atomic.StoreUint32(d.words[3], proto)
}

func (m *Model) raiseRx(d *desc, last bool) {
	if !d.interrupts(rxInt) {
		return
	}
	if !last {
		m.regs[EIR/4] |= IntRXB
	}
	if last {
		m.frameEvent(0)
	}
}

// DeliverRaw completes the next receive descriptor with any status and length
// at all (E is cleared, W kept), without touching its buffer: a device out of
// its mind.
func (m *Model) DeliverRaw(status, length uint16) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.receiving() {
		return false
	}
	d, _ := m.load(m.rx)
	m.raiseRx(&d, true)
	m.advanceRx(d, uint32(status)&^(flagReady|flagWrap)|d.status&flagWrap, uint32(length))
	m.update()
	return true
}

func (m *Model) advanceRx(d desc, status, length uint32) {
	d.store(status, length)
	m.rx = d.after(m.regs[RDSR/4])
	if next, ok := m.load(m.rx); !ok || next.status&flagReady == 0 {
		m.regs[RDAR/4] = 0 // none empty: reception stops until RDAR is written
	}
}

package macmodel

// pace lets the wire go on: with the fault ByteTime a frame has left when its last
// bit has, and the next begins behind it.
func (m *Model) pace() {
	for m.faults.ByteTime > 0 && m.regs[ECR/4]&ecrEtherEn != 0 && m.regs[TDAR/4] != 0 && !m.faults.TxHang && !m.faults.TxHangUntil {
		d, ok := m.load(m.tx)
		if !ok || d.status&flagReady == 0 {
			m.transmit(1)
			m.leaving = 0
			return
		}
		if m.leaving == 0 {
			// With FCS, preamble and the gap between frames.
			m.leaving = max(m.clock, m.free) + (max(int64(d.length)+4, 64)+20)*m.faults.ByteTime
		}
		if m.clock < m.leaving {
			return
		}
		m.free, m.leaving = m.leaving, 0
		m.transmit(1)
	}
}

// Pause keeps the next frame from beginning for ns, as a pause frame does; the one on
// the wire leaves. For a MAC with the fault ByteTime.
func (m *Model) Pause(ns int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.free = max(m.clock, m.free, m.leaving) + ns
}

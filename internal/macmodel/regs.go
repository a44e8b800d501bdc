package macmodel

import "fmt"

// Read32 is part of mmio.Bus.
func (m *Model) Read32(addr uintptr) uint32 {
	if m.between != nil {
		m.between()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	off := m.access(addr, false)
	switch off {
	case EIR:
		if m.mdio > 0 {
			if m.mdio--; m.mdio == 0 {
				m.finishMDIO()
			}
		}
	case ECR:
		if m.reset > 0 {
			if m.reset--; m.reset == 0 {
				m.regs[ECR/4] &^= ecrReset
			}
		}
	case TDAR:
		if m.faults.BusyTDAR > 0 {
			m.faults.BusyTDAR--
			return ringActive
		}
	}
	return m.regs[off/4]
}

// Write32 is part of mmio.Bus.
func (m *Model) Write32(addr uintptr, v uint32) {
	if m.between != nil {
		m.between()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	off := m.access(addr, true)
	if m.regs[ECR/4]&ecrReset != 0 && m.reset > 0 && off != ECR {
		m.bug("write of %#x to %#x during reset", v, off)
		return
	}
	enabled := m.regs[ECR/4]&ecrEtherEn != 0
	m.forbidden(off, v)
	switch off {
	case EIR:
		m.regs[EIR/4] &^= v // write 1 to clear
	case RDAR:
		if enabled {
			m.startRx()
		}
	case TDAR:
		m.writeTDAR(enabled)
	case ECR:
		m.writeECR(v)
	case MMFR:
		m.writeMMFR(v)
	case MSCR:
		if m.regs[MSCR/4]&0x7e == 0 && v&0x7e != 0 && m.regs[MMFR/4] != 0 {
			m.startMDIO() // as the hardware does: MDC starts, the old frame goes out
		}
		m.regs[MSCR/4] = v & 0x7fe
	case RDSR:
		m.ringBase(off, v, enabled)
		m.rx = v
	case TDSR:
		m.ringBase(off, v, enabled)
		m.tx = v
	case MRBR:
		m.regs[off/4] = v & 0x3ff0
	case TCR:
		m.regs[off/4] = v & 0x3ff
		if v&1 != 0 {
			m.regs[EIR/4] |= IntGRA
		}
	case PAUR:
		m.regs[off/4] = v&0xffff0000 | 0x8808
	case RCR:
		if enabled && (m.regs[off/4]^v)&^rcrPROM != 0 {
			m.bug("RCR changed from %#x to %#x with the MAC enabled", m.regs[off/4], v)
		}
		m.regs[off/4] = v
	default:
		m.regs[off/4] = v
	}
	m.update()
}

func (m *Model) access(addr uintptr, write bool) uintptr {
	off := addr - m.base
	if addr < m.base || off >= 0x400 || off%4 != 0 {
		panic(fmt.Sprintf("macmodel: access to %#x", addr))
	}
	if m.faults.Unpowered {
		panic("macmodel: bus fault: the MAC has no clock")
	}
	if !write && off >= frbr && off <= frsr {
		m.bug("read of FRBR or FRSR, which i.MX6UL does not have")
	}
	m.accesses++
	m.clock += 1000 // a register access takes its time
	m.pace()
	if m.faults.Access != nil {
		m.faults.Access(m.accesses, off, write)
	}
	return off
}

func (m *Model) ringBase(off uintptr, v uint32, enabled bool) {
	if v%64 != 0 {
		m.bug("ring at %#x is not aligned to 64", v)
	}
	if enabled {
		m.bug("ring base changed with the MAC enabled")
	}
	m.regs[off/4] = v
}

// forbidden reports writes that errata and other drivers' experience warn of.
func (m *Model) forbidden(off uintptr, v uint32) {
	switch {
	case off >= frbr && off <= frsr:
		m.bug("write of %#x to FRBR or FRSR, which i.MX6UL does not have", v)
	case off == MIBC && v&mibClear != 0:
		m.bug("MIBC.MIB_CLEAR: not safe on i.MX6UL")
	case off >= mibFirst && off <= mibLast:
		m.bug("write of %#x to the counter at %#x", v, off)
	case off == RCR && v&rcrPADEN != 0:
		m.bug("RCR.PADEN: wedges the receive DMA at 1 Gb/s")
	case off == ECR && v&ecrReset != 0 && m.faults.AXI:
		m.bug("ECR.RESET on an AXI bus: a burst under way hangs it")
	}
}

// Registers not to be touched.
const (
	frbr     = 0x14c
	frsr     = 0x150
	mibClear = 1 << 29
	mibFirst = 0x200
	mibLast  = 0x2e0
)

func (m *Model) writeECR(v uint32) {
	if v&ecrReset != 0 {
		m.powerOn()
		m.resets++
		m.faults.TxHangUntil = false
		switch {
		case m.faults.ResetNever:
			m.regs[ECR/4] |= ecrReset
		case m.faults.ResetReads > 0:
			m.regs[ECR/4] |= ecrReset
			m.reset = m.faults.ResetReads
		}
		return
	}
	if m.faults.ResetNever && m.resets > 0 {
		v |= ecrReset // stuck: it never comes up
		v &^= ecrEtherEn
	}
	m.regs[ECR/4] = v
	if v&ecrEtherEn == 0 {
		m.regs[RDAR/4], m.regs[TDAR/4] = 0, 0
		m.rx, m.tx = m.regs[RDSR/4], m.regs[TDSR/4]
		m.partial, m.leaving = nil, 0
	}
}

func (m *Model) writeMMFR(v uint32) {
	m.regs[MMFR/4] = v
	if m.regs[MSCR/4]&0x7e == 0 {
		return // MDC stands still
	}
	m.startMDIO()
}

func (m *Model) startMDIO() {
	if m.faults.MDIOHang {
		return
	}
	m.mdio = m.faults.MDIODelay
	if m.mdio == 0 {
		m.finishMDIO()
	}
}

func (m *Model) finishMDIO() {
	v := m.regs[MMFR/4]
	if v>>30 != 1 || v>>16&3 != 2 {
		m.bug("malformed management frame %#x", v)
	}
	p, reg := m.phy[v>>23&31], v>>18&31
	switch {
	case v>>28&3 == 2: // read
		val := uint32(0xffff)
		if p != nil {
			val = uint32(p.Reg[reg])
		}
		m.regs[MMFR/4] = v&0xffff0000 | val
	case v>>28&3 == 1 && p != nil:
		p.Reg[reg] = uint16(v)
		p.Writes++
	}
	m.regs[EIR/4] |= IntMII
	m.update()
}

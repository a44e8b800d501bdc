package macmodel

import "encoding/binary"

// accepts is the address filter (IMX6ULRM, ENET chapter, "Ethernet address
// recognition"): whether the frame is received, and if only for RCR.PROM.
func (m *Model) accepts(frame []byte) (ok, miss bool) {
	if m.faults.NoFilter || len(frame) < 6 {
		return true, false
	}
	var station [6]byte
	binary.BigEndian.PutUint32(station[:], m.regs[PALR/4])
	binary.BigEndian.PutUint16(station[4:], uint16(m.regs[PAUR/4]>>16))
	dst := [6]byte(frame)
	hi, lo := m.regs[IAUR/4], m.regs[IALR/4]
	if dst[0]&1 != 0 {
		hi, lo = m.regs[GAUR/4], m.regs[GALR/4]
	}
	h := hash(dst)
	switch {
	case dst == station:
		ok = true
	case dst == [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}:
		ok = m.regs[RCR/4]&rcrBCREJ == 0
	case h >= 32:
		ok = hi>>(h-32)&1 != 0
	default:
		ok = lo>>h&1 != 0
	}
	if !ok && m.regs[RCR/4]&rcrPROM != 0 {
		return true, true
	}
	return ok, false
}

// hash is the upper six bits of the CRC-32 that the MAC has computed when the
// destination address has gone by, bit by bit, the least significant first.
func hash(addr [6]byte) uint32 {
	crc := ^uint32(0)
	for _, b := range addr {
		for range 8 {
			bit := (crc ^ uint32(b)) & 1
			crc >>= 1
			b >>= 1
			if bit != 0 {
				crc ^= 0xedb88320
			}
		}
	}
	return crc >> 26
}

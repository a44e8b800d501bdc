package macmodel

import "encoding/binary"

// The IP accelerator (IMX6ULRM, ENET chapter, "IP accelerator functions"). It is
// written from the RFCs, apart from the code it is to test.

// packet is where the parts of an IP packet lie in a frame.
type packet struct {
	ip, l4, end int // offsets in the frame
	v6          bool
	proto       byte
	frag        bool
	vlan        bool
}

// dissect finds IPv4 and IPv6 packets, behind a VLAN tag too.
func dissect(f []byte) (p packet, ok bool) {
	if len(f) < 14 {
		return p, false
	}
	at := 12
	if binary.BigEndian.Uint16(f[at:]) == 0x8100 && len(f) >= 18 {
		p.vlan, at = true, 16
	}
	p.ip = at + 2
	b := f[p.ip:]
	switch binary.BigEndian.Uint16(f[at:]) {
	case 0x0800:
		if len(b) < 20 || b[0]>>4 != 4 {
			return p, false
		}
		n, total := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
		if n < 20 || n > total || total > len(b) {
			return p, false
		}
		p.l4, p.end, p.proto = p.ip+n, p.ip+total, b[9]
		p.frag = binary.BigEndian.Uint16(b[6:])&0x3fff != 0
	case 0x86dd:
		if len(b) < 40 || b[0]>>4 != 6 {
			return p, false
		}
		total := int(binary.BigEndian.Uint16(b[4:])) + 40
		if total > len(b) {
			return p, false
		}
		p.v6, p.l4, p.end, p.proto = true, p.ip+40, p.ip+total, b[6]
	default:
		return p, false
	}
	return p, true
}

// sum adds big-endian halfwords in ones' complement.
func sum(s uint32, b []byte) uint32 {
	for ; len(b) >= 2; b = b[2:] {
		s += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) == 1 {
		s += uint32(b[0]) << 8
	}
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return s
}

// sumL4 is the sum over pseudo-header and payload.
func (p *packet) sumL4(f []byte) uint32 {
	s := uint32(0)
	if p.proto != 1 {
		if p.v6 {
			s = sum(0, f[p.ip+8:p.ip+40])
		} else {
			s = sum(0, f[p.ip+12:p.ip+20])
		}
		s += uint32(p.proto) + uint32(p.end-p.l4)
	}
	return sum(s, f[p.l4:p.end])
}

// field is the offset of the protocol's checksum, 0 for one it does not know.
func (p *packet) field() int {
	at, size := 0, 0
	switch p.proto {
	case 6:
		at, size = 16, 20
	case 17:
		at, size = 6, 8
	case 1:
		at, size = 2, 8
	default:
		return 0
	}
	if p.frag || p.end-p.l4 < size {
		return 0
	}
	return p.l4 + at
}

// accelRx is the control and protocol words for a received frame.
func accelRx(f []byte) (control, proto uint32) {
	p, ok := dissect(f)
	if p.vlan {
		control |= rxVLAN
	}
	if !ok || !p.v6 && sum(0, f[p.ip:p.l4]) != 0xffff {
		return control | rxICE | rxPCR, 0
	}
	if p.v6 {
		control |= rxIPv6
	}
	if p.frag {
		control |= rxFrag
	}
	at := p.field()
	if at == 0 || sum(p.sumL4(f), nil) != 0xffff {
		control |= rxPCR
	}
	words := uint32(p.l4-p.ip) / 4
	if at != 0 {
		words += 2
	}
	return control, words<<27 | uint32(p.proto)<<16 | ^sum(0, f[p.l4:p.end])&0xffff
}

// accelTx inserts checksums into a frame that is sent. The fields must be zero:
// the accelerator sums over them.
func (m *Model) accelTx(f []byte, control uint32) {
	p, ok := dissect(f)
	if !ok {
		return // not IP: sent as it is
	}
	if control&txIINS != 0 && !p.v6 {
		if binary.BigEndian.Uint16(f[p.ip+10:]) != 0 {
			m.bug("IINS with a header checksum that is not 0")
		}
		binary.BigEndian.PutUint16(f[p.ip+10:], ^uint16(sum(0, f[p.ip:p.l4])))
	}
	if at := p.field(); control&txPINS != 0 && at != 0 {
		if binary.BigEndian.Uint16(f[at:]) != 0 {
			m.bug("PINS with a checksum of protocol %d that is not 0", p.proto)
		}
		v := ^uint16(p.sumL4(f))
		if v == 0 && p.proto == 17 {
			v = 0xffff
		}
		binary.BigEndian.PutUint16(f[at:], v)
	}
}

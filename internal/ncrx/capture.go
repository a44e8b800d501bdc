package ncrx

import (
	"encoding/binary"
	"net/netip"
)

// UDPDatagram is a datagram in an Ethernet frame. Payload is a slice of the
// frame.
type UDPDatagram struct {
	From, To netip.AddrPort
	Payload  []byte
}

// UDP finds the datagram in a captured frame: Ethernet, with VLAN tags or
// without, IPv4 or IPv6 without extension headers, in one piece. Checksums are
// not looked at; a capture has often been taken before they were made.
func UDP(frame []byte) (d UDPDatagram, ok bool) {
	const vlan, qinq, ipv4, ipv6, udp = 0x8100, 0x88a8, 0x0800, 0x86dd, 17
	if len(frame) < 14 {
		return d, false
	}
	kind, p := binary.BigEndian.Uint16(frame[12:]), frame[14:]
	for tags := 0; (kind == vlan || kind == qinq) && tags < 2 && len(p) >= 4; tags++ {
		kind, p = binary.BigEndian.Uint16(p[2:]), p[4:]
	}
	var from, to netip.Addr
	switch {
	case kind == ipv4 && len(p) >= 20 && p[0]>>4 == 4:
		header, total := int(p[0]&15)*4, int(binary.BigEndian.Uint16(p[2:]))
		part := binary.BigEndian.Uint16(p[6:]) & 0x3fff // more fragments, and where
		if header < 20 || total < header || total > len(p) || p[9] != udp || part != 0 {
			return d, false
		}
		from, to = netip.AddrFrom4([4]byte(p[12:16])), netip.AddrFrom4([4]byte(p[16:20]))
		p = p[header:total]
	case kind == ipv6 && len(p) >= 40 && p[0]>>4 == 6:
		length := int(binary.BigEndian.Uint16(p[4:]))
		if p[6] != udp || length > len(p)-40 {
			return d, false
		}
		from, to = netip.AddrFrom16([16]byte(p[8:24])), netip.AddrFrom16([16]byte(p[24:40]))
		p = p[40 : 40+length]
	default:
		return d, false
	}
	if len(p) < 8 {
		return d, false
	}
	length := int(binary.BigEndian.Uint16(p[4:]))
	if length < 8 || length > len(p) {
		return d, false
	}
	d.From = netip.AddrPortFrom(from, binary.BigEndian.Uint16(p))
	d.To = netip.AddrPortFrom(to, binary.BigEndian.Uint16(p[2:]))
	d.Payload = p[8:length]
	return d, true
}

package netdev

import (
	"encoding/binary"

	"github.com/gasp-go/gasp/stack/inet"
)

// InsertChecksums does in software what flags ask for, in a whole frame
// (Ethernet header first, without FCS). It is for drivers whose device does
// not. What is not a well-formed IPv4 packet stays as it is. Trap context.
func InsertChecksums(frame []byte, flags TxFlags) {
	const etherIPv4, etherVLAN = 0x0800, 0x8100
	at := 12
	if len(frame) >= 18 && binary.BigEndian.Uint16(frame[at:]) == etherVLAN {
		at += 4
	}
	if len(frame) < at+2+20 || binary.BigEndian.Uint16(frame[at:]) != etherIPv4 {
		return
	}
	ip := frame[at+2:]
	n, total := int(ip[0]&15)*4, int(binary.BigEndian.Uint16(ip[2:]))
	if ip[0]>>4 != 4 || n < 20 || n > total || total > len(ip) {
		return
	}
	if flags&TxChecksumIP != 0 {
		binary.BigEndian.PutUint16(ip[10:], ^inet.Fold(inet.Sum(ip[:n], 0)))
	}
	const moreOrOffset = 0x3fff
	if flags&TxChecksumL4 == 0 || binary.BigEndian.Uint16(ip[6:])&moreOrOffset != 0 {
		return
	}
	l4 := ip[n:total]
	field, udp := 16, false
	switch ip[9] {
	case 6:
	case 17:
		field, udp = 6, true
	default:
		return
	}
	if len(l4) < field+2 {
		return
	}
	v := ^inet.Fold(inet.Sum(l4, inet.Pseudo(ip[12:20], ip[9], len(l4))))
	if v == 0 && udp {
		v = 0xffff // 0 says that there is none (RFC 768)
	}
	binary.BigEndian.PutUint16(l4[field:], v)
}

package wire

import "encoding/binary"

// Host is one end of the wire.
type Host struct {
	MAC  [6]byte
	IP   [4]byte
	Port uint16
}

// Lengths of headers, and the types that tell frames apart.
const (
	ethLen, ipLen, udpLen, icmpLen = 14, 20, 8, 8

	typeIP      = 0x0800
	typeUnknown = 0x88b5 // IEEE 802's for experiments: nobody takes it

	protoICMP, protoTCP, protoUDP = 1, 6, 17
)

// Unknown is a minimum frame of a type that no stack knows.
func Unknown(from, to Host) []byte {
	f := make([]byte, 60)
	ethernet(f, from, to, typeUnknown)
	return f
}

// UDP is a datagram that carries n bytes.
func UDP(from, to Host, n int) []byte {
	f := make([]byte, ethLen+ipLen+udpLen+n)
	u := f[ethLen+ipLen:]
	binary.BigEndian.PutUint16(u[0:], from.Port)
	binary.BigEndian.PutUint16(u[2:], to.Port)
	binary.BigEndian.PutUint16(u[4:], uint16(udpLen+n))
	for i := range n {
		u[udpLen+i] = byte(i)
	}
	ip(f, from, to, protoUDP)
	binary.BigEndian.PutUint16(u[6:], ^transportSum(f, protoUDP))
	return f
}

// Echo is an ICMP echo request with n bytes of data.
func Echo(from, to Host, n int) []byte {
	f := make([]byte, ethLen+ipLen+icmpLen+n)
	c := f[ethLen+ipLen:]
	c[0] = 8
	binary.BigEndian.PutUint16(c[4:], 0x6c62) // identifier
	for i := range n {
		c[icmpLen+i] = byte(i)
	}
	binary.BigEndian.PutUint16(c[2:], ^fold(sum(0, c)))
	ip(f, from, to, protoICMP)
	return f
}

// isEchoReply tells whether f is an answer to Echo.
func isEchoReply(f []byte) bool {
	return isIP(f, protoICMP) && len(f) >= ethLen+ipLen+icmpLen && f[ethLen+ipLen] == 0
}

// isUDP tells whether f is a datagram.
func isUDP(f []byte) bool { return isIP(f, protoUDP) }

// isUnknown tells whether f is of the type that nobody takes.
func isUnknown(f []byte) bool {
	return len(f) >= ethLen && binary.BigEndian.Uint16(f[12:]) == typeUnknown
}

func isIP(f []byte, proto byte) bool {
	return len(f) >= ethLen+ipLen && binary.BigEndian.Uint16(f[12:]) == typeIP && f[ethLen] == 0x45 && f[ethLen+9] == proto
}

func ethernet(f []byte, from, to Host, typ uint16) {
	copy(f[0:], to.MAC[:])
	copy(f[6:], from.MAC[:])
	binary.BigEndian.PutUint16(f[12:], typ)
}

// ip fills in the Ethernet and IPv4 headers of f, whose length it takes.
func ip(f []byte, from, to Host, proto byte) {
	ethernet(f, from, to, typeIP)
	h := f[ethLen : ethLen+ipLen]
	h[0] = 0x45
	binary.BigEndian.PutUint16(h[2:], uint16(len(f)-ethLen))
	h[6] = 0x40 // DF
	h[8] = 64
	h[9] = proto
	copy(h[12:], from.IP[:])
	copy(h[16:], to.IP[:])
	binary.BigEndian.PutUint16(h[10:], 0)
	binary.BigEndian.PutUint16(h[10:], ^fold(sum(0, h)))
}

// transportSum is the sum over the pseudo header and the IP payload of f, whose
// own checksum field is 0.
func transportSum(f []byte, proto byte) uint16 {
	s := sum(uint32(proto)+uint32(len(f)-ethLen-ipLen), f[ethLen+12:ethLen+20])
	return fold(sum(s, f[ethLen+ipLen:]))
}

// sum adds b to an Internet checksum that was not folded yet.
func sum(s uint32, b []byte) uint32 {
	for len(b) >= 2 {
		s += uint32(b[0])<<8 | uint32(b[1])
		b = b[2:]
	}
	if len(b) > 0 {
		s += uint32(b[0]) << 8
	}
	return s
}

func fold(s uint32) uint16 {
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}

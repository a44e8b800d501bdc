package netpoll

import (
	"encoding/binary"

	"github.com/gasp-go/gasp/stack/inet"
)

const (
	maxFrame = 1514 // Ethernet header and 1500 bytes, without FCS
	minFrame = 60   // as padded by the sender, without FCS

	ethLen  = 14
	arpLen  = 28
	ip4Len  = 20
	ip6Len  = 40
	udpLen  = 8
	icmpLen = 8

	typeIPv4 = 0x0800
	typeARP  = 0x0806
	typeIPv6 = 0x86dd

	protoICMP   = 1
	protoUDP    = 17
	protoICMPv6 = 58

	ttl = 64
)

// typeOf is the type of a frame of ethLen bytes or more.
func typeOf(p []byte) uint16 { return binary.BigEndian.Uint16(p[12:]) }

// frame is a frame being built. Its memory is part of the endpoint.
type frame struct {
	n int
	b [maxFrame]byte
}

// ethernet begins a frame.
func (f *frame) ethernet(dst, src [6]byte, typ uint16) {
	putEthernet(f.b[:], dst, src, typ)
	f.n = ethLen
}

// ipv4 writes the header of a packet with n bytes after it.
func (f *frame) ipv4(src, dst []byte, proto uint8, id uint16, n int) {
	putIPv4(f.b[ethLen:], src, dst, proto, id, n)
	f.n = ethLen + ip4Len
}

// ipv6 writes the header of a packet with n bytes after it.
func (f *frame) ipv6(src, dst []byte, next uint8, hops uint8, n int) {
	putIPv6(f.b[ethLen:], src, dst, next, hops, n)
	f.n = ethLen + ip6Len
}

func putEthernet(h []byte, dst, src [6]byte, typ uint16) {
	copy(h[0:6], dst[:])
	copy(h[6:12], src[:])
	binary.BigEndian.PutUint16(h[12:], typ)
}

func putIPv4(h []byte, src, dst []byte, proto uint8, id uint16, n int) {
	h = h[:ip4Len]
	h[0], h[1] = 0x45, 0
	binary.BigEndian.PutUint16(h[2:], uint16(ip4Len+n))
	binary.BigEndian.PutUint16(h[4:], id)
	h[6], h[7] = 0, 0
	h[8], h[9] = ttl, proto
	h[10], h[11] = 0, 0
	copy(h[12:16], src)
	copy(h[16:20], dst)
	binary.BigEndian.PutUint16(h[10:], ^inet.Fold(inet.Sum(h, 0)))
}

func putIPv6(h []byte, src, dst []byte, next uint8, hops uint8, n int) {
	h = h[:ip6Len]
	h[0], h[1], h[2], h[3] = 0x60, 0, 0, 0
	binary.BigEndian.PutUint16(h[4:], uint16(n))
	h[6], h[7] = next, hops
	copy(h[8:24], src)
	copy(h[24:40], dst)
}

// bytes is the frame, filled up to the Ethernet minimum with zeros, so that nothing
// of an older frame leaves with it.
func (f *frame) bytes() []byte {
	for f.n < minFrame {
		f.b[f.n] = 0
		f.n++
	}
	return f.b[:f.n]
}

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
	n    int
	vlan uint16 // the tag it gets on its way out; 0: none
	b    [maxFrame]byte
}

// ethernet begins a frame.
func (f *frame) ethernet(dst, src [6]byte, typ uint16) {
	copy(f.b[0:], dst[:])
	copy(f.b[6:], src[:])
	binary.BigEndian.PutUint16(f.b[12:], typ)
	f.n, f.vlan = ethLen, 0
}

// ipv4 writes the header of a packet with n bytes after it.
func (f *frame) ipv4(src, dst []byte, proto uint8, id uint16, n int) {
	h := f.b[ethLen : ethLen+ip4Len]
	h[0], h[1] = 0x45, 0
	binary.BigEndian.PutUint16(h[2:], uint16(ip4Len+n))
	binary.BigEndian.PutUint16(h[4:], id)
	h[6], h[7] = 0, 0
	h[8], h[9] = ttl, proto
	h[10], h[11] = 0, 0
	copy(h[12:16], src)
	copy(h[16:20], dst)
	binary.BigEndian.PutUint16(h[10:], ^fold(sum(h, 0)))
	f.n = ethLen + ip4Len
}

// ipv6 writes the header of a packet with n bytes after it.
func (f *frame) ipv6(src, dst []byte, next uint8, hops uint8, n int) {
	h := f.b[ethLen : ethLen+ip6Len]
	h[0], h[1], h[2], h[3] = 0x60, 0, 0, 0
	binary.BigEndian.PutUint16(h[4:], uint16(n))
	h[6], h[7] = next, hops
	copy(h[8:24], src)
	copy(h[24:40], dst)
	f.n = ethLen + ip6Len
}

// udp writes the header and the payload after an IP header with addresses of
// size addr at its end.
func (f *frame) udp(srcPort, dstPort uint16, payload []byte, addr int) {
	at := f.n
	n := udpLen + len(payload)
	h := f.b[at : at+udpLen]
	binary.BigEndian.PutUint16(h[0:], srcPort)
	binary.BigEndian.PutUint16(h[2:], dstPort)
	binary.BigEndian.PutUint16(h[4:], uint16(n))
	h[6], h[7] = 0, 0
	copy(f.b[at+udpLen:], payload)
	c := ^fold(sum(f.b[at:at+n], pseudo(f.b[at-2*addr:at], protoUDP, n)))
	if c == 0 {
		c = 0xffff // 0 would mean that there is none
	}
	binary.BigEndian.PutUint16(h[6:], c)
	f.n += n
}

// pad fills the frame up to the Ethernet minimum, with zeros so that nothing
// of an older frame leaves with it.
func (f *frame) pad() {
	for f.n < minFrame {
		f.b[f.n] = 0
		f.n++
	}
}

// sum adds the 16-bit words of p to the ones' complement sum acc. Only the
// last of several pieces may have an odd length.
func sum(p []byte, acc uint32) uint32 { return inet.Sum(p, acc) }

// pseudo begins the sum of a transport checksum: both addresses, the protocol
// and the length.
func pseudo(addrs []byte, proto uint8, n int) uint32 {
	return sum(addrs, uint32(proto)+uint32(n))
}

// fold ends a sum. Packets are shorter than 64 KiB, so acc has not overflowed.
func fold(acc uint32) uint16 {
	for acc > 0xffff {
		acc = acc>>16 + acc&0xffff
	}
	return uint16(acc)
}

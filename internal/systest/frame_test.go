package systest

import (
	"encoding/binary"
	"net/netip"
)

// Frames made by hand. Every function returns new bytes, right in every field;
// tests that want one wrong change it afterwards.

type mac [6]byte

var broadcastMAC = mac{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

const (
	typeIPv4 = 0x0800
	typeARP  = 0x0806
	typeIPv6 = 0x86dd
	typeVLAN = 0x8100

	protoICMP   = 1
	protoTCP    = 6
	protoUDP    = 17
	protoICMPv6 = 58
)

var be = binary.BigEndian

// ethernet is a frame. Payloads below 46 bytes are padded.
func ethernet(dst, src mac, typ uint16, payload []byte) []byte {
	f := append(dst[:len(dst):len(dst)], src[:]...)
	f = be.AppendUint16(f, typ)
	f = append(f, payload...)
	for len(f) < 60 {
		f = append(f, 0)
	}
	return f
}

const (
	arpRequest = 1
	arpReply   = 2
)

func arp(op uint16, sha mac, spa netip.Addr, tha mac, tpa netip.Addr) []byte {
	p := []byte{0, 1, 8, 0, 6, 4}
	p = be.AppendUint16(p, op)
	p = append(append(p, sha[:]...), spa.AsSlice()...)
	return append(append(p, tha[:]...), tpa.AsSlice()...)
}

// onesSum is the ones' complement sum of RFC 1071 over parts, of which only
// the last may have an odd length.
func onesSum(parts ...[]byte) uint16 {
	var acc uint64
	for _, p := range parts {
		for i, b := range p {
			acc += uint64(b) << (8 * (1 - i&1))
		}
	}
	for acc > 0xffff {
		acc = acc>>16 + acc&0xffff
	}
	return uint16(acc)
}

// pseudo is the pseudo-header of transport checksums, for both versions of IP:
// where fields differ in width, the sum does not.
func pseudo(src, dst netip.Addr, proto byte, n int) []byte {
	p := append(src.AsSlice(), dst.AsSlice()...)
	p = be.AppendUint32(p, uint32(n))
	return append(p, 0, 0, 0, proto)
}

// seal puts the checksum of p, a transport segment, where it belongs.
func seal(src, dst netip.Addr, proto byte, p []byte) []byte {
	at := map[byte]int{protoICMP: 2, protoTCP: 16, protoUDP: 6, protoICMPv6: 2}[proto]
	p[at], p[at+1] = 0, 0
	sum := ^onesSum(p)
	if proto != protoICMP {
		sum = ^onesSum(pseudo(src, dst, proto, len(p)), p)
	}
	if sum == 0 && proto == protoUDP {
		sum = 0xffff
	}
	be.PutUint16(p[at:], sum)
	return p
}

const moreFragments = 0x2000

// fragment is an IPv4 packet with the flags and offset given.
func fragment(src, dst netip.Addr, proto byte, id, flags uint16, payload []byte) []byte {
	h := []byte{0x45, 0}
	h = be.AppendUint16(h, uint16(20+len(payload)))
	h = be.AppendUint16(h, id)
	h = be.AppendUint16(h, flags)
	h = append(h, 64, proto, 0, 0)
	h = append(append(h, src.AsSlice()...), dst.AsSlice()...)
	return append(sealIP(h), payload...)
}

// sealIP puts the checksum into an IPv4 header.
func sealIP(h []byte) []byte {
	h[10], h[11] = 0, 0
	be.PutUint16(h[10:], ^onesSum(h))
	return h
}

// ip is a packet of the version that the addresses have.
func ip(src, dst netip.Addr, proto byte, payload []byte) []byte {
	if src.Is4() {
		return fragment(src, dst, proto, 0, 0, payload)
	}
	h := []byte{0x60, 0, 0, 0}
	h = be.AppendUint16(h, uint16(len(payload)))
	h = append(h, proto, 255)
	h = append(append(h, src.AsSlice()...), dst.AsSlice()...)
	return append(h, payload...)
}

// ICMP and ICMPv6 types.
const (
	echoReply       = 0
	unreachable     = 3
	echoRequest     = 8
	echoRequest6    = 128
	echoReply6      = 129
	routerSolicit   = 133
	neighborSolicit = 135
	neighborAdvert  = 136
)

// icmp is a message of ICMP or ICMPv6, whichever the addresses call for. rest
// is what follows the checksum.
func icmp(src, dst netip.Addr, typ, code byte, rest []byte) []byte {
	proto := byte(protoICMP)
	if src.Is6() {
		proto = protoICMPv6
	}
	return ip(src, dst, proto, seal(src, dst, proto, append([]byte{typ, code, 0, 0}, rest...)))
}

// ping is an echo request; data follows identifier and sequence number.
func ping(src, dst netip.Addr, id, seq uint16, data []byte) []byte {
	typ := byte(echoRequest)
	if src.Is6() {
		typ = echoRequest6
	}
	rest := be.AppendUint16(be.AppendUint16(nil, id), seq)
	return icmp(src, dst, typ, 0, append(rest, data...))
}

func udp(src, dst netip.AddrPort, data []byte) []byte {
	p := be.AppendUint16(be.AppendUint16(nil, src.Port()), dst.Port())
	p = be.AppendUint16(p, uint16(8+len(data)))
	p = append(append(p, 0, 0), data...)
	return ip(src.Addr(), dst.Addr(), protoUDP, seal(src.Addr(), dst.Addr(), protoUDP, p))
}

// TCP flags.
const (
	tcpFIN = 1 << iota
	tcpSYN
	tcpRST
	tcpPSH
	tcpACK
)

func tcp(src, dst netip.AddrPort, seq, ack uint32, flags byte, data []byte) []byte {
	p := be.AppendUint16(be.AppendUint16(nil, src.Port()), dst.Port())
	p = be.AppendUint32(be.AppendUint32(p, seq), ack)
	p = append(p, 5<<4, flags, 0xff, 0xff, 0, 0, 0, 0)
	return ip(src.Addr(), dst.Addr(), protoTCP, seal(src.Addr(), dst.Addr(), protoTCP, append(p, data...)))
}

// solicitedNode is the multicast group of an IPv6 address, and groupMAC the
// Ethernet address of a group.
func solicitedNode(a netip.Addr) netip.Addr {
	b := a.As16()
	return netip.AddrFrom16([16]byte{0: 0xff, 1: 0x02, 11: 1, 12: 0xff, 13: b[13], 14: b[14], 15: b[15]})
}

func groupMAC(a netip.Addr) mac {
	b := a.As16()
	return mac{0x33, 0x33, b[12], b[13], b[14], b[15]}
}

// neighbor is the body of a solicitation or advertisement for target, with
// the link-layer address option opt (1 source, 2 target).
func neighbor(flags byte, target netip.Addr, opt byte, addr mac) []byte {
	p := append([]byte{flags, 0, 0, 0}, target.AsSlice()...)
	return append(append(p, opt, 1), addr[:]...)
}

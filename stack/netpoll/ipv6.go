package netpoll

import "github.com/gasp-go/gasp/stack/inet"

// ICMPv6 types (RFC 4443, RFC 4861).
const (
	echoRequest6          = 128
	echoReply6            = 129
	routerAdvertisement   = 134
	neighborSolicitation  = 135
	neighborAdvertisement = 136

	nsLen = 24 // solicitation or advertisement without options
	naLen = nsLen + 8
)

var (
	allNodes    = [16]byte{0: 0xff, 1: 0x02, 15: 1}
	allNodesMAC = [6]byte{0x33, 0x33, 0, 0, 0, 1}
)

func (e *Endpoint) isLocal6(a []byte) bool {
	if e.rxVLAN != 0 {
		return e.vlanLocal(a, true)
	}
	for i := range e.local6 {
		if i < e.nlocal6 && [16]byte(a) == e.local6[i] {
			return true
		}
	}
	return false
}

// parseICMPv6 checks a frame and returns its ICMPv6 message, of icmpLen bytes or
// more; if it is of neighbour discovery, of nsLen or more, except that a router
// advertisement is 16 or more. Packets with extension headers are not looked at.
func parseICMPv6(p []byte) (icmp []byte, ok bool) {
	ip := p[ethLen:]
	if len(ip) < ip6Len || ip[0]>>4 != 6 || ip[6] != protoICMPv6 || ip[8] == 0xff {
		return nil, false
	}
	n := int(ip[4])<<8 | int(ip[5])
	if n < icmpLen || n > len(ip)-ip6Len {
		return nil, false
	}
	icmp = ip[ip6Len : ip6Len+n]
	if icmp[1] != 0 || inet.Fold(inet.Sum(icmp, inet.Pseudo(ip[8:40], protoICMPv6, n))) != 0xffff {
		return nil, false
	}
	switch icmp[0] {
	case routerAdvertisement:
		ok = n >= 16 && ip[7] == 255
	case neighborSolicitation, neighborAdvertisement:
		ok = n >= nsLen && ip[7] == 255
	default:
		ok = true
	}
	return icmp, ok
}

// inputIPv6 answers neighbour solicitations and echo requests.
func (e *Endpoint) inputIPv6(p []byte, mac [6]byte) {
	icmp, ok := parseICMPv6(p)
	if !ok {
		return
	}
	ip, n := p[ethLen:], len(icmp)
	unspecified := [16]byte(ip[8:24]) == [16]byte{}
	peer := [6]byte(p[6:12])
	switch {
	case icmp[0] == neighborSolicitation && e.isLocal6(icmp[8:24]):
		e.advertise(icmp[8:24], ip[8:24], peer, mac, unspecified)
	case icmp[0] == echoRequest6 && !unspecified && [6]byte(p[:6]) == mac && e.isLocal6(ip[24:40]) &&
		ethLen+ip6Len+n <= maxFrame:
		f := &e.reply
		f.ethernet(peer, mac, typeIPv6)
		f.ipv6(ip[24:40], ip[8:24], protoICMPv6, ttl, n)
		copy(f.b[f.n:], icmp)
		f.b[f.n] = echoReply6
		f.icmpv6(n)
		if e.respond() {
			e.stats.Echo++
		}
	}
}

// advertise answers a solicitation for target. One from the unspecified
// address checks for duplicates; the answer goes to everybody.
func (e *Endpoint) advertise(target, to []byte, peer, mac [6]byte, probe bool) {
	f := &e.reply
	flags := byte(0x60) // solicited, override
	if probe {
		to, peer, flags = allNodes[:], allNodesMAC, 0x20
	}
	f.ethernet(peer, mac, typeIPv6)
	f.ipv6(target, to, protoICMPv6, 255, naLen)
	b := f.b[f.n : f.n+naLen]
	clear(b)
	b[0], b[4] = neighborAdvertisement, flags
	copy(b[8:24], target)
	b[24], b[25] = 2, 1 // option: target link-layer address, in units of 8 bytes
	copy(b[26:32], mac[:])
	f.icmpv6(naLen)
	if e.respond() {
		e.stats.ARP++
	}
}

// neighborSolicitation asks where n is: everybody who may be it, or, if its MAC
// address is thought to be known, the one who has that.
func (e *Endpoint) neighborSolicitation(f *frame, n *neighbor, src *[16]byte, to [6]byte) {
	mac, dst := e.dev.MAC(), n.ip
	if to == Broadcast {
		dst = [16]byte{0: 0xff, 1: 0x02, 11: 1, 12: 0xff, 13: n.ip[13], 14: n.ip[14], 15: n.ip[15]}
		to = [6]byte{0x33, 0x33, 0xff, n.ip[13], n.ip[14], n.ip[15]}
	}
	f.ethernet(to, mac, typeIPv6)
	f.ipv6(src[:], dst[:], protoICMPv6, 255, naLen)
	b := f.b[f.n : f.n+naLen]
	clear(b)
	b[0] = neighborSolicitation
	copy(b[8:24], n.ip[:])
	b[24], b[25] = 1, 1 // option: source link-layer address, in units of 8 bytes
	copy(b[26:32], mac[:])
	f.icmpv6(naLen)
}

// icmpv6 ends an ICMPv6 packet of n bytes with its checksum.
func (f *frame) icmpv6(n int) {
	b := f.b[f.n : f.n+n]
	b[2], b[3] = 0, 0
	c := ^inet.Fold(inet.Sum(b, inet.Pseudo(f.b[f.n-32:f.n], protoICMPv6, n)))
	b[2], b[3] = byte(c>>8), byte(c)
	f.n += n
}

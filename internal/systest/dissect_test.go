package systest

import (
	"fmt"
	"net/netip"
)

// packet is a frame taken apart. What a frame does not have is zero.
type packet struct {
	dst, src mac
	typ      uint16
	vlan     uint16 // 0: no tag
	arp      arpPacket

	from, to  netip.AddrPort // ports of UDP and TCP
	proto     byte           // after IPv6 extension headers
	frag      bool           // a fragment, not looked into
	offset    int            // of an IPv4 fragment, in bytes
	hops      byte           // time to live
	icmpType  byte
	icmpCode  byte
	seq, ack  uint32 // TCP
	flags     byte   // TCP
	data      []byte // behind the innermost header that is known
	transport []byte // from the transport header on
}

type arpPacket struct {
	op       uint16
	sha, tha mac
	spa, tpa netip.Addr
}

// dissect takes a frame apart and checks everything that can be wrong with it:
// lengths, versions and checksums.
func dissect(f []byte) (p packet, err error) {
	if len(f) < 14 {
		return p, fmt.Errorf("frame of %d bytes", len(f))
	}
	p.dst, p.src, p.typ = mac(f[:6]), mac(f[6:12]), be.Uint16(f[12:])
	if p.src[0]&1 != 0 {
		return p, fmt.Errorf("group address %x as source", p.src)
	}
	if len(f) > 1514 {
		return p, fmt.Errorf("frame of %d bytes", len(f))
	}
	switch body := f[14:]; p.typ {
	case typeVLAN:
		if len(body) < 4 {
			return p, fmt.Errorf("tag of %d bytes", len(body))
		}
		inner, err := dissect(append(f[:12:12], body[2:]...))
		inner.vlan = be.Uint16(body)
		return inner, err
	case typeARP:
		err = p.readARP(body)
	case typeIPv4:
		err = p.readIPv4(body)
	case typeIPv6:
		err = p.readIPv6(body)
	default:
		err = fmt.Errorf("unknown type %#04x", p.typ)
	}
	return p, err
}

func (p *packet) readARP(b []byte) error {
	if len(b) < 28 || string(b[:6]) != "\x00\x01\x08\x00\x06\x04" {
		return fmt.Errorf("bad ARP % x", b)
	}
	p.arp = arpPacket{
		op: be.Uint16(b[6:]), sha: mac(b[8:14]), tha: mac(b[18:24]),
		spa: netip.AddrFrom4([4]byte(b[14:18])), tpa: netip.AddrFrom4([4]byte(b[24:28])),
	}
	return nil
}

func (p *packet) readIPv4(b []byte) error {
	if len(b) < 20 || b[0]>>4 != 4 {
		return fmt.Errorf("bad IPv4 header")
	}
	n, total := int(b[0]&0xf)*4, int(be.Uint16(b[2:]))
	if n < 20 || total < n || total > len(b) {
		return fmt.Errorf("IPv4 header of %d bytes, packet of %d in %d", n, total, len(b))
	}
	if sum := onesSum(b[:n]); sum != 0xffff {
		return fmt.Errorf("IPv4 header sums to %#x", sum)
	}
	p.offset, p.hops = int(be.Uint16(b[6:])&0x1fff)*8, b[8]
	if p.hops == 0 {
		return fmt.Errorf("time to live 0")
	}
	p.proto = b[9]
	p.frag = be.Uint16(b[6:])&0x3fff != 0
	return p.readTransport(netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20])), b[n:total])
}

func (p *packet) readIPv6(b []byte) error {
	if len(b) < 40 || b[0]>>4 != 6 {
		return fmt.Errorf("bad IPv6 header")
	}
	n := int(be.Uint16(b[4:]))
	if 40+n > len(b) {
		return fmt.Errorf("IPv6 payload of %d bytes in %d", n, len(b)-40)
	}
	p.proto, p.hops = b[6], b[7]
	body := b[40 : 40+n]
	if p.proto == 0 { // hop-by-hop options, of MLD
		if len(body) < 8 || 8+8*int(body[1]) > len(body) {
			return fmt.Errorf("bad hop-by-hop header")
		}
		p.proto, body = body[0], body[8+8*int(body[1]):]
	}
	if p.proto == 44 {
		p.frag = true
	}
	return p.readTransport(netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40])), body)
}

func (p *packet) readTransport(src, dst netip.Addr, b []byte) error {
	p.from, p.to = netip.AddrPortFrom(src, 0), netip.AddrPortFrom(dst, 0)
	p.data, p.transport = b, b
	if p.frag {
		return nil
	}
	least, known := map[byte]int{protoICMP: 8, protoTCP: 20, protoUDP: 8, protoICMPv6: 8}[p.proto]
	if !known {
		return nil
	}
	if len(b) < least {
		return fmt.Errorf("protocol %d in %d bytes", p.proto, len(b))
	}
	sum := onesSum(b)
	if p.proto != protoICMP {
		sum = onesSum(pseudo(src, dst, p.proto, len(b)), b)
	}
	if sum != 0xffff && !(p.proto == protoUDP && src.Is4() && be.Uint16(b[6:]) == 0) {
		return fmt.Errorf("protocol %d sums to %#x", p.proto, sum)
	}
	switch p.proto {
	case protoICMP, protoICMPv6:
		p.icmpType, p.icmpCode, p.data = b[0], b[1], b[4:]
		return nil
	case protoUDP:
		if int(be.Uint16(b[4:])) != len(b) {
			return fmt.Errorf("UDP length %d in %d bytes", be.Uint16(b[4:]), len(b))
		}
		p.data = b[8:]
	case protoTCP:
		n := int(b[12]>>4) * 4
		if n < 20 || n > len(b) {
			return fmt.Errorf("TCP header of %d bytes in %d", n, len(b))
		}
		p.seq, p.ack, p.flags, p.data = be.Uint32(b[4:]), be.Uint32(b[8:]), b[13], b[n:]
	}
	p.from = netip.AddrPortFrom(src, be.Uint16(b))
	p.to = netip.AddrPortFrom(dst, be.Uint16(b[2:]))
	return nil
}

// String shows a frame as a line, for test failures.
func (p packet) String() string {
	switch {
	case p.typ == typeARP:
		return fmt.Sprintf("%x > %x ARP op %d %x %v > %x %v", p.src, p.dst, p.arp.op, p.arp.sha, p.arp.spa, p.arp.tha, p.arp.tpa)
	case p.proto == protoICMP || p.proto == protoICMPv6:
		return fmt.Sprintf("%x > %x %v > %v ICMP type %d code %d, %d bytes", p.src, p.dst, p.from.Addr(), p.to.Addr(), p.icmpType, p.icmpCode, len(p.data))
	}
	return fmt.Sprintf("%x > %x %v > %v protocol %d flags %#x, %d bytes", p.src, p.dst, p.from, p.to, p.proto, p.flags, len(p.data))
}

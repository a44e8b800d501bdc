package stack

import (
	"encoding/binary"
	"sync/atomic"
	"unsafe"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"

	"github.com/gasp-go/gasp/board/trap"
	"github.com/gasp-go/gasp/stack/inet"
	"github.com/gasp-go/gasp/stack/netdev"
)

// Packets that need nothing of gVisor do without it (Linux: early demux): an
// echo request is answered here, a datagram goes straight into the ring of the
// one socket that can be meant. Whatever is not plain goes on to gVisor as if
// nobody had looked: fragments, IP options, broadcasts, bad checksums, ports that
// several sockets share, destinations that gVisor has not sent to lately.

// localAddrs are the addresses that packets for us can have.
type localAddrs struct {
	v4        uint32 // 0: none
	broadcast uint32
	v6        []ipAddr
}

// earlyStats count what did not go through gVisor. Network thread, but for
// udpOut, which is trap context's.
type earlyStats struct {
	echos   atomic.Uint64 // echo requests answered
	udpIn   atomic.Uint64 // datagrams delivered
	udpFull atomic.Uint64 // datagrams for a full socket
	udpOut  atomic.Uint64 // datagrams sent
}

// setLocal notes our addresses.
func (l *link) setLocal(a AddrInfo) {
	n := new(localAddrs)
	if a.IPv4.IsValid() {
		v4 := a.IPv4.Addr().As4()
		n.v4, n.broadcast = be32(v4[:]), broadcastOf(a.IPv4)
	}
	for _, p := range a.IPv6 {
		n.v6 = append(n.v6, p.Addr().As16())
	}
	l.local.Store(n)
}

// Lengths of headers without options.
const (
	ip4Len  = header.IPv4MinimumSize
	ip6Len  = header.IPv6MinimumSize
	udpLen  = header.UDPMinimumSize
	icmpLen = header.ICMPv4MinimumSize
	ethLen  = header.EthernetMinimumSize
)

const (
	protoICMP = 1
	protoUDP  = 17

	protoICMPv6 = 58

	ttl = 64 // of packets we make: gVisor's default
)

// earlyDemux deals with a frame for our MAC address and reports whether it has;
// if not, it has not touched anything. verified: the checksums are known to be
// right. Network thread.
func (l *link) earlyDemux(proto tcpip.NetworkProtocolNumber, frame []byte, verified bool) bool {
	if l.tap.Load() != nil {
		return false
	}
	p := frame[ethLen:]
	switch proto {
	case header.IPv4ProtocolNumber:
		return l.early4(p, verified)
	case header.IPv6ProtocolNumber:
		return l.early6(p, verified)
	}
	return false
}

func (l *link) early4(p []byte, verified bool) bool {
	if len(p) < ip4Len+udpLen || p[0] != 0x45 || p[6]&0xbf|p[7] != 0 {
		return false
	}
	n := int(binary.BigEndian.Uint16(p[2:]))
	if n < ip4Len+udpLen || n > len(p) {
		return false
	}
	a := l.local.Load()
	src, dst := be32(p[12:]), be32(p[16:])
	if dst != a.v4 || dst == 0 || src == a.v4 || src == a.broadcast || !unicast4(src) {
		return false
	}
	if p[9] != protoICMP && p[9] != protoUDP || !verified && inet.Fold(inet.Sum(p[:ip4Len], 0)) != 0xffff {
		return false
	}
	p = p[:n]
	if p[9] == protoICMP {
		return l.icmp(p)
	}
	u := p[ip4Len:]
	s := l.udp.lookup(u)
	if s == nil || !s.takes4(src, dst) {
		return false
	}
	if !verified && u[6]|u[7] != 0 && inet.Fold(inet.Sum(u, inet.Pseudo(p[12:20], protoUDP, len(u)))) != 0xffff {
		return false
	}
	from := mapped4(p[12:])
	return l.deliver(s, u, &from)
}

func (l *link) early6(p []byte, verified bool) bool {
	if len(p) < ip6Len+udpLen || p[0]>>4 != 6 {
		return false
	}
	if p[6] == protoICMPv6 && p[ip6Len] == byte(header.ICMPv6PacketTooBig) {
		l.dst.tooBig(int(min(be32(p[ip6Len+4:]), 1<<16)), l.now())
	}
	if p[6] != protoUDP {
		return false
	}
	n := ip6Len + int(binary.BigEndian.Uint16(p[4:]))
	if n < ip6Len+udpLen || n > len(p) {
		return false
	}
	u := p[ip6Len:n]
	s := l.udp.lookup(u)
	if s == nil {
		return false
	}
	a := l.local.Load()
	src := ipAddr(p[8:24])
	if !a.has6((*ipAddr)(p[24:])) || a.has6(&src) || !unicast6(&src) || !s.takes6(&src, (*ipAddr)(p[24:])) {
		return false
	}
	if u[6]|u[7] == 0 || !verified && inet.Fold(inet.Sum(u, inet.Pseudo(p[8:40], protoUDP, len(u)))) != 0xffff {
		return false
	}
	return l.deliver(s, u, &src)
}

func (a *localAddrs) has6(ip *ipAddr) bool {
	for i := range a.v6 {
		if a.v6[i] == *ip {
			return true
		}
	}
	return false
}

// unicast4 reports whether a packet can come from a.
func unicast4(a uint32) bool {
	top := a >> 24
	return top != 0 && top != 127 && top < 224
}

// unicast6 reports whether a packet from the link can come from a: neither
// multicast nor unspecified, loopback or an IPv4 address.
func unicast6(a *ipAddr) bool {
	return a[0] != 0xff && a[0] != 0
}

// icmp answers an echo request as gVisor does: the packet as it came, addresses
// turned round, with a time to live of ours (RFC 792).
func (l *link) icmp(p []byte) bool {
	icmp := p[ip4Len:]
	if inet.Fold(inet.Sum(icmp, 0)) != 0xffff {
		return false
	}
	now := l.now()
	switch {
	case icmp[0] == byte(header.ICMPv4DstUnreachable) && icmp[1] == byte(header.ICMPv4FragmentationNeeded):
		l.dst.tooBig(int(binary.BigEndian.Uint16(icmp[6:])), now)
		return false
	case icmp[0] != byte(header.ICMPv4Echo) || icmp[1] != 0 || len(p) > l.dst.mtu(l.dev.MTU(), now):
		return false
	}
	x := reply{l: l, to: mapped4(p[12:]), now: now}
	h := x.head[ethLen:]
	copy(h[:ip4Len+icmpLen], p)
	copy(h[12:16], p[16:20])
	copy(h[16:20], p[12:16])
	h[8], h[10], h[11] = ttl, 0, 0
	binary.BigEndian.PutUint16(h[10:], ^inet.Fold(inet.Sum(h[:ip4Len], 0)))
	// The type goes from 8 to 0, and so the checksum up by as much (RFC 1624).
	h[ip4Len] = byte(header.ICMPv4EchoReply)
	sum := inet.Fold(uint32(binary.BigEndian.Uint16(icmp[2:])) + uint32(header.ICMPv4Echo)<<8)
	binary.BigEndian.PutUint16(h[ip4Len+2:], sum)
	x.parts = [2][]byte{x.head[:], icmp[icmpLen:]}
	// Counted first: whoever has the reply may look.
	l.early.echos.Add(1)
	trap.Run(trapReply, unsafe.Pointer(&x))
	if !x.sent {
		l.early.echos.Add(^uint64(0))
	}
	return x.sent
}

// reply carries an echo reply into trap context.
type reply struct {
	l     *link
	to    ipAddr
	now   int64
	head  [ethLen + ip4Len + icmpLen]byte
	parts [2][]byte
	sent  bool
}

func trapReply(p unsafe.Pointer) {
	x := (*reply)(p)
	e := x.l.dst.lookup(&x.to, x.now)
	if e == nil || x.l.txq.n.Load() != 0 { // not ahead of what waits
		return
	}
	copy(x.head[:], e.eth[:])
	x.sent = x.l.dev.SendTrap(x.parts[:], 0) == netdev.TxOK
}

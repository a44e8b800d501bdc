package stack

import (
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	gv "gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/gasp-go/gasp/board/word"
	"github.com/gasp-go/gasp/stack/netdev"
)

// receive is the device's receive function. It copies the frame's payload, the
// only copy on the way in, and runs the stack on it. Network thread.
func (l *link) receive(frame []byte, flags netdev.RxFlags) {
	if tap := l.tap.Load(); tap != nil && (*tap)(frame) {
		return
	}
	if flags&netdev.RxChecksumOK != 0 && l.groNext(frame) {
		return
	}
	if word.Load(&l.lookups.nLost) != 0 {
		l.lookups.hear(frame)
	}
	if len(frame) < header.EthernetMinimumSize {
		l.drop(&l.drops.short)
		return
	}
	proto := tcpip.NetworkProtocolNumber(uint16(frame[12])<<8 | uint16(frame[13]))
	switch proto {
	case header.IPv4ProtocolNumber, header.IPv6ProtocolNumber, header.ARPProtocolNumber:
	default:
		if proto < 0x0600 {
			l.drop(&l.drops.length)
		} else {
			l.drop(&l.drops.proto)
		}
		return
	}
	if frame[6]&1 != 0 {
		l.drop(&l.drops.source)
		return
	}
	to := packetType(frame, &l.addr.Load().mac)
	if to == tcpip.PacketOtherHost {
		l.drop(&l.drops.otherHost)
		return
	}
	if l.dispatcher.Load() == nil {
		l.drop(&l.drops.detached)
		return
	}
	p := frame[header.EthernetMinimumSize:]
	if l.martian(proto, to, p) {
		l.drop(&l.drops.martian)
		return
	}
	verified := flags&netdev.RxChecksumOK != 0
	if to == tcpip.PacketHost {
		if s, ok := parseTCP(proto, p); ok {
			s.verified = verified
			if l.groReceive(&s, frame) {
				return
			}
			verified = s.verified
		} else if l.earlyDemux(proto, frame, verified) {
			return
		}
	}
	l.enter(proto, to, buffer.MakeWithData(p), verified)
}

// enter gives gVisor a packet. verified: its checksums are known to be right.
// Network thread.
func (l *link) enter(proto tcpip.NetworkProtocolNumber, to tcpip.PacketType, p buffer.Buffer, verified bool) {
	pkt := gv.NewPacketBuffer(gv.PacketBufferOptions{Payload: p})
	defer pkt.DecRef()
	d := l.dispatcher.Load()
	if d == nil {
		l.drop(&l.drops.detached)
		return
	}
	pkt.NetworkProtocolNumber = proto
	pkt.PktType = to
	if verified != l.verified.Load() {
		l.verified.Store(verified)
	}
	l.tcp.delivering.Store(pkt)
	(*d).DeliverNetworkPacket(proto, pkt)
	l.tcp.delivered()
}

// martian reports whether gVisor, which does not look, would answer what must
// not be answered: a packet from 0.0.0.0 (RFC 1122, 3.2.1.3; DHCP has its tap),
// an ARP request for the subnet's broadcast address, or TCP and UDP to us in a
// frame for everybody (3.2.2: no ICMP error follows such a frame; Linux drops
// TCP in one), unless somebody listens for the datagram.
func (l *link) martian(proto tcpip.NetworkProtocolNumber, to tcpip.PacketType, p []byte) bool {
	switch proto {
	case header.ARPProtocolNumber:
		bcast := l.broadcast.Load()
		return bcast != 0 && len(p) >= header.ARPSize && be32(p[24:]) == bcast
	case header.IPv4ProtocolNumber:
		if len(p) < header.IPv4MinimumSize {
			return false // gVisor counts it
		}
		src, dst := be32(p[12:]), be32(p[16:])
		if src == 0 {
			return true
		}
		if to == tcpip.PacketHost || dst>>28 >= 0xe || dst == l.broadcast.Load() {
			return false
		}
		switch p[9] {
		case uint8(header.TCPProtocolNumber):
			return true
		case uint8(header.UDPProtocolNumber):
			return !l.listens(p)
		}
	}
	return false
}

// listens reports whether there is a socket for the UDP datagram in the IPv4
// packet p. Fragments pass.
func (l *link) listens(p []byte) bool {
	ip := header.IPv4(p)
	n := int(ip.HeaderLength())
	if ip.FragmentOffset() != 0 || len(p) < n+header.UDPMinimumSize || l.hasSocket == nil {
		return true
	}
	udp := header.UDP(p[n:])
	return l.hasSocket(gv.TransportEndpointID{
		LocalPort:     udp.DestinationPort(),
		LocalAddress:  ip.DestinationAddress(),
		RemotePort:    udp.SourcePort(),
		RemoteAddress: ip.SourceAddress(),
	})
}

func be32(p []byte) uint32 {
	return uint32(p[0])<<24 | uint32(p[1])<<16 | uint32(p[2])<<8 | uint32(p[3])
}

// packetType tells whom the frame, at least 6 bytes, is for.
func packetType(frame []byte, mac *[6]byte) tcpip.PacketType {
	switch dst := [6]byte(frame); {
	case dst == *mac:
		return tcpip.PacketHost
	case dst == [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}:
		return tcpip.PacketBroadcast
	case dst[0]&1 != 0:
		return tcpip.PacketMulticast
	}
	return tcpip.PacketOtherHost
}

func (l *link) drop(cause *atomic.Uint64) {
	cause.Add(1)
	l.dev.Counters().RxDropped.Add(1)
}

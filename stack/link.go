package stack

import (
	"sync"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	gv "gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/gasp-go/gasp/stack/netdev"
)

// link joins a Device to gVisor: it is gVisor's link endpoint and the device's
// receive function. It handles the Ethernet header itself.
type link struct {
	dev  *netdev.Device
	addr atomic.Pointer[station]

	dispatcher atomic.Pointer[gv.NetworkDispatcher] // nil: not attached

	// tap, if set, sees frames before the stack and takes those for which it
	// returns true. The DHCP client listens here while it has no address.
	tap atomic.Pointer[func(frame []byte) bool]

	broadcast atomic.Uint32 // of the IPv4 subnet, 0: none
	hasSocket func(id gv.TransportEndpointID) bool

	drops linkDrops

	closeMu sync.Mutex
	onClose func()
}

// station is the device's address in both forms that are needed.
type station struct {
	mac  [6]byte
	link tcpip.LinkAddress
}

// linkDrops counts received frames that did not become packets, by cause.
type linkDrops struct {
	short     atomic.Uint64 // no room for an Ethernet header
	length    atomic.Uint64 // 802.3: a length where the type should be
	proto     atomic.Uint64 // neither IPv4 nor IPv6 nor ARP
	otherHost atomic.Uint64 // unicast for somebody else
	source    atomic.Uint64 // a group address as source
	martian   atomic.Uint64 // IP addresses that cannot be, or not in such a frame
	detached  atomic.Uint64 // the stack is closed
}

// maxGather is how many pieces of a packet are handed to the driver as they
// are. More are rare, and then copied together first.
const maxGather = 16

func newLink(dev *netdev.Device) *link {
	l := &link{dev: dev}
	l.setStation(dev.MAC())
	return l
}

func (l *link) setStation(mac [6]byte) {
	l.addr.Store(&station{mac: mac, link: tcpip.LinkAddress(mac[:])})
}

// receive is the device's receive function. It copies the frame's payload, the
// only copy on the way in, and runs the stack on it. Network thread.
func (l *link) receive(frame []byte) {
	if tap := l.tap.Load(); tap != nil && (*tap)(frame) {
		return
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
	d := l.dispatcher.Load()
	if d == nil {
		l.drop(&l.drops.detached)
		return
	}
	if l.martian(proto, to, frame[header.EthernetMinimumSize:]) {
		l.drop(&l.drops.martian)
		return
	}
	pkt := gv.NewPacketBuffer(gv.PacketBufferOptions{
		Payload: buffer.MakeWithData(frame[header.EthernetMinimumSize:]),
	})
	pkt.NetworkProtocolNumber = proto
	pkt.PktType = to
	(*d).DeliverNetworkPacket(proto, pkt)
	pkt.DecRef()
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

// WritePackets implements stack.LinkWriter: it hands the packets to the driver
// until one does not fit. A packet the driver did not take is lost, as it is
// with any full interface queue; the protocol learns of it.
func (l *link) WritePackets(pkts gv.PacketBufferList) (int, tcpip.Error) {
	for n, pkt := range pkts.AsSlice() {
		switch l.write(pkt) {
		case netdev.TxBusy:
			l.dev.Counters().TxDropped.Add(1)
			return n, &tcpip.ErrNoBufferSpace{}
		case netdev.TxDropped: // counted below us
			return n, &tcpip.ErrNoBufferSpace{}
		}
	}
	return pkts.Len(), nil
}

func (l *link) write(pkt *gv.PacketBuffer) netdev.TxStatus {
	var parts [maxGather][]byte // stays on our stack: Xmit does not keep it
	n := 0
	views, skip := pkt.AsViewList()
	for v := views.Front(); v != nil; v = v.Next() {
		b := v.AsSlice()
		if skip >= len(b) {
			skip -= len(b)
			continue
		}
		if n == maxGather {
			return l.writeCopy(pkt)
		}
		parts[n], skip = b[skip:], 0
		n++
	}
	return l.dev.Xmit(parts[:n])
}

func (l *link) writeCopy(pkt *gv.PacketBuffer) netdev.TxStatus {
	v := pkt.ToView()
	defer v.Release()
	return l.dev.Xmit([][]byte{v.AsSlice()})
}

// AddHeader implements stack.NetworkLinkEndpoint.
func (l *link) AddHeader(pkt *gv.PacketBuffer) {
	eth := header.Ethernet(pkt.LinkHeader().Push(header.EthernetMinimumSize))
	src := pkt.EgressRoute.LocalLinkAddress
	if len(src) != header.EthernetAddressSize {
		src = l.addr.Load().link
	}
	eth.Encode(&header.EthernetFields{
		SrcAddr: src,
		DstAddr: pkt.EgressRoute.RemoteLinkAddress,
		Type:    pkt.NetworkProtocolNumber,
	})
}

// ParseHeader implements stack.NetworkLinkEndpoint.
func (l *link) ParseHeader(pkt *gv.PacketBuffer) bool {
	_, ok := pkt.LinkHeader().Consume(header.EthernetMinimumSize)
	return ok
}

// Attach implements stack.NetworkLinkEndpoint.
func (l *link) Attach(d gv.NetworkDispatcher) {
	if d == nil {
		l.dispatcher.Store(nil)
		return
	}
	l.dispatcher.Store(&d)
}

// IsAttached implements stack.NetworkLinkEndpoint.
func (l *link) IsAttached() bool { return l.dispatcher.Load() != nil }

// MTU implements stack.NetworkLinkEndpoint.
func (l *link) MTU() uint32 { return uint32(l.dev.MTU()) }

// SetMTU implements stack.NetworkLinkEndpoint. The device's MTU is fixed.
func (l *link) SetMTU(uint32) {}

// MaxHeaderLength implements stack.NetworkLinkEndpoint.
func (l *link) MaxHeaderLength() uint16 { return header.EthernetMinimumSize }

// LinkAddress implements stack.NetworkLinkEndpoint.
func (l *link) LinkAddress() tcpip.LinkAddress { return l.addr.Load().link }

// SetLinkAddress implements stack.NetworkLinkEndpoint. It takes effect in the
// stack at once; the device must have been given the address while closed.
func (l *link) SetLinkAddress(a tcpip.LinkAddress) {
	if len(a) == header.EthernetAddressSize {
		l.setStation([6]byte([]byte(a)))
	}
}

// Capabilities implements stack.NetworkLinkEndpoint.
func (l *link) Capabilities() gv.LinkEndpointCapabilities { return gv.CapabilityResolutionRequired }

// ARPHardwareType implements stack.NetworkLinkEndpoint.
func (l *link) ARPHardwareType() header.ARPHardwareType { return header.ARPHardwareEther }

// Wait implements stack.NetworkLinkEndpoint: there is no goroutine to wait for.
func (l *link) Wait() {}

// Close implements stack.NetworkLinkEndpoint.
func (l *link) Close() {
	l.closeMu.Lock()
	fn := l.onClose
	l.onClose = nil
	l.closeMu.Unlock()
	if fn != nil {
		fn()
	}
}

// SetOnCloseAction implements stack.NetworkLinkEndpoint.
func (l *link) SetOnCloseAction(fn func()) {
	l.closeMu.Lock()
	defer l.closeMu.Unlock()
	l.onClose = fn
}

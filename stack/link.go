package stack

import (
	"sync"
	"sync/atomic"

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

	// What the paths around gVisor know: see early.go.
	local atomic.Pointer[localAddrs]
	dst   dstCache
	udp   udpTable
	now   func() int64 // ns, monotonic
	early earlyStats
	gro   gro
	tcp   *tcpProtocol
	tso   tsoStats
	txq   txq

	groups groups

	lookups *lookups

	// verified says of the packet that is being delivered that its checksums
	// were verified: gVisor asks for the capability with each.
	verified atomic.Bool

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

func newLink(dev *netdev.Device, now func() int64) *link {
	l := &link{dev: dev, now: now, tcp: new(tcpProtocol), lookups: new(lookups)}
	l.local.Store(new(localAddrs))
	l.setStation(dev.MAC())
	return l
}

// stationChanged follows the device's address: headers that were learnt have the
// old one.
func (l *link) stationChanged(mac [6]byte) {
	l.setStation(mac)
	l.dst.flush(l.now())
}

func (l *link) setStation(mac [6]byte) {
	l.addr.Store(&station{mac: mac, link: tcpip.LinkAddress(mac[:])})
}

// WritePackets implements stack.LinkWriter. A packet that the driver has no room
// for waits until there is; if too many wait it is lost, as it is with any full
// interface queue, and the protocol learns of it.
func (l *link) WritePackets(pkts gv.PacketBufferList) (int, tcpip.Error) {
	for n, pkt := range pkts.AsSlice() {
		if pkt.GSOOptions.Type == gv.GSONone {
			if eth := pkt.LinkHeader().Slice(); len(eth) == ethLen && eth[0]&1 != 0 {
				l.groups.sent(pkt)
			}
		}
		st, sent := netdev.TxBusy, 0
		if l.txq.n.Load() == 0 {
			st, sent = l.write(pkt, 0)
		}
		switch {
		case st == netdev.TxOK:
		case st == netdev.TxBusy && l.enqueue(pkt, sent):
		case st == netdev.TxBusy:
			l.dev.Counters().TxDropped.Add(1)
			return n, &tcpip.ErrNoBufferSpace{}
		default: // dropped, and counted below us
			return n, &tcpip.ErrNoBufferSpace{}
		}
	}
	return pkts.Len(), nil
}

// write hands a packet to the driver, from sent bytes of its payload on, and
// returns how many are sent now.
func (l *link) write(pkt *gv.PacketBuffer, sent int) (netdev.TxStatus, int) {
	if pkt.GSOOptions.Type != gv.GSONone {
		return l.segment(pkt, sent)
	}
	return l.writeWhole(pkt), 0
}

// writeWhole hands over a packet that is one frame.
func (l *link) writeWhole(pkt *gv.PacketBuffer) netdev.TxStatus {
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
	st := l.dev.Xmit(parts[:n], 0)
	if st == netdev.TxOK {
		l.learn(pkt)
	}
	return st
}

// learn notes in the destination cache how a datagram or an echo reply went out.
func (l *link) learn(pkt *gv.PacketBuffer) {
	eth, ip := pkt.LinkHeader().Slice(), pkt.NetworkHeader().Slice()
	if len(eth) != ethLen || eth[0]&1 != 0 {
		return // a group, or not from AddHeader
	}
	switch {
	case len(ip) >= ip4Len && ip[0]>>4 == 4 && (ip[9] == protoUDP || ip[9] == protoICMP):
		l.dst.learn(mapped4(ip[16:]), mapped4(ip[12:]), eth, l.now())
	case len(ip) >= ip6Len && ip[0]>>4 == 6 && ip[6] == protoUDP:
		l.dst.learn(ipAddr(ip[24:40]), ipAddr(ip[8:24]), eth, l.now())
	}
}

func (l *link) writeCopy(pkt *gv.PacketBuffer) netdev.TxStatus {
	v := pkt.ToView()
	defer v.Release()
	return l.dev.Xmit([][]byte{v.AsSlice()}, 0)
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

// SetMTU implements stack.NetworkLinkEndpoint. It does nothing: the MTU is the
// device's, see netdev.Device.SetMTU.
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
func (l *link) Capabilities() gv.LinkEndpointCapabilities {
	if l.verified.Load() {
		return gv.CapabilityResolutionRequired | gv.CapabilityRXChecksumOffload
	}
	return gv.CapabilityResolutionRequired
}

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

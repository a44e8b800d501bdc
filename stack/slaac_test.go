package stack

import (
	"net/netip"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/faketime"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// advert is a router advertisement for 2001:db8::/64 with a name server; all
// lifetimes are the given seconds.
func advert(lifetime uint16) []byte {
	router := address(netip.MustParseAddr("fe80::fe"))
	prefix := netip.MustParseAddr("2001:db8::").As16()
	server := netip.MustParseAddr("2001:db8::53").As16()
	life := []byte{0, 0, byte(lifetime >> 8), byte(lifetime)}
	var opts []byte
	opts = append(opts, 3, 4, 64, 0xc0) // prefix: on-link, autonomous
	opts = append(append(append(opts, life...), life...), 0, 0, 0, 0)
	opts = append(opts, prefix[:]...)
	opts = append(append(opts, 25, 3, 0, 0), life...)
	opts = append(opts, server[:]...)
	body := append([]byte{64, 0, life[2], life[3], 0, 0, 0, 0, 0, 0, 0, 0}, opts...)
	f := make([]byte, 14+40+4+len(body))
	header.Ethernet(f).Encode(&header.EthernetFields{
		SrcAddr: serverMAC,
		DstAddr: header.EthernetAddressFromMulticastIPv6Address(header.IPv6AllNodesMulticastAddress),
		Type:    header.IPv6ProtocolNumber,
	})
	ip := header.IPv6(f[14:])
	ip.Encode(&header.IPv6Fields{
		PayloadLength: uint16(4 + len(body)), TransportProtocol: header.ICMPv6ProtocolNumber, HopLimit: 255,
		SrcAddr: router, DstAddr: header.IPv6AllNodesMulticastAddress,
	})
	icmp := header.ICMPv6(ip[40:])
	icmp.SetType(header.ICMPv6RouterAdvert)
	copy(icmp[4:], body)
	icmp.SetChecksum(^checksum.Checksum(icmp, header.PseudoHeaderChecksum(header.ICMPv6ProtocolNumber,
		router, header.IPv6AllNodesMulticastAddress, uint16(len(icmp)))))
	return f
}

func TestRoutersGiveAndTakeIPv6(t *testing.T) {
	clock := faketime.NewManualClock()
	n := newNode(t, "a", 1, clock)
	wire := make(chan []byte, 100)
	n.out = func(f []byte) {
		select {
		case wire <- f:
		default:
		}
	}
	if err := n.port.dev.Open(); err != nil {
		t.Fatal(err)
	}
	clock.Advance(2 * time.Second) // duplicate address detection
	n.await(t, "link-local address", func(a AddrInfo) bool { return len(a.IPv6) == 1 })

	// Another cable is asked for its routers.
	for len(wire) > 0 {
		<-wire
	}
	n.port.dev.SetCarrier(false)
	n.port.dev.SetCarrier(true)
	select {
	case f := <-wire:
		ip := header.IPv6(f[14:])
		icmp := header.ICMPv6(ip.Payload())
		sum := checksum.Checksum(icmp, header.PseudoHeaderChecksum(header.ICMPv6ProtocolNumber,
			ip.SourceAddress(), ip.DestinationAddress(), uint16(len(icmp))))
		if icmp.Type() != header.ICMPv6RouterSolicit || ip.HopLimit() != 255 || sum != 0xffff {
			t.Errorf("%x", f)
		}
	case <-time.After(10 * time.Second):
		t.Error("no router solicitation")
	}

	n.inject(advert(9000))
	n.await(t, "router", func(a AddrInfo) bool { return a.Gateway6.IsValid() })
	// The router may be known before its prefix has begun to be looked at.
	for i := 0; i < 200 && len(n.Addresses().IPv6) < 2; i++ {
		clock.Advance(time.Second)
		time.Sleep(time.Millisecond)
	}
	a := n.await(t, "global address", func(a AddrInfo) bool { return len(a.IPv6) == 2 })
	if a.IPv6[0] != netip.MustParsePrefix("2001:db8::ff:fe00:1/64") || a.Gateway6 != netip.MustParseAddr("fe80::fe") ||
		len(a.DNS) != 1 || a.DNS[0] != netip.MustParseAddr("2001:db8::53") {
		t.Errorf("%+v", a)
	}
	if hop := n.NextHop(netip.MustParseAddr("2001:db8::9")); hop != netip.MustParseAddr("2001:db8::9") {
		t.Errorf("next hop on the link: %v", hop)
	}
	if hop := n.NextHop(netip.MustParseAddr("2001:db9::9")); hop != a.Gateway6 {
		t.Errorf("next hop beyond: %v", hop)
	}
	clock.Advance(9001 * time.Second)
	n.await(t, "all expired", func(a AddrInfo) bool {
		return len(a.IPv6) == 1 && !a.Gateway6.IsValid() && len(a.DNS) == 0
	})
}

// BenchmarkReceiveUDP and BenchmarkTransmitUDP count what a datagram costs in
// garbage, from the driver to the socket and back.
func BenchmarkReceiveUDP(b *testing.B) {
	n := makeNode(b, nil)
	if _, err := n.ListenUDP("udp4", ":68"); err != nil {
		b.Fatal(err)
	}
	f := replyFrame(make([]byte, 64), []byte{10, 0, 0, 1})
	mac := n.port.dev.MAC()
	copy(f, mac[:])
	b.ReportAllocs()
	for b.Loop() {
		n.port.dev.Receive(f, 0) // the socket's buffer fills up; then they are dropped there
	}
}

func BenchmarkTransmitUDP(b *testing.B) {
	n := makeNode(b, nil)
	if err := n.gv.AddStaticNeighbor(nicID, 0x0800, tcpip.AddrFrom4([4]byte{10, 0, 0, 2}), serverMAC); err != nil {
		b.Fatal(err)
	}
	c, err := n.DialUDP("udp4", "10.0.0.2:9")
	if err != nil {
		b.Fatal(err)
	}
	msg := make([]byte, 64)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Write(msg); err != nil {
			b.Fatal(err)
		}
	}
}

package stack

import (
	"net/netip"
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	gv "gvisor.dev/gvisor/pkg/tcpip/stack"
)

func TestTheBroadcastAddressIsTheSubnetsLast(t *testing.T) {
	for prefix, want := range map[string]uint32{
		"10.77.0.2/24":    0x0a4d00ff,
		"192.168.1.5/30":  0xc0a80107,
		"10.0.0.1/8":      0x0affffff,
		"10.0.0.255/23":   0x0a0001ff,
		"192.168.1.5/31":  0,
		"192.168.1.5/32":  0,
		"255.255.255.1/0": 0xffffffff,
	} {
		if got := broadcastOf(netip.MustParsePrefix(prefix)); got != want {
			t.Errorf("%s: %#x, want %#x", prefix, got, want)
		}
	}
	if got := broadcastOf(netip.Prefix{}); got != 0 {
		t.Errorf("no prefix: %#x", got)
	}
}

// packet is an IPv4 header and the start of what it carries.
func packet(src, dst [4]byte, proto byte, port uint16) []byte {
	p := make([]byte, 28)
	p[0], p[9] = 0x45, proto
	copy(p[12:], src[:])
	copy(p[16:], dst[:])
	p[22], p[23] = byte(port>>8), byte(port)
	return p
}

func TestMartiansAreKnown(t *testing.T) {
	l := &link{hasSocket: func(id gv.TransportEndpointID) bool { return id.LocalPort == 7 }}
	l.broadcast.Store(0x0a4d00ff)
	us, peer, bcast := [4]byte{10, 77, 0, 2}, [4]byte{10, 77, 0, 1}, [4]byte{10, 77, 0, 255}
	const tcp, udp, icmp = 6, 17, 1
	for _, c := range []struct {
		name string
		to   tcpip.PacketType
		p    []byte
		want bool
	}{
		{"an ordinary datagram", tcpip.PacketHost, packet(peer, us, udp, 99), false},
		{"from nowhere", tcpip.PacketHost, packet([4]byte{}, us, icmp, 0), true},
		{"a broadcast", tcpip.PacketBroadcast, packet(peer, bcast, udp, 99), false},
		{"everybody's broadcast", tcpip.PacketBroadcast, packet(peer, [4]byte{255, 255, 255, 255}, udp, 68), false},
		{"multicast", tcpip.PacketMulticast, packet(peer, [4]byte{224, 0, 0, 1}, udp, 99), false},
		{"to us among all, nobody listens", tcpip.PacketBroadcast, packet(peer, us, udp, 99), true},
		{"to us among all, somebody listens", tcpip.PacketBroadcast, packet(peer, us, udp, 7), false},
		{"TCP among all", tcpip.PacketBroadcast, packet(peer, us, tcp, 7), true},
		{"ping among all", tcpip.PacketBroadcast, packet(peer, us, icmp, 0), false},
		{"short", tcpip.PacketBroadcast, []byte{0x45}, false},
		{"empty", tcpip.PacketHost, nil, false},
	} {
		if got := l.martian(header.IPv4ProtocolNumber, c.to, c.p); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	arp := make([]byte, header.ARPSize)
	copy(arp[24:], bcast[:])
	if !l.martian(header.ARPProtocolNumber, tcpip.PacketBroadcast, arp) {
		t.Error("ARP for the broadcast address is taken")
	}
	copy(arp[24:], us[:])
	if l.martian(header.ARPProtocolNumber, tcpip.PacketBroadcast, arp) || l.martian(header.ARPProtocolNumber, tcpip.PacketBroadcast, arp[:20]) {
		t.Error("ARP for us is not")
	}
}

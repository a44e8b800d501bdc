package systest

import (
	"bytes"
	"fmt"
	"net/netip"
	"sync/atomic"
	"testing"
)

// to4 and to6 are frames of ours to the guest.
func (w *wire) to4(packet []byte) []byte { return ethernet(w.guestMAC(), peerMAC, typeIPv4, packet) }
func (w *wire) to6(packet []byte) []byte { return ethernet(w.guestMAC(), peerMAC, typeIPv6, packet) }

// linkLocal is the guest's link-local address, which it makes of its MAC.
func (w *wire) linkLocal() netip.Addr {
	m := w.guestMAC()
	return netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80, 8: m[0] ^ 2, 9: m[1], 10: m[2], 11: 0xff, 12: 0xfe, 13: m[3], 14: m[4], 15: m[5]})
}

var pings atomic.Uint32

// echoes accepts the reply to a ping.
func echoes(src, dst netip.Addr, id, seq uint16, data []byte) func(packet) bool {
	typ := byte(echoReply)
	if src.Is6() {
		typ = echoReply6
	}
	rest := append(be.AppendUint16(be.AppendUint16(nil, id), seq), data...)
	return func(p packet) bool {
		return (p.proto == protoICMP || p.proto == protoICMPv6) && p.icmpType == typ && p.icmpCode == 0 &&
			p.from.Addr() == dst && p.to.Addr() == src && bytes.Equal(p.data, rest)
	}
}

// ping waits for the guest to answer an echo request with n bytes of data, and
// returns the answer.
func (w *wire) ping(n int) packet {
	w.t.Helper()
	seq := uint16(pings.Add(1))
	data := pattern(n)
	return w.ask(w.to4(ping(peerIP, guestIP, 0x7777, seq, data)), w.mark(), "an echo reply",
		echoes(peerIP, guestIP, 0x7777, seq, data))
}

// whoHas waits for the guest to answer an ARP request for a.
func (w *wire) whoHas(a netip.Addr) packet {
	w.t.Helper()
	return w.ask(ethernet(broadcastMAC, peerMAC, typeARP, arp(arpRequest, peerMAC, peerIP, mac{}, a)), w.mark(),
		fmt.Sprintf("an ARP reply for %v", a),
		func(p packet) bool { return p.typ == typeARP && p.arp.op == arpReply && p.arp.spa == a })
}

// reachable waits until the guest answers ARP and echo requests.
func (w *wire) reachable() {
	w.t.Helper()
	w.whoHas(guestIP)
	w.ping(56)
}

// silent puts frames on the wire and fails the test if the guest answers any
// of them: if it sends anything that reply accepts before it answers a ping,
// and a datagram to its echo port, that came behind them.
func (w *wire) silent(t *testing.T, what string, reply func(packet) bool, frames ...[]byte) {
	t.Helper()
	from := w.mark()
	for _, f := range frames {
		w.send(f)
	}
	w.ping(8)
	w.udpEcho([]byte(what))
	for _, p := range w.since(from) {
		if reply(p) {
			t.Errorf("%s: answered by %v", what, p)
		}
	}
}

// udpEcho waits for the guest's echo port to return data.
func (w *wire) udpEcho(data []byte) {
	w.t.Helper()
	us, it := netip.AddrPortFrom(peerIP, 40007), netip.AddrPortFrom(guestIP, portEcho)
	w.ask(w.to4(udp(us, it, data)), w.mark(), "a UDP echo", func(p packet) bool {
		return p.proto == protoUDP && p.from == it && p.to == us && bytes.Equal(p.data, data)
	})
}

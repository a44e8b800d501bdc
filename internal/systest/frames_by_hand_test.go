package systest

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"
)

func TestFramesMadeByHandAreAnsweredAsTheStandardsSay(t *testing.T) {
	t.Parallel()
	g, w := bootWire(t, staticIP)
	g.line("http: listening")
	t.Run("an ARP request is answered to its sender with our address", func(t *testing.T) {
		p := w.whoHas(guestIP)
		if m := w.guestMAC(); p.dst != peerMAC || p.src != m || p.arp.sha != m || p.arp.tha != peerMAC || p.arp.tpa != peerIP {
			t.Errorf("%v", p)
		}
	})
	t.Run("an echo request of any size comes back", func(t *testing.T) {
		for _, n := range []int{0, 1, 7, 18, 19, 56, 1471, 1472} {
			if p := w.ping(n); p.dst != peerMAC {
				t.Errorf("%d bytes: to %x", n, p.dst)
			}
		}
	})
	t.Run("an echo request in fragments comes back, in any order", func(t *testing.T) { testFragments(t, w) })
	t.Run("an IPv6 neighbour is found and answers echo requests", func(t *testing.T) { testIPv6(t, w) })
	t.Run("a datagram to a closed port is reported to its sender", func(t *testing.T) { testClosedUDP(t, w) })
	t.Run("a SYN to a closed port is reset", func(t *testing.T) {
		us, it := netip.AddrPortFrom(peerIP, 41000), netip.AddrPortFrom(guestIP, 4242)
		p := w.ask(w.to4(tcp(us, it, 77, 0, tcpSYN, nil)), w.mark(), "a reset", func(p packet) bool {
			return p.proto == protoTCP && p.from == it && p.to == us
		})
		if p.flags != tcpRST|tcpACK || p.ack != 78 || p.seq != 0 {
			t.Errorf("%v seq %d ack %d", p, p.seq, p.ack)
		}
	})
	t.Run("an off-link sender is answered through the gateway", func(t *testing.T) {
		far := netip.MustParseAddr("192.0.2.5")
		p := w.ask(w.to4(ping(far, guestIP, 1, 1, nil)), w.mark(), "an echo reply", echoes(far, guestIP, 1, 1, nil))
		if p.dst != peerMAC {
			t.Errorf("%v", p)
		}
	})
	t.Run("HTTP is served to a TCP of single segments", func(t *testing.T) {
		if page, err := w.fetch("GET", "/"); err != nil || !bytes.Contains([]byte(page), []byte("10.77.0.2/24")) {
			t.Errorf("%v\n%s", err, page)
		}
	})
	g.unharmed()
}

func testFragments(t *testing.T, w *wire) {
	data := pattern(3000)
	whole := ping(peerIP, guestIP, 9, 0, data)[20:]
	for i, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 2, 0}} {
		id := uint16(100 + i)
		be.PutUint16(whole[6:], id) // the sequence number
		seal(peerIP, guestIP, protoICMP, whole)
		from := w.mark()
		for _, k := range order {
			flags, end := uint16(k*1400/8), (k+1)*1400
			if end < len(whole) {
				flags |= moreFragments
			}
			part := whole[k*1400 : min(end, len(whole))]
			w.send(w.to4(fragment(peerIP, guestIP, protoICMP, id, flags, part)))
		}
		// The reply is longer than a frame, so it comes in fragments too.
		got := make([]byte, len(whole))
		for n := 0; n < len(whole); {
			p := w.await(from, "a fragment of the reply", func(p packet) bool {
				from++
				return p.proto == protoICMP && p.frag && p.from.Addr() == guestIP
			})
			n += copy(got[p.offset:], p.transport)
		}
		if onesSum(got) != 0xffff || got[0] != echoReply || !bytes.Equal(got[8:], data) {
			t.Errorf("order %v: the reply differs", order)
		}
	}
}

func testIPv6(t *testing.T, w *wire) {
	it := w.linkLocal()
	group := solicitedNode(it)
	solicit := icmp(peerIP6, group, neighborSolicit, 0, neighbor(0, it, 1, peerMAC))
	for _, tt := range []struct {
		how   string
		frame []byte
	}{
		{"to the group", ethernet(groupMAC(group), peerMAC, typeIPv6, solicit)},
		{"to the node", w.to6(icmp(peerIP6, it, neighborSolicit, 0, neighbor(0, it, 1, peerMAC)))},
	} {
		p := w.ask(tt.frame, w.mark(), "a neighbour advertisement", func(p packet) bool {
			return p.proto == protoICMPv6 && p.icmpType == neighborAdvert && p.to.Addr() == peerIP6
		})
		// Flags: solicited and override, no router.
		m := w.guestMAC()
		if want := append([]byte{0x60, 0, 0, 0}, it.AsSlice()...); !bytes.HasPrefix(p.data, want) || p.from.Addr() != it || p.hops != 255 {
			t.Errorf("%s: %v, % x", tt.how, p, p.data)
		} else if opt := append([]byte{2, 1}, m[:]...); !bytes.Equal(p.data[20:], opt) {
			t.Errorf("%s: options % x", tt.how, p.data[20:])
		}
	}
	for _, n := range []int{0, 1, 56, 1452} {
		w.ask(w.to6(ping(peerIP6, it, 5, uint16(n), pattern(n))), w.mark(), "an echo reply",
			echoes(peerIP6, it, 5, uint16(n), pattern(n)))
	}
}

func testClosedUDP(t *testing.T, w *wire) {
	us, it := netip.AddrPortFrom(peerIP, 41001), netip.AddrPortFrom(guestIP, 4242)
	sent := udp(us, it, []byte("anybody there?"))
	p := w.ask(w.to4(sent), w.mark(), "an ICMP error", func(p packet) bool {
		return p.proto == protoICMP && p.icmpType == unreachable
	})
	// Port unreachable, and behind four unused bytes what was sent.
	if p.icmpCode != 3 || p.to.Addr() != peerIP || !bytes.HasPrefix(sent, p.data[4:]) || len(p.data) < 4+28 {
		t.Errorf("%v, % x", p, p.data)
	}
}

func TestAnAddressIsAnsweredForOnlyIfItIsOurs(t *testing.T) {
	t.Parallel()
	g, w := bootWire(t, staticIP)
	g.line("http: listening")
	other := netip.MustParseAddr("10.77.0.3")
	answered := func(p packet) bool { return p.typ == typeARP && p.arp.op == arpReply }
	ask := func(sha mac, spa, tpa netip.Addr) []byte {
		return ethernet(broadcastMAC, peerMAC, typeARP, arp(arpRequest, sha, spa, mac{}, tpa))
	}
	w.silent(t, "ARP for somebody else", answered, ask(peerMAC, peerIP, other), ask(peerMAC, peerIP, peerIP),
		ask(peerMAC, peerIP, netip.MustParseAddr("10.77.0.255")), ask(peerMAC, peerIP, netip.IPv4Unspecified()))
	w.silent(t, "an ARP reply nobody asked for", answered,
		ethernet(w.guestMAC(), peerMAC, typeARP, arp(arpReply, peerMAC, peerIP, w.guestMAC(), guestIP)))
	for i := range 28 {
		f := ask(peerMAC, peerIP, guestIP)[:14+i]
		w.silent(t, fmt.Sprintf("ARP cut after %d bytes", i), answered, f)
	}
	it := w.linkLocal()
	na := func(p packet) bool { return p.proto == protoICMPv6 && p.icmpType == neighborAdvert }
	group := solicitedNode(it)
	near := ip(peerIP6, group, protoICMPv6, seal(peerIP6, group, protoICMPv6,
		append([]byte{neighborSolicit, 0, 0, 0}, neighbor(0, it, 1, peerMAC)...)))
	near[7] = 254 // it came through a router
	stranger := netip.MustParseAddr("fe80::1234")
	w.silent(t, "a solicitation from afar", na, ethernet(groupMAC(group), peerMAC, typeIPv6, near))
	w.silent(t, "a solicitation for somebody else", na,
		w.to6(icmp(peerIP6, it, neighborSolicit, 0, neighbor(0, stranger, 1, peerMAC))))
	g.unharmed()
}

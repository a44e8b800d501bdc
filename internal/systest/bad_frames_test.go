package systest

import (
	"net/netip"
	"testing"
)

func TestWhatIsWrongIsNeverAnsweredAndCounted(t *testing.T) {
	t.Parallel()
	g, w := bootWire(t, staticIP)
	g.line("http: listening")
	w.reachable()
	for _, tt := range badFrames(w) {
		t.Run(tt.what, func(t *testing.T) {
			before := w.stats()
			w.silent(t, tt.what, func(p packet) bool {
				return !(p.typ == typeARP && p.arp.op == arpRequest) && // it may look for us
					p.from.Port() != portEcho && p.from.Port() != portHTTP && // the fence, the counters
					!(p.icmpType == echoReply && len(p.data) == 12) && p.proto != protoICMPv6
			}, tt.frames...)
			after := w.stats()
			if tt.counter == nil {
				return
			}
			b, a := tt.counter(&before.Interfaces[0]), tt.counter(&after.Interfaces[0])
			if a-b < uint64(len(tt.frames)) {
				t.Errorf("%d frames, the counter went from %d to %d", len(tt.frames), b, a)
			}
			consistent(t, &after.Interfaces[0])
		})
	}
	g.unharmed()
}

type badFrame struct {
	what    string
	counter func(*ifStats) uint64 // grows by at least one each
	frames  [][]byte
}

// badFrames are all kinds of frames that no host may answer. Each would be
// answered if what is wrong with it were right.
func badFrames(w *wire) []badFrame {
	good := func() []byte { return w.to4(ping(peerIP, guestIP, 1, 1, pattern(100))) }
	change := func(f []byte, do func(f, ip []byte)) []byte { do(f, f[14:]); return f }
	edit := func(do func(f, ip []byte)) []byte { return change(good(), do) }
	header := func(do func(h []byte)) []byte {
		return edit(func(_, ip []byte) { do(ip[:20]); sealIP(ip[:20]) })
	}
	us, echo := netip.AddrPortFrom(peerIP, 40008), netip.AddrPortFrom(guestIP, portDiscard)
	closed, web := netip.AddrPortFrom(guestIP, 4242), netip.AddrPortFrom(guestIP, portHTTP)
	from := func(src string) []byte {
		return w.to4(ping(netip.MustParseAddr(src), guestIP, 1, 1, pattern(100)))
	}
	link := func(name string) func(*ifStats) uint64 {
		return func(s *ifStats) uint64 { return s.Stack.Link[name] }
	}
	return []badFrame{
		{"for another station", func(s *ifStats) uint64 { return s.Stack.Link["InOtherHost"] + s.driver("rx_other_host") },
			[][]byte{
				edit(func(f, _ []byte) { f[5] ^= 1 }),
				edit(func(f, _ []byte) { f[0] ^= 0x40 }),
			}},
		{"from a group address", link("InBadSource"), [][]byte{
			edit(func(f, _ []byte) { f[6] |= 1 }),
			edit(func(f, _ []byte) { copy(f[6:], broadcastMAC[:]) }),
		}},
		{"of unknown type", link("InUnknownProtos"), [][]byte{
			edit(func(f, _ []byte) { be.PutUint16(f[12:], 0x88b5) }),
			edit(func(f, _ []byte) { be.PutUint16(f[12:], 0xffff) }),
			edit(func(f, _ []byte) { be.PutUint16(f[12:], 0x8100) }),
		}},
		{"with a length for a type", link("InLengthField"), [][]byte{
			edit(func(f, _ []byte) { be.PutUint16(f[12:], 0) }),
			edit(func(f, _ []byte) { be.PutUint16(f[12:], 1500) }),
		}},
		{"with a bad IP header", func(s *ifStats) uint64 { return s.Stack.IP["InHdrErrors"] }, [][]byte{
			edit(func(_, ip []byte) { ip[10] ^= 1 }),                             // checksum
			edit(func(_, ip []byte) { ip[8] = 1 }),                               // no longer fits it
			header(func(h []byte) { h[0] = 0x65 }),                               // version
			header(func(h []byte) { h[0] = 0x44 }),                               // header too short
			header(func(h []byte) { h[0] = 0x4f }),                               // options that are no options
			header(func(h []byte) { be.PutUint16(h[2:], 19) }),                   // total length within the header
			header(func(h []byte) { be.PutUint16(h[2:], 1400) }),                 // and beyond the frame
			header(func(h []byte) { be.PutUint16(h[6:], 0x1fff|moreFragments) }), // beyond 64 KiB
		}},
		{"with an IP header that is cut", func(s *ifStats) uint64 { return s.Stack.IP["InHdrErrors"] }, func() (fs [][]byte) {
			for n := range 20 {
				fs = append(fs, good()[:14+n])
			}
			return fs
		}()},
		{"with a bad ICMP checksum", func(s *ifStats) uint64 { return s.Stack.ICMP["InErrors"] }, [][]byte{
			edit(func(_, ip []byte) { ip[22] ^= 1 }),
			edit(func(_, ip []byte) { ip[len(ip)-1] ^= 1 }),
			edit(func(_, ip []byte) { ip[20] = 0xff }),
		}},
		{"with a bad UDP checksum", func(s *ifStats) uint64 { return s.Stack.UDP["InCsumErrors"] }, [][]byte{
			change(w.to4(udp(us, echo, []byte("hello, world!..........."))), func(_, ip []byte) { ip[30] ^= 1 }),
			change(w.to4(udp(us, closed, []byte("hello, world!..........."))), func(_, ip []byte) { ip[26] ^= 1 }),
		}},
		{"with a bad TCP checksum", func(s *ifStats) uint64 { return s.Stack.TCP["InCsumErrors"] + s.Stack.IP["InMalformedL4"] }, [][]byte{
			change(w.to4(tcp(us, web, 1, 0, tcpSYN, nil)), func(_, ip []byte) { ip[36] ^= 1 }),
			change(w.to4(tcp(us, closed, 1, 0, tcpSYN, nil)), func(_, ip []byte) { ip[37] ^= 1 }),
		}},
		{"for another address", func(s *ifStats) uint64 { return s.Stack.IP["InAddrErrors"] }, [][]byte{
			w.to4(ping(peerIP, netip.MustParseAddr("10.77.0.3"), 1, 1, pattern(100))),
			w.to4(ping(peerIP, netip.MustParseAddr("192.0.2.1"), 1, 1, pattern(100))),
			w.to4(ping(peerIP, netip.MustParseAddr("127.0.0.1"), 1, 1, pattern(100))),
		}},
		{"from an address that no host can have", nil, [][]byte{
			from("255.255.255.255"), from("10.77.0.255"), from("224.0.0.1"), from("127.0.0.1"), from("10.77.0.2"), from("0.0.0.0"),
		}},
		{"a broadcast to a closed port", nil, [][]byte{
			ethernet(broadcastMAC, peerMAC, typeIPv4, udp(us, netip.MustParseAddrPort("10.77.0.255:4242"), pattern(20))),
			ethernet(broadcastMAC, peerMAC, typeIPv4, udp(us, netip.MustParseAddrPort("255.255.255.255:4242"), pattern(20))),
			ethernet(broadcastMAC, peerMAC, typeIPv4, udp(us, closed, pattern(20))), // RFC 1122, 3.2.2
		}},
		{"a broadcast SYN", nil, [][]byte{
			ethernet(broadcastMAC, peerMAC, typeIPv4, tcp(us, web, 1, 0, tcpSYN, nil)), // RFC 1122, 4.2.3.10
			ethernet(broadcastMAC, peerMAC, typeIPv4, tcp(us, netip.MustParseAddrPort("10.77.0.255:80"), 1, 0, tcpSYN, nil)),
		}},
		{"an ICMP error about nothing", nil, [][]byte{
			w.to4(icmp(peerIP, guestIP, unreachable, 3, pattern(4))),
			w.to4(icmp(peerIP, guestIP, unreachable, 3, append(make([]byte, 4), udp(echo, us, nil)...))),
		}},
		{"runts", func(s *ifStats) uint64 {
			return s.driver("rx_runt") + s.driver("rx_short") + s.Stack.Link["InTooShort"] +
				s.Stack.Link["InLengthField"] + s.Stack.IP["InHdrErrors"] + s.Stack.Link["InOtherHost"] + s.Stack.Link["InUnknownProtos"]
		}, func() (fs [][]byte) {
			for n := 1; n < 34; n++ {
				fs = append(fs, good()[:n])
			}
			return fs
		}()},
		{"longer than any frame", func(s *ifStats) uint64 {
			return s.driver("rx_too_long") + s.driver("rx_truncated") + s.driver("rx_multi_bd") + s.driver("rx_babble")
		}, func() (fs [][]byte) {
			for _, n := range []int{1519, 1532, 1536, 1600, 2000, 2044, 2048, 2049, 4096, 9000} {
				if killsQEMU(n) {
					continue
				}
				fs = append(fs, w.to4(ping(peerIP, guestIP, 1, 1, pattern(n-42))))
			}
			return fs
		}()},
	}
}

package systest

import (
	"math/rand/v2"
	"net/netip"
	"testing"
)

// The seed is fixed, so that what fails once fails again.
const (
	randomFrames = 10000
	randomBatch  = 100
)

func TestTenThousandRandomFramesDoNoHarm(t *testing.T) {
	t.Parallel()
	g, w := bootWire(t, staticIP)
	g.line("http: listening")
	w.reachable()
	rng := rand.New(rand.NewPCG(2000, 7))
	seeds := seedFrames(w)
	for i := range randomFrames / randomBatch {
		for range randomBatch {
			if f := randomFrame(rng, w.guestMAC(), seeds); !killsQEMU(len(f)) {
				w.send(f)
			}
		}
		w.ping(i) // which also keeps us from being faster than it is
	}
	w.reachable()
	w.udpEcho([]byte("still there?"))
	s := w.stats()
	if n := s.Interfaces[0].driver("rx_good"); n < randomFrames/2 {
		t.Errorf("only %d frames came through the driver", n)
	}
	consistent(t, &s.Interfaces[0])
	g.unharmed()
}

// killsQEMU tells whether a frame of n bytes would be the end of the emulator
// and not of the firmware: QEMU 7.2's model of the MAC (imx_fec_receive) crashes
// if the FCS falls on the boundary of two receive buffers, because it then
// computes a negative length. The sizes are those that buffers have or may get.
func killsQEMU(n int) bool {
	for _, size := range []int{1536, 2048} {
		if over := (n + 4) % size; n > 1500 && over >= 1 && over <= 3 {
			return true
		}
	}
	return false
}

// seedFrames are good frames of every kind, to be damaged.
func seedFrames(w *wire) [][]byte {
	it := w.linkLocal()
	us, web, echo := netip.AddrPortFrom(peerIP, 42000), netip.AddrPortFrom(guestIP, portHTTP), netip.AddrPortFrom(guestIP, portEcho)
	us6, web6 := netip.AddrPortFrom(peerIP6, 42000), netip.AddrPortFrom(it, portHTTP)
	group := solicitedNode(it)
	router := append([]byte{64, 0, 0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1}, peerMAC[:]...)
	return [][]byte{
		ethernet(broadcastMAC, peerMAC, typeARP, arp(arpRequest, peerMAC, peerIP, mac{}, guestIP)),
		w.to4(ping(peerIP, guestIP, 3, 3, pattern(64))),
		w.to4(fragment(peerIP, guestIP, protoICMP, 7, moreFragments, pattern(64))),
		w.to4(fragment(peerIP, guestIP, protoUDP, 7, 8, pattern(64))),
		w.to4(udp(us, echo, pattern(64))),
		w.to4(tcp(us, web, 1, 0, tcpSYN, nil)),
		w.to4(tcp(us, web, 2, 1, tcpACK, pattern(64))),
		w.to4(icmp(peerIP, guestIP, unreachable, 4, append([]byte{0, 0, 2, 64}, udp(echo, us, pattern(8))...))),
		w.to4(udp(netip.AddrPortFrom(peerIP, 67), netip.AddrPortFrom(guestIP, 68), pattern(300))),
		w.to6(ping(peerIP6, it, 3, 3, pattern(64))),
		w.to6(tcp(us6, web6, 1, 0, tcpSYN, nil)),
		ethernet(groupMAC(group), peerMAC, typeIPv6, icmp(peerIP6, group, neighborSolicit, 0, neighbor(0, it, 1, peerMAC))),
		w.to6(icmp(peerIP6, it, 134, 0, router)),                                            // router advertisement
		w.to6(ip(peerIP6, it, 0, append([]byte{58, 0, 5, 2, 0, 0, 1, 0}, pattern(24)...))),  // hop-by-hop options
		w.to6(ip(peerIP6, it, 44, append([]byte{58, 0, 0, 1, 0, 0, 0, 1}, pattern(64)...))), // fragment
	}
}

// randomFrame is either nothing but random behind an address and type that
// get it far, or a good frame with a few bytes changed and cut or grown.
func randomFrame(rng *rand.Rand, guest mac, seeds [][]byte) []byte {
	noise := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		return b
	}
	if rng.IntN(2) == 0 {
		f := noise(14 + rng.IntN(1600))
		copy(f, [][]byte{guest[:], broadcastMAC[:], {0x33, 0x33, 0, 0, 0, 1}, {1, 0, 0x5e, 0, 0, 1}}[rng.IntN(4)])
		f[6] &^= 1
		be.PutUint16(f[12:], []uint16{typeIPv4, typeIPv6, typeARP}[rng.IntN(3)])
		if len(f) > 14 && rng.IntN(4) > 0 {
			f[14] = map[byte]byte{0x00: 0x45, 0xdd: 0x60}[f[13]]
		}
		return f
	}
	f := append([]byte(nil), seeds[rng.IntN(len(seeds))]...)
	for range 1 + rng.IntN(4) {
		f[12+rng.IntN(len(f)-12)] = byte(rng.Uint32())
	}
	// Mostly with right checksums, so that it gets further.
	if f[12] == 8 && f[13] == 0 && len(f) >= 34 && rng.IntN(4) > 0 {
		if n := int(f[14]&0xf) * 4; n >= 20 && 14+n <= len(f) {
			sealIP(f[14 : 14+n])
		}
	}
	switch rng.IntN(4) {
	case 0:
		f = f[:1+rng.IntN(len(f))]
	case 1:
		f = append(f, noise(rng.IntN(200))...)
	}
	return f
}

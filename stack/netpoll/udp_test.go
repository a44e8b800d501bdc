package netpoll

import (
	"bytes"
	"net/netip"
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// port is a handler that keeps what it gets.
type port struct {
	take    bool
	discard bool // takes and keeps nothing
	from    []Peer
	got     []string
	work    int
	onWork  func()
}

func (p *port) Datagram(from *Peer, payload []byte) bool {
	if p.take {
		p.from, p.got = append(p.from, *from), append(p.got, string(payload))
	}
	return p.take || p.discard
}
func (p *port) Work() {
	p.work++
	if p.onWork != nil {
		p.onWork()
	}
}

// udpFrame is a datagram to us.
func udpFrame(dst, src netip.Addr, sport, dport uint16, payload []byte) []byte {
	u := make(header.UDP, 8, 8+len(payload))
	u.Encode(&header.UDPFields{SrcPort: sport, DstPort: dport, Length: uint16(8 + len(payload))})
	xsum := header.PseudoHeaderChecksum(header.UDPProtocolNumber, addr4(src), addr4(dst), uint16(8+len(payload)))
	u.SetChecksum(^u.CalculateChecksum(checksum.Checksum(payload, xsum)))
	u = append(u, payload...)
	if dst.Is6() {
		ip := make(header.IPv6, header.IPv6MinimumSize)
		ip.Encode(&header.IPv6Fields{PayloadLength: uint16(len(u)), TransportProtocol: 17, HopLimit: 64, SrcAddr: addr4(src), DstAddr: addr4(dst)})
		return ethFrame(ourMAC, typeIPv6, append(ip, u...))
	}
	ip := make(header.IPv4, header.IPv4MinimumSize)
	ip.Encode(&header.IPv4Fields{TotalLength: uint16(len(ip) + len(u)), TTL: 9, Protocol: 17, SrcAddr: addr4(src), DstAddr: addr4(dst)})
	ip.SetChecksum(^ip.CalculateChecksum())
	return ethFrame(ourMAC, typeIPv4, append(ip, u...))
}

// tagged is a frame in a VLAN.
func tagged(id uint16, f []byte) []byte {
	t := append(bytes.Clone(f[:12]), typeVLAN>>8, typeVLAN&0xff, byte(id>>8), byte(id))
	return append(t, f[12:]...)
}

func TestADatagramToAHandlersPortIsItsAlone(t *testing.T) {
	w := &wire{}
	e, _ := setup(t, w)
	other, h := &port{}, &port{take: true}
	h.onWork = func() { e.SendUDP(dest(t, peer4), []byte("answer")) }
	for _, x := range []*port{other, h} {
		if err := e.HandleUDP(6665, x); err != nil {
			t.Fatal(err)
		}
	}
	for _, payload := range []string{"", "x", "ncrx5 6 7"} {
		if !e.Filter(udpFrame(our4, peer4, 6666, 6665, []byte(payload))) || !e.Filter(udpFrame(our6, peer6, 6666, 6665, []byte(payload))) {
			t.Error("not taken")
		}
	}
	want := Peer{Port: 6666}
	copy(want.IP[:], peer4.AsSlice())
	if len(h.got) != 6 || h.got[4] != "ncrx5 6 7" || h.from[4] != want || !h.from[5].V6 || !dest(t, peer4).From(&h.from[4]) || !dest(t, peer6).From(&h.from[5]) || dest(t, peer4).From(&h.from[5]) {
		t.Errorf("%q from %+v", h.got, h.from)
	}
	if h.work != 6 || len(w.sent) != 6 {
		t.Errorf("%d chances to answer, %d answers", h.work, len(w.sent))
	}
	h.take = false
	if e.Filter(udpFrame(our4, peer4, 6666, 6665, nil)) || e.Filter(udpFrame(our4, peer4, 6666, 7, nil)) || h.work != 6 {
		t.Error("the stack does not get what is not for the handler")
	}
	e.RemoveUDP(h)
	e.RemoveUDP(other)
	h.take = true
	if e.Filter(udpFrame(our4, peer4, 6666, 6665, nil)) || e.udp.n.Load() != 0 {
		t.Error("taken by a handler that was removed")
	}
	for range maxHandlers {
		if err := e.HandleUDP(1, &port{}); err != nil {
			t.Fatal(err)
		}
	}
	if e.HandleUDP(1, &port{}) == nil {
		t.Error("no bound")
	}
}

func TestDatagramsAreTakenInAPanic(t *testing.T) {
	e, w := dying(t)
	h := &port{take: true}
	h.onWork = func() { e.SendUDP(dest(t, peer4), []byte("answer")) }
	e.HandleUDP(6665, h)
	w.rx = [][]byte{udpFrame(our4, peer4, 6666, 6665, []byte("a")), udpFrame(our6, peer6, 6666, 6665, []byte("b"))}
	e.Poll(8)
	if len(h.got) != 2 || h.work == 0 || len(w.sent) == 0 || string(checkUDP(t, w.sent[0], our4, peer4)[:6]) != "answer" {
		t.Errorf("%q, %d chances, %d frames", h.got, h.work, len(w.sent))
	}
}

func TestWrongDatagramsAreNotTaken(t *testing.T) {
	good := udpFrame(our4, peer4, 6666, 6665, []byte("abc"))
	good6 := udpFrame(our6, peer6, 6666, 6665, []byte("abc"))
	change := func(f []byte, at int, v byte) []byte {
		f = bytes.Clone(f)
		f[at] = v
		return f
	}
	for name, f := range map[string][]byte{
		"other address":  udpFrame(peer4, our4, 6666, 6665, nil),
		"other address6": udpFrame(peer6, our6, 6666, 6665, nil),
		"IP checksum":    change(good, 24, good[24]+1),
		"checksum":       change(good, 44, 'x'),
		"checksum6":      change(good6, 64, 'x'),
		"no checksum6":   change(change(good6, 60, 0), 61, 0),
		"length":         change(good, 39, 200),
		"length small":   change(good, 39, 7),
		"cut":            good[:40],
		"cut6":           good6[:58],
		"header length":  change(good, 14, 0x4f),
		"TCP":            change(good, 23, 6),
		"fragment":       change(good, 20, 0x20),
	} {
		e, _ := setup(t, &wire{})
		h := &port{take: true}
		e.HandleUDP(6665, h)
		if e.Filter(f) || len(h.got) != 0 {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestAVLANIsNetpollsOwn(t *testing.T) {
	for _, panicked := range []bool{false, true} {
		w := &wire{}
		e, _ := setup(t, w)
		vlan4, vlan6 := netip.MustParseAddr("10.9.0.2"), netip.MustParseAddr("fd09::2")
		if !e.SetVLANAddrs(VLANAddr{100, vlan4}, VLANAddr{100, vlan6}) {
			t.Fatal("no room")
		}
		if panicked {
			e.Panic()
		}
		h := &port{take: true}
		e.HandleUDP(6665, h)
		ask := tagged(100, arpFrame(1, vlan4))
		input := func(f []byte) bool {
			if !panicked {
				return e.Filter(f)
			}
			w.rx = [][]byte{f}
			e.Poll(1)
			return true
		}
		if !input(ask) || len(w.sent) != 1 || [4]byte(w.sent[0][12:16]) != [4]byte{0x81, 0, 0, 100} || w.sent[0][17] != 6 || w.sent[0][25] != 2 {
			t.Fatalf("%x", w.sent)
		}
		w.sent = nil
		input(tagged(100, ns6(vlan6)))
		input(tagged(100, udpFrame(vlan4, peer4, 6666, 6665, []byte("x"))))
		if len(w.sent) != 1 || len(h.got) != 1 || h.from[0].VLAN != 100 {
			t.Errorf("%x, %q", w.sent, h.got)
		}
		w.sent = nil
		for name, f := range map[string][]byte{
			"the interface's address": tagged(100, arpFrame(1, our4)),
			"another VLAN":            tagged(101, arpFrame(1, vlan4)),
			"no VLAN":                 arpFrame(1, vlan4),
			"twice":                   tagged(100, ask),
			"cut":                     ask[:17],
		} {
			if input(f); len(w.sent) != 0 {
				t.Errorf("%s: answered %x", name, w.sent)
			}
		}
		if !panicked && (e.Filter(tagged(101, arpFrame(1, vlan4))) || e.Filter(arpFrame(1, vlan4))) {
			t.Error("took what is not its own")
		}

		// The way out.
		d := dest(t, peer4)
		d.SetVLAN(100)
		if e.SendUDP(d, []byte("x")) {
			t.Error("sent into a VLAN from the interface's address")
		}
		d.SetSource(vlan4)
		if panicked {
			w.answer = func([]byte) { w.rx = [][]byte{tagged(100, arpFrame(2, vlan4))} }
		}
		e.Resolve(d)
		e.Filter(arpFrame(2, our4)) // the same address outside of the VLAN is somebody else
		if len(w.sent) != 1 || w.sent[0][12] != 0x81 {
			t.Fatalf("asked %x", w.sent)
		}
		input(tagged(100, arpFrame(2, vlan4)))
		if !e.Resolve(d) || d.MAC != peerMAC {
			t.Errorf("%x", d.MAC)
		}
		w.sent, w.answer = nil, nil
		e.SendUDP(d, []byte("line"))
		if f := w.sent[0]; [4]byte(f[12:16]) != [4]byte{0x81, 0, 0, 100} ||
			!bytes.HasPrefix(checkUDP(t, append(bytes.Clone(f[:12]), f[16:]...), vlan4, peer4), []byte("line")) {
			t.Errorf("%x", f)
		}
	}
}

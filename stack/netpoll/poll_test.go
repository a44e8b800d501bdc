package netpoll

import (
	"bytes"
	"net/netip"
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

func addr4(a netip.Addr) tcpip.Address { return tcpip.AddrFromSlice(a.AsSlice()) }

func ethFrame(dst [6]byte, typ uint16, payload []byte) []byte {
	f := append(append(bytes.Clone(dst[:]), peerMAC[:]...), byte(typ>>8), byte(typ))
	f = append(f, payload...)
	for len(f) < 60 {
		f = append(f, 0)
	}
	return f
}

func arpFrame(op uint16, target netip.Addr) []byte {
	p := make(header.ARP, header.ARPSize)
	p.SetIPv4OverEthernet()
	p.SetOp(header.ARPOp(op))
	copy(p.HardwareAddressSender(), peerMAC[:])
	copy(p.ProtocolAddressSender(), peer4.AsSlice())
	copy(p.ProtocolAddressTarget(), target.AsSlice())
	return ethFrame(Broadcast, typeARP, p)
}

func echo4(payload []byte) []byte {
	icmp := header.ICMPv4(append(make([]byte, 8), payload...))
	icmp.SetType(header.ICMPv4Echo)
	icmp.SetIdent(77)
	icmp.SetSequence(3)
	icmp.SetChecksum(header.ICMPv4Checksum(icmp, 0))
	ip := make(header.IPv4, header.IPv4MinimumSize)
	ip.Encode(&header.IPv4Fields{
		TotalLength: uint16(len(ip) + len(icmp)), TTL: 9, Protocol: 1, SrcAddr: addr4(peer4), DstAddr: addr4(our4),
	})
	ip.SetChecksum(^ip.CalculateChecksum())
	return ethFrame(ourMAC, typeIPv4, append(ip, icmp...))
}

func icmp6(dst netip.Addr, dstMAC [6]byte, hops uint8, icmp header.ICMPv6) []byte {
	icmp.SetChecksum(header.ICMPv6Checksum(header.ICMPv6ChecksumParams{Header: icmp, Src: addr4(peer6), Dst: addr4(dst)}))
	ip := make(header.IPv6, header.IPv6MinimumSize)
	ip.Encode(&header.IPv6Fields{
		PayloadLength: uint16(len(icmp)), TransportProtocol: 58, HopLimit: hops, SrcAddr: addr4(peer6), DstAddr: addr4(dst),
	})
	return ethFrame(dstMAC, typeIPv6, append(ip, icmp...))
}

func ns6(target netip.Addr) []byte {
	icmp := make(header.ICMPv6, 24)
	icmp.SetType(header.ICMPv6NeighborSolicit)
	copy(icmp[8:], target.AsSlice())
	return icmp6(netip.MustParseAddr("ff02::1:ff00:1"), [6]byte{0x33, 0x33, 0xff, 0, 0, 1}, 255, icmp)
}

func echo6(payload []byte) []byte {
	icmp := header.ICMPv6(append(make([]byte, 8), payload...))
	icmp.SetType(header.ICMPv6EchoRequest)
	return icmp6(our6, ourMAC, 64, icmp)
}

// dying returns an endpoint in a panic.
func dying(t testing.TB) (*Endpoint, *wire) {
	w := &wire{}
	e, _ := setup(t, w)
	e.Panic()
	return e, w
}

func TestARPForOurAddressIsAnswered(t *testing.T) {
	e, w := dying(t)
	w.rx = [][]byte{arpFrame(1, our4), arpFrame(1, peer4), arpFrame(2, our4)}
	if n := e.Poll(10); n != 3 || len(w.sent) != 1 {
		t.Fatalf("%d frames, %d answers", n, len(w.sent))
	}
	f := w.sent[0]
	p := header.ARP(f[14:])
	if !p.IsValid() || p.Op() != header.ARPReply || [6]byte(f[:6]) != peerMAC ||
		!bytes.Equal(p.HardwareAddressSender(), ourMAC[:]) || !bytes.Equal(p.ProtocolAddressSender(), our4.AsSlice()) ||
		!bytes.Equal(p.HardwareAddressTarget(), peerMAC[:]) || !bytes.Equal(p.ProtocolAddressTarget(), peer4.AsSlice()) {
		t.Errorf("%x", f)
	}
}

func TestEchoRequestsOfEveryLengthAreAnswered(t *testing.T) {
	e, w := dying(t)
	payload := bytes.Repeat([]byte("ping\xff\x01"), 300)
	for n := 0; n <= 1472; n++ {
		w.sent, w.rx = nil, [][]byte{echo4(payload[:n])}
		e.Poll(1)
		if len(w.sent) != 1 {
			t.Fatalf("%d bytes: no answer", n)
		}
		ip := header.IPv4(w.sent[0][14:])
		icmp := header.ICMPv4(ip.Payload())
		if !ip.IsChecksumValid() || ip.SourceAddress() != addr4(our4) || ip.DestinationAddress() != addr4(peer4) ||
			icmp.Type() != header.ICMPv4EchoReply || icmp.Ident() != 77 || icmp.Sequence() != 3 ||
			!bytes.Equal(icmp.Payload(), payload[:n]) || checksum.Checksum(icmp, 0) != 0xffff {
			t.Fatalf("%d bytes: %x", n, w.sent[0])
		}
	}
	if e.Stats().Echo != 1473 {
		t.Errorf("%+v", e.Stats())
	}
}

func TestIPv6NeighboursAndEchoAreAnswered(t *testing.T) {
	e, w := dying(t)
	w.rx = [][]byte{ns6(our6), ns6(peer6), echo6([]byte("six"))}
	e.Poll(10)
	if len(w.sent) != 2 {
		t.Fatalf("%d answers", len(w.sent))
	}
	for i, want := range []header.ICMPv6Type{header.ICMPv6NeighborAdvert, header.ICMPv6EchoReply} {
		ip := header.IPv6(w.sent[i][14:])
		icmp := header.ICMPv6(ip.Payload())
		if !ip.IsValid(len(w.sent[i])-14) || icmp.Type() != want || ip.SourceAddress() != addr4(our6) || ip.DestinationAddress() != addr4(peer6) {
			t.Errorf("%x", w.sent[i])
		}
		if icmp.Checksum() != header.ICMPv6Checksum(header.ICMPv6ChecksumParams{Header: icmp, Src: ip.SourceAddress(), Dst: ip.DestinationAddress()}) {
			t.Errorf("checksum of %x", icmp)
		}
	}
	na := header.NDPNeighborAdvert(header.ICMPv6(header.IPv6(w.sent[0][14:]).Payload()).MessageBody())
	if na.TargetAddress() != addr4(our6) || !na.SolicitedFlag() || !na.OverrideFlag() || !bytes.Equal(na[22:28], ourMAC[:]) {
		t.Errorf("%x", []byte(na))
	}
}

func TestWhatIsWrongOrNotOursIsNotAnswered(t *testing.T) {
	change := func(f []byte, at int, v byte) []byte { f[at] = v; return f }
	cut := func(f []byte, n int) []byte { return f[:n] }
	for name, f := range map[string][]byte{
		"empty":                  {},
		"header only":            echo4(nil)[:14],
		"IP cut":                 cut(echo4(nil), 33),
		"ICMP cut":               cut(echo4(make([]byte, 100)), 100),
		"IP checksum":            change(echo4(nil), 22, 1),
		"ICMP checksum":          change(echo4(make([]byte, 9)), 45, 1),
		"other MAC":              change(echo4(nil), 5, 9),
		"broadcast MAC":          change(change(echo4(nil), 0, 0xff), 5, 0xff),
		"sent by a group":        change(echo4(nil), 6, 3),
		"ARP cut":                cut(arpFrame(1, our4), 41),
		"ARP hardware":           change(arpFrame(1, our4), 15, 6),
		"ARP address length":     change(arpFrame(1, our4), 18, 8),
		"ND with hop limit 254":  change(ns6(our6), 21, 254),
		"ND checksum":            change(ns6(our6), 61, 9),
		"IPv6 length beyond":     change(echo6(nil), 18, 4),
		"IPv6 other MAC":         change(echo6(nil), 5, 9),
		"unknown type":           change(echo4(nil), 13, 1),
		"total length too small": change(echo4(nil), 17, 27),
	} {
		e, w := dying(t)
		w.rx = [][]byte{f}
		if e.Poll(1); len(w.sent) != 0 {
			t.Errorf("%s: answered %x", name, w.sent[0])
		}
	}
}

func TestFramesAreAnsweredWhileASendWaits(t *testing.T) {
	e, w := dying(t)
	w.full = 2
	w.rx = [][]byte{echo4(nil), echo4(nil), echo4(nil)}
	if !e.SendUDP(dest(t, peer4), []byte("line")) {
		t.Fatal("not sent")
	}
	if n := len(w.sent); n == 0 || !bytes.HasPrefix(checkUDP(t, w.sent[n-1], our4, peer4), []byte("line")) || e.Stats().Received != 3 {
		t.Errorf("%d frames, %+v", n, e.Stats())
	}
}

func TestTheLiveSystemsFramesAreLeftToNAPI(t *testing.T) {
	w := &wire{rx: [][]byte{echo4(nil)}}
	e, _ := setup(t, w)
	if e.Poll(10) != 0 || len(w.rx) != 1 || w.polls != 1 {
		t.Error("took a frame from the live system")
	}
}

func TestAHookMayTakeAnyFrame(t *testing.T) {
	e, w := dying(t)
	var seen int
	e.SetHook(func(f []byte) bool { seen++; return f[13] == 0 })
	w.rx = [][]byte{echo4(nil), arpFrame(1, our4)}
	if e.Poll(10); seen != 2 || len(w.sent) != 1 || w.sent[0][13] != 6 {
		t.Errorf("seen %d, %d answers", seen, len(w.sent))
	}
	if !e.Filter(echo4(nil)) || e.Filter(arpFrame(1, our4)) {
		t.Error("the hook does not decide in the live system")
	}
}

func FuzzInput(f *testing.F) {
	for _, s := range [][]byte{arpFrame(1, our4), arpFrame(2, our4), echo4([]byte("x")), ns6(our6), echo6([]byte("y"))} {
		f.Add(s)
		f.Add(tagged(100, s))
	}
	f.Add(udpFrame(our4, peer4, 6666, 6665, []byte("ncrx1 2")))
	f.Add(udpFrame(our6, peer6, 6666, 6665, []byte("ncrx1 2")))
	f.Add(na6(0x60, peer6, peerMAC))
	f.Fuzz(func(t *testing.T, p []byte) {
		e, w := dying(t)
		for _, a := range []netip.Addr{peer4, peer6} {
			e.Resolve(dest(t, a))
		}
		e.SetVLANAddrs(VLANAddr{100, our4}, VLANAddr{100, our6})
		e.HandleUDP(6665, &port{take: true})
		w.sent = nil
		before := bytes.Clone(p)
		w.rx = [][]byte{p}
		e.Poll(1)
		if !bytes.Equal(p, before) {
			t.Error("the received frame was written to")
		}
		if len(w.sent) > 1 {
			t.Error("more than one answer")
		}
		for _, r := range w.sent {
			if len(r) < 60 || len(r) > maxFrame+vlanLen || [6]byte(r[6:12]) != ourMAC {
				t.Errorf("answer %x", r)
			}
			if ip := header.IPv4(r[14:]); r[12] == 8 && r[13] == 0 && (!ip.IsValid(len(r)-14) || !ip.IsChecksumValid()) {
				t.Errorf("answer %x", r)
			}
		}
	})
}

package netpoll

import (
	"bytes"
	"net/netip"
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip/header"
)

var (
	otherMAC  = [6]byte{2, 0, 0, 0, 0, 9}
	router6   = netip.MustParseAddr("fe80::9")
	offLink6  = netip.MustParseAddr("2001:db8:9::1")
	ourGlobal = netip.MustParseAddr("2001:db8::1")
)

// arpFrom is ARP from a peer at another MAC address.
func arpFrom(op uint16, mac [6]byte, ip netip.Addr) []byte {
	f := arpFrame(op, our4)
	copy(f[arpSHA:], mac[:])
	copy(f[arpSPA:], ip.AsSlice())
	return f
}

// na6 is an advertisement.
func na6(flags byte, target netip.Addr, mac [6]byte) []byte {
	icmp := make(header.ICMPv6, naLen)
	icmp.SetType(header.ICMPv6NeighborAdvert)
	icmp[4] = flags
	copy(icmp[8:], target.AsSlice())
	icmp[24], icmp[25] = 2, 1
	copy(icmp[26:], mac[:])
	return icmp6(our6, ourMAC, 255, icmp)
}

// requests are the ARP requests and solicitations sent since the last call, by
// whom they ask.
func (w *wire) requests(t *testing.T) (to [][6]byte) {
	t.Helper()
	for _, f := range w.sent {
		if isARP(f) && f[arpOp+1] == arpRequest || f[12] == 0x86 && f[ethLen+ip6Len] == neighborSolicitation {
			to = append(to, [6]byte(f[:6]))
		}
	}
	w.sent = nil
	return to
}

func TestAnAddressIsAskedForLiveWithoutWaiting(t *testing.T) {
	group := [6]byte{0x33, 0x33, 0xff, 0, 0, 2}
	for _, tt := range []struct {
		to     netip.Addr
		all    [6]byte
		answer []byte
	}{
		{peer4, Broadcast, arpFrame(2, our4)},
		{peer6, group, na6(0x60, peer6, peerMAC)},
	} {
		w := &wire{}
		e, now := setup(t, w)
		d := dest(t, tt.to)
		if e.Resolve(d) || d.MAC != Broadcast {
			t.Errorf("%v: known to be %x", tt.to, d.MAC)
		}
		if got := w.requests(t); len(got) != 1 || got[0] != tt.all {
			t.Fatalf("%v: asked %x", tt.to, got)
		}
		if e.Resolve(d) || len(w.requests(t)) != 0 {
			t.Errorf("%v: asked again at once", tt.to)
		}
		*now += arpRetry
		if e.Resolve(d) || len(w.requests(t)) != 1 {
			t.Errorf("%v: did not ask again", tt.to)
		}
		if e.Filter(tt.answer) {
			t.Errorf("%v: the stack does not get the answer", tt.to)
		}
		if !e.Resolve(d) || d.MAC != peerMAC || len(w.requests(t)) != 0 {
			t.Errorf("%v: %x", tt.to, d.MAC)
		}
	}
}

func TestNobodyIsAskedForAllTheTime(t *testing.T) {
	w := &wire{}
	e, now := setup(t, w)
	d := dest(t, peer4)
	for range 290 { // of a tenth of a second
		e.Resolve(d)
		*now += 1e8
	}
	if n := len(w.requests(t)); n != arpTries {
		t.Errorf("%d requests in half a minute", n)
	}
	for range 900 {
		e.Resolve(d)
		*now += 1e8
	}
	if n := len(w.requests(t)); n < 2 || n > 4 {
		t.Errorf("%d requests in the minute and a half after it", n)
	}
}

func TestAKnownAddressIsKeptFresh(t *testing.T) {
	for _, to := range []netip.Addr{peer4, peer6} {
		w := &wire{}
		e, now := setup(t, w)
		d := dest(t, to)
		answer := func(mac [6]byte) []byte {
			if to.Is4() {
				return arpFrom(2, mac, to)
			}
			return na6(0x60, to, mac)
		}
		e.Resolve(d)
		e.Filter(answer(peerMAC))
		w.requests(t)
		*now += staleAfter
		if !e.Resolve(d) || d.MAC != peerMAC {
			t.Errorf("%v: a stale address is not in use", to)
		}
		if got := w.requests(t); len(got) != 1 || got[0] != peerMAC {
			t.Fatalf("%v: asked %x", to, got)
		}
		e.Filter(answer(peerMAC))
		*now += arpRetry
		if e.Resolve(d); len(w.requests(t)) != 0 {
			t.Errorf("%v: asked though it was confirmed", to)
		}

		// It has another address now, and does not hear what goes to the old.
		*now += staleAfter
		var asked [][6]byte
		for range probeTries + 1 {
			if !e.Resolve(d) {
				t.Fatalf("%v: given up", to)
			}
			asked = append(asked, w.requests(t)...)
			*now += arpRetry
		}
		if len(asked) != probeTries+1 || asked[probeTries-1] != peerMAC || asked[probeTries][0]&1 == 0 {
			t.Fatalf("%v: asked %x", to, asked)
		}
		e.Filter(answer(otherMAC))
		if !e.Resolve(d) || d.MAC != otherMAC || e.Stats().Moved != 1 {
			t.Errorf("%v: at %x", to, d.MAC)
		}

		// It goes away.
		*now += staleAfter
		for range probeTries + arpTries + 1 {
			e.Resolve(d)
			*now += arpRetry
		}
		if e.Resolve(d) || d.MAC != Broadcast {
			t.Errorf("%v: still at %x", to, d.MAC)
		}
	}
}

func TestAChangeThatIsAnnouncedIsBelieved(t *testing.T) {
	e, _ := setup(t, &wire{})
	d, d6 := dest(t, peer4), dest(t, peer6)
	e.Resolve(d)
	e.Resolve(d6)
	gratuitous := arpFrom(1, otherMAC, peer4)
	copy(gratuitous[arpTPA:], peer4.AsSlice())
	for _, f := range [][]byte{arpFrame(2, our4), gratuitous, na6(0x60, peer6, peerMAC), na6(0x20, peer6, otherMAC)} {
		e.Filter(f)
	}
	if !e.Resolve(d) || d.MAC != otherMAC || !e.Resolve(d6) || d6.MAC != otherMAC {
		t.Errorf("%x, %x", d.MAC, d6.MAC)
	}
	e.Filter(na6(0x40, peer6, peerMAC)) // does not override
	if e.Resolve(d6); d6.MAC != otherMAC {
		t.Errorf("an advertisement without override changed the address to %x", d6.MAC)
	}
}

func TestWrongAdvertisementsAreNotBelieved(t *testing.T) {
	bad := na6(0x60, peer6, peerMAC)
	change := func(at int, v byte) []byte {
		f := bytes.Clone(bad)
		f[at] = v
		return f
	}
	long := na6(0x60, peer6, peerMAC)
	long[ethLen+ip6Len+25] = 2
	for name, f := range map[string][]byte{
		"hop limit":     change(ethLen+7, 64),
		"checksum":      change(ethLen+ip6Len+2, bad[ethLen+ip6Len+2]+1),
		"code":          change(ethLen+ip6Len+1, 1),
		"cut":           bad[:60],
		"option length": long,
		"other target":  na6(0x60, router6, peerMAC),
		"group":         na6(0x60, peer6, [6]byte{1, 2, 3, 4, 5, 6}),
		"no address":    na6(0x60, peer6, [6]byte{}),
		"of IPv4":       arpFrom(2, peerMAC, netip.MustParseAddr("10.0.2.3")),
	} {
		e, _ := setup(t, &wire{})
		d := dest(t, peer6)
		e.Resolve(d)
		if e.Filter(f); e.Resolve(d) {
			t.Errorf("%s: %x", name, d.MAC)
		}
	}
}

func TestTheWayLeadsThroughTheRouter(t *testing.T) {
	w := &wire{}
	e, _ := setup(t, w)
	d := dest(t, offLink6)
	d.SetHop(router6)
	e.Resolve(d)
	e.Filter(na6(0x60, router6, otherMAC))
	if !e.Resolve(d) || d.MAC != otherMAC {
		t.Fatalf("%x", d.MAC)
	}
	w.sent = nil
	e.SendUDP(d, []byte("x"))
	ip := header.IPv6(w.sent[0][14:])
	if [6]byte(w.sent[0][:6]) != otherMAC || ip.DestinationAddress() != addr4(offLink6) || ip.SourceAddress() != addr4(ourGlobal) {
		t.Errorf("%x", w.sent[0])
	}
}

func TestATargetIsResolvedInAPanic(t *testing.T) {
	for _, to := range []netip.Addr{peer4, peer6} {
		e, w := dying(t)
		answer := arpFrame(2, our4)
		if to.Is6() {
			answer = na6(0x60, to, peerMAC)
		}
		asked := 0
		w.answer = func(f []byte) {
			if asked++; asked == 2 {
				w.rx = append(w.rx, answer)
			}
		}
		d := dest(t, to)
		if !e.Resolve(d) || d.MAC != peerMAC || len(w.requests(t)) != 2 {
			t.Errorf("%v: %x after %d requests", to, d.MAC, asked)
		}
		e.now = func() int64 { return 1e15 } // long after
		if !e.Resolve(d) || asked != 2 {
			t.Errorf("%v: asked for what is known", to)
		}
	}
	e, w := dying(t)
	gone := dest(t, netip.MustParseAddr("10.0.2.99"))
	for range 2 {
		e.Resolve(gone)
	}
	if e.Resolve(gone) || gone.MAC != Broadcast || len(w.requests(t)) != arpTries {
		t.Error("resolved nobody")
	}
}

func TestMoreHopsThanThereIsRoomForPushTheOldestOut(t *testing.T) {
	w := &wire{}
	e, now := setup(t, w)
	var ds []*Dest
	for i := range maxNeighbors + 1 {
		d := dest(t, netip.AddrFrom4([4]byte{10, 0, 3, byte(i)}))
		ds = append(ds, d)
		*now += 1e6
		e.Resolve(d)
		e.Filter(arpFrom(2, [6]byte{2, 1, 0, 0, 0, byte(i)}, netip.AddrFrom4([4]byte{10, 0, 3, byte(i)})))
	}
	for i := maxNeighbors; i > 0; i-- {
		if !e.Resolve(ds[i]) || ds[i].MAC[5] != byte(i) {
			t.Errorf("hop %d: %x", i, ds[i].MAC)
		}
	}
	if e.Resolve(ds[0]) {
		t.Error("the oldest was kept")
	}
}

package systest

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/gasp-go/gasp/internal/ncrx"
	"github.com/gasp-go/gasp/internal/qemu"
)

// sentTo returns the payloads of the datagrams to an address so far.
func (w *wire) sentTo(from int, to netip.AddrPort) (sent [][]byte) {
	for _, p := range w.since(from) {
		if p.proto == protoUDP && p.to == to {
			sent = append(sent, p.data)
		}
	}
	return sent
}

// target changes or makes a netconsole target of the guest.
func (w *wire) target(method, name, attrs string) {
	w.t.Helper()
	path := "/netconsole"
	if method != "POST" {
		path += "/" + name
	}
	if _, err := w.request(method, path, attrs); err != nil {
		w.t.Fatalf("%s %s: %v", method, path, err)
	}
}

func TestNetconsoleIsChangedWhileItRuns(t *testing.T) {
	onBothBoards(t, "change", changeTargets)
}

func changeTargets(t *testing.T, board string) {
	w := newWire(t)
	g := w.boot(onBoard(t, board, qemu.Options{BootArgs: staticIP}))
	c := w.collect(6666)
	g.line("http: listening")
	w.reachable()
	w.target("POST", "", `{"name":"a","extended":true,"enabled":true,"remote_ip":"10.77.0.1"}`)
	c.awaitLine(g, "logging started target=a")
	unbroken(t, c.sameAsSerial(g)) // from the beginning of the log

	mark := w.mark()
	w.target("PATCH", "a", `{"userdata":{"site":"lab"},"cpu_nr_enabled":true,"taskname_enabled":true,"msgid_enabled":true}`)
	w.target("POST", "", `{"name":"b","enabled":true,"remote_ip":"10.77.0.1","remote_port":7777}`)
	to := netip.AddrPortFrom(peerIP, 6666)
	p := w.await(mark, "a line with user data", func(p packet) bool {
		return p.proto == protoUDP && p.to == to && bytes.Contains(p.data, []byte("started target=b"))
	})
	text := string(p.data)
	var thread, id int
	_, tail, _ := strings.Cut(text, "\n site=lab\n")
	if n, err := fmt.Sscanf(tail, " cpu=0\n taskname=T%d\n msgid=%d\n", &thread, &id); n != 2 || thread == 0 || id != 1 {
		t.Errorf("%q: %v", text, err)
	}

	w.target("PATCH", "a", `{"enabled":false}`)
	w.target("PATCH", "b", `{"enabled":false}`)
	w.target("DELETE", "b", "")
	before := len(w.sentTo(0, to))
	w.target("PATCH", "a", `{"enabled":true}`)
	c.await(g, "what was said meanwhile", func(rs []ncrx.Record) bool { return len(linesOf(rs)) >= g.serial.Len() })
	unbroken(t, c.sameAsSerial(g))
	if n := len(w.sentTo(0, to)); n == before {
		t.Error("nothing was sent after the target was enabled again")
	}
	for _, bad := range []string{`{"dev_name":"eth7"}`, `{"release":true,"extended":false}`, `{"remote_ip":"x"}`} {
		if _, err := w.request("PATCH", "/netconsole/a", bad); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
	g.unharmed()
}

const (
	testHMACKey = "00112233445566778899aabbccddeeff"
	askingPort  = 6665
)

// authentic checks the last two lines of the records in whole datagrams.
func authentic(t *testing.T, sent [][]byte) {
	t.Helper()
	key, _ := hex.DecodeString(testHMACKey)
	for _, d := range sent {
		if bytes.Contains(d, []byte(",ncfrag=")) {
			continue
		}
		i := bytes.LastIndex(d, []byte(" HMAC="))
		if i < 0 {
			t.Fatalf("not signed: %q", d)
		}
		m := hmac.New(sha256.New, key)
		m.Write(d[:i])
		if want := fmt.Sprintf(" HMAC=%x\n", m.Sum(nil)[:16]); string(d[i:]) != want || !bytes.Contains(d[:i], []byte("\n BOOTID=")) {
			t.Fatalf("%q, want %q", d, want)
		}
	}
}

func TestAReceiverAsksForRecordsAgainAlsoInAPanic(t *testing.T) {
	t.Parallel()
	g, w := bootWire(t, staticIP+" gasp.die=1 netconsole=+@/,6666@10.77.0.1/ netconsole.ncrx=1 netconsole.hmac_key="+testHMACKey)
	g.line("http: listening")
	w.reachable()
	to := netip.AddrPortFrom(peerIP, 6666)
	ask := func(from netip.AddrPort, what string) []byte {
		return ethernet(w.guestMAC(), peerMAC, typeIPv4, udp(from, netip.AddrPortFrom(guestIP, askingPort), []byte(what)))
	}
	seq := func(n int) func(packet) bool {
		return func(p packet) bool {
			return p.proto == protoUDP && p.to == to && bytes.Contains(p.data[:min(20, len(p.data))], fmt.Appendf(nil, ",%d,", n))
		}
	}
	first := w.await(0, "record 3", seq(3))
	mark := w.mark()
	if again := w.ask(ask(to, "ncrx5 3"), mark, "record 3 again", seq(3)); string(again.data) != string(first.data) {
		t.Errorf("%q, first %q", again.data, first.data)
	}
	mark = w.mark()
	w.send(ask(netip.AddrPortFrom(peerIP, 6667), "ncrx-resend 0"))
	w.send(ask(to, "ncrx-resend x"))
	w.ask(ask(to, "ncrx5 4"), mark, "record 4 again", seq(4))
	if n := len(w.sentTo(mark, to)); n > 5 {
		t.Errorf("%d datagrams for one number", n)
	}
	if _, err := w.fetch("POST", "/die?how=panic"); err != nil {
		t.Fatal(err)
	}
	g.line("---[ end Kernel panic")
	mark = w.mark()
	w.ask(ask(to, "ncrx-resend 0"), mark, "record 0 again, in the panic", seq(0))
	w.await(mark, "the last record again", func(p packet) bool {
		return p.to == to && bytes.Contains(p.data, []byte("---[ end Kernel panic"))
	})
	authentic(t, w.sentTo(0, to))
	if g.said(testHMACKey) {
		t.Error("the serial console tells the key")
	}
	for _, d := range w.sentTo(0, to) {
		if bytes.Contains(d, []byte(testHMACKey)) {
			t.Fatal("the log tells the key")
		}
	}
}

func TestATargetIsFoundInAVLANByARP(t *testing.T) {
	t.Parallel()
	g, w := bootWire(t, staticIP+" netconsole=+@10.9.0.2/eth0.100,6666@10.9.0.1/")
	vlanPeer := netip.MustParseAddr("10.9.0.1")
	in := w.await(0, "an ARP request in the VLAN", func(p packet) bool {
		return p.vlan == 100 && p.typ == typeARP && p.arp.op == arpRequest && p.arp.tpa == vlanPeer
	})
	reply := ethernet(in.src, peerMAC, typeARP, arp(arpReply, peerMAC, vlanPeer, in.arp.sha, in.arp.spa))
	g.line("http: listening")
	w.reachable()
	mark := w.mark()
	w.send(tagged(100, reply))
	w.target("POST", "", `{"name":"noise","enabled":true,"remote_ip":"10.77.0.99"}`)
	w.await(mark, "a line in the VLAN, to the target's address", func(in packet) bool {
		return in.vlan == 100 && in.proto == protoUDP && in.to == netip.AddrPortFrom(vlanPeer, 6666) && in.dst == peerMAC &&
			in.from == netip.MustParseAddrPort("10.9.0.2:6665") && bytes.Contains(in.data, []byte("started target=noise"))
	})
	g.unharmed()
}

// tagged is a frame with a tag of VLAN id.
func tagged(id byte, f []byte) []byte {
	return append(append(bytes.Clone(f[:12]), typeVLAN>>8, typeVLAN&0xff, 0, id), f[12:]...)
}

func TestAnIPv6TargetIsFoundInAVLAN(t *testing.T) {
	t.Parallel()
	us, it := netip.MustParseAddr("fd00:9::1"), netip.MustParseAddr("fd00:9::2")
	g, w := bootWire(t, staticIP+" netconsole=+@fd00:9::2/eth0.100,6666@fd00:9::1/")
	to := netip.AddrPortFrom(us, 6666)
	in := w.await(0, "a solicitation in the VLAN", func(p packet) bool {
		return p.vlan == 100 && p.proto == protoICMPv6 && p.icmpType == neighborSolicit && p.from.Addr() == it &&
			len(p.data) >= 20 && bytes.Equal(p.data[4:20], us.AsSlice())
	})
	if in.to.Addr() != solicitedNode(us) || in.dst != groupMAC(solicitedNode(us)) {
		t.Errorf("it went to %v, %v", in.to.Addr(), in.dst)
	}
	g.line("http: listening")
	w.reachable()
	line := func(name string, dst mac) func(packet) bool {
		return func(p packet) bool {
			return p.vlan == 100 && p.proto == protoUDP && p.to == to && p.from.Addr() == it && p.dst == dst &&
				bytes.Contains(p.data, []byte("started target="+name))
		}
	}
	// What is said outside of the VLAN, and in another, is not for it.
	advert := ethernet(in.src, peerMAC, typeIPv6, icmp(us, it, neighborAdvert, 0, neighbor(0x60, us, 2, peerMAC)))
	w.send(advert)
	w.send(tagged(101, advert))
	w.reachable()
	mark := w.mark()
	w.target("POST", "", `{"name":"early","enabled":true,"remote_ip":"10.77.0.99"}`)
	w.await(mark, "a line to everybody in the VLAN", line("early", broadcastMAC))
	w.send(tagged(100, advert))
	w.reachable()
	mark = w.mark()
	w.target("POST", "", `{"name":"noise","enabled":true,"remote_ip":"10.77.0.98"}`)
	w.await(mark, "a line in the VLAN, to the target's address", line("noise", peerMAC))

	// It is found there, too.
	solicit := icmp(us, solicitedNode(it), neighborSolicit, 0, neighbor(0, it, 1, peerMAC))
	w.ask(tagged(100, ethernet(groupMAC(solicitedNode(it)), peerMAC, typeIPv6, solicit)), w.mark(), "an advertisement in the VLAN",
		func(p packet) bool {
			return p.vlan == 100 && p.icmpType == neighborAdvert && p.proto == protoICMPv6 && p.from.Addr() == it &&
				p.to.Addr() == us && p.dst == peerMAC
		})
	w.ask(tagged(100, ethernet(in.src, peerMAC, typeIPv6, ping(us, it, 1, 2, pattern(50)))), w.mark(), "an echo reply in the VLAN",
		func(p packet) bool { return p.vlan == 100 && echoes(us, it, 1, 2, pattern(50))(p) })
	g.unharmed()
}

// routerAdvert is what the router at peerIP6 says of itself and of a prefix of 64
// bits; it is one for so many seconds.
func routerAdvert(prefix netip.Addr, lifetime uint16) []byte {
	rest := be.AppendUint16([]byte{64, 0}, lifetime)
	rest = append(rest, make([]byte, 8)...) // reachable time, retransmission timer: not said
	rest = append(append(rest, 1, 1), peerMAC[:]...)
	rest = append(rest, 3, 4, 64, 0xc0) // on-link, for addresses
	rest = be.AppendUint32(be.AppendUint32(rest, 7200), 3600)
	rest = append(append(rest, 0, 0, 0, 0), prefix.AsSlice()...)
	nodes := netip.MustParseAddr("ff02::1")
	return ethernet(groupMAC(nodes), peerMAC, typeIPv6, icmp(peerIP6, nodes, 134, 0, rest))
}

func TestAnIPv6TargetBehindARouterIsReachedThroughIt(t *testing.T) {
	t.Parallel()
	far := netip.MustParseAddr("2001:db8:99::1")
	g, w := bootWire(t, staticIP+" netconsole=+@/,6666@2001:db8:99::1/")
	to := netip.AddrPortFrom(far, 6666)
	g.line("http: listening")
	w.reachable()
	prefix := netip.MustParsePrefix("2001:db8:77::/64")
	w.send(routerAdvert(prefix.Addr(), 1800))
	g.retry("an address of the router's prefix", func() error {
		page, err := w.fetch("GET", "/stats.json")
		if err == nil && !strings.Contains(page, `"2001:db8:77:`) {
			err = fmt.Errorf("none")
		}
		return err
	})
	line := func(name string, dst mac) func(packet) bool {
		return func(p packet) bool {
			return p.proto == protoUDP && p.to == to && p.dst == dst && bytes.Contains(p.data, []byte("started target="+name))
		}
	}
	mark := w.mark()
	w.target("POST", "", `{"name":"noise","enabled":true,"remote_ip":"10.77.0.99"}`)
	p := w.await(mark, "a line through the router", line("noise", peerMAC))
	if !prefix.Contains(p.from.Addr()) || p.hops < 2 {
		t.Errorf("from %v, %d hops", p.from.Addr(), p.hops)
	}
	// The target itself was not looked for since there is a router.
	for _, p := range w.since(mark) {
		if p.proto == protoICMPv6 && p.icmpType == neighborSolicit && len(p.data) >= 20 && bytes.Equal(p.data[4:20], far.AsSlice()) {
			t.Errorf("it was asked on the link: %v", p)
		}
	}
	// The router's MAC address changes, and it says so.
	moved := mac{2, 0, 0, 0, 0x77, 9}
	w.own(peerIP6, moved)
	nodes := netip.MustParseAddr("ff02::1")
	w.send(ethernet(groupMAC(nodes), moved, typeIPv6, icmp(peerIP6, nodes, neighborAdvert, 0, neighbor(0xa0, peerIP6, 2, moved))))
	mark = w.mark()
	w.target("POST", "", `{"name":"late","enabled":true,"remote_ip":"10.77.0.98"}`)
	w.await(mark, "a line through the router's new address", line("late", moved))
	g.unharmed()
}

func TestAnIPv6TargetIsFoundAndFollowed(t *testing.T) {
	t.Parallel()
	g, w := bootWire(t, staticIP+" netconsole=+@/,6666@fe80::77/")
	to := netip.AddrPortFrom(peerIP6, 6666)
	g.line("http: listening")
	w.reachable()
	line := func(name string, dst mac) func(packet) bool {
		return func(p packet) bool {
			return p.proto == protoUDP && p.to == to && p.dst == dst && bytes.Contains(p.data, []byte("started target="+name))
		}
	}
	w.await(0, "a solicitation", func(p packet) bool {
		return p.proto == protoICMPv6 && p.icmpType == neighborSolicit && len(p.data) >= 20 && bytes.Equal(p.data[4:20], peerIP6.AsSlice())
	})
	w.reachable() // so it has the answer
	w.target("POST", "", `{"name":"first","enabled":true,"remote_ip":"10.77.0.98"}`)
	w.await(0, "a line to the target's address", line("first", peerMAC))
	// The target moves, and says so.
	moved := mac{2, 0, 0, 0, 0x77, 9}
	w.own(peerIP6, moved)
	mark := w.mark()
	nodes := netip.MustParseAddr("ff02::1")
	w.send(ethernet(groupMAC(nodes), moved, typeIPv6, icmp(peerIP6, nodes, neighborAdvert, 0, neighbor(0x20, peerIP6, 2, moved))))
	w.target("POST", "", `{"name":"noise","enabled":true,"remote_ip":"10.77.0.99"}`)
	w.await(mark, "a line to the new address", line("noise", moved))
	g.unharmed()
}

func TestWhatIsLoggedWithoutALinkFollows(t *testing.T) {
	t.Parallel()
	g, w := bootWire(t, staticIP+" netconsole=+@/,6666@10.77.0.1/")
	c := w.collect(6666)
	g.line("http: listening")
	w.reachable()
	c.sameAsSerial(g)
	lines := g.serial.Len()
	if err := g.machine.SetLink(false); err != nil {
		t.Fatal(err)
	}
	g.lineFrom(lines, "link")
	before := len(c.all())
	if err := g.machine.SetLink(true); err != nil {
		t.Fatal(err)
	}
	records := c.await(g, "what was logged without a link", func(rs []ncrx.Record) bool { return len(rs) >= before+2 })
	unbroken(t, records)
	unbroken(t, c.sameAsSerial(g))
}

package systest

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gasp-go/gasp/internal/ncrx"
	"github.com/gasp-go/gasp/internal/qemu"
)

// dhcpServer gives the guest an address, once it has one to give.
type dhcpServer struct {
	w    *wire
	mu   sync.Mutex
	addr netip.Addr
}

func (s *dhcpServer) give(addr netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addr = addr
}

// frame answers the guest, if p is for a server. Whoever wants another address
// than what is given is refused.
func (s *dhcpServer) frame(p packet) {
	m, ok := readDHCP(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !ok || !s.addr.IsValid() {
		return
	}
	kind, options := byte(dhcpOffer), lease(dhcpLeaseSec, 0, 0)
	if m.kind() == dhcpRequest {
		kind = dhcpAck
		if want := m.options[optAddress]; want != nil && string(want) != string(s.addr.AsSlice()) {
			kind, options = dhcpNak, map[byte][]byte{optServer: peerIP.AsSlice()}
		}
	}
	answer := dhcpAnswer(m, kind, options)
	if kind != dhcpNak {
		copy(answer[16:], s.addr.AsSlice())
	}
	s.w.send(dhcpFrame(m, answer))
}

// What is logged before there is an address, and while it changes, is sent once
// there is one, from that one, each record once.
func TestNetconsoleWaitsForAnAddressAndFollowsItsChange(t *testing.T) {
	t.Parallel()
	w := newWire(t)
	server, c := &dhcpServer{w: w}, newCollector()
	var mu sync.Mutex
	from := map[uint64][]netip.Addr{} // of the record of each number
	to := netip.AddrPortFrom(peerIP, 6666)
	w.on(func(p packet) {
		server.frame(p)
		if p.proto != protoUDP || p.to != to {
			return
		}
		var prio, seq uint64
		if n, err := fmt.Sscanf(string(p.data), "%d,%d,", &prio, &seq); n != 2 {
			t.Errorf("%q: %v", p.data, err)
		}
		mu.Lock()
		from[seq] = append(from[seq], p.from.Addr())
		mu.Unlock()
		// One sender, whatever its address.
		c.datagram(netip.AddrPortFrom(guestIP, p.from.Port()), p.data)
	})
	g := w.boot(qemu.Options{BootArgs: "ip=dhcp netconsole=+@/,6666@10.77.0.1/"})
	w.awaitDHCP(0, "DISCOVER", dhcpDiscover)
	g.line("network logging started")
	w.awaitDHCP(w.mark(), "another DISCOVER", dhcpDiscover)
	if n := len(w.sentTo(0, to)); n != 0 {
		t.Errorf("%d datagrams without an address", n)
	}
	server.give(guestIP)
	g.line("eth0: DHCP: 10.77.0.2/24 from 10.77.0.1")
	g.line("http: listening")
	w.reachable()
	unbroken(t, c.sameAsSerial(g))

	// The link comes back, and there is another address.
	other := netip.MustParseAddr("10.77.0.9")
	server.give(other)
	lines := g.serial.Len()
	for _, up := range []bool{false, true} {
		if err := g.machine.SetLink(up); err != nil {
			t.Fatal(err)
		}
		g.lineFrom(lines, map[bool]string{false: "link down", true: "link up"}[up])
	}
	g.lineFrom(lines, "10.77.0.2/24 given up")
	g.lineFrom(lines, "eth0: DHCP: 10.77.0.9/24 from 10.77.0.1")
	records := c.sameAsSerial(g)
	unbroken(t, records)
	mu.Lock()
	defer mu.Unlock()
	var moved int
	for _, r := range records {
		senders := from[r.Seq]
		if len(senders) != 1 || senders[0] != guestIP && senders[0] != other || moved > 0 && senders[0] != other {
			t.Errorf("record %d was sent from %v", r.Seq, senders)
		}
		if senders[0] == other {
			moved++
		}
	}
	if moved == 0 {
		t.Error("nothing came from the new address")
	}
	g.unharmed()
}

// More is logged without a link than the ring holds. Then each format says, where
// the gap is, how many records are gone, and everything else comes.
func TestWhatTheRingLostIsToldInTheStream(t *testing.T) {
	t.Parallel()
	const lines = 3300 // of which the ring holds 2,700
	w := newWire(t)
	largeBuffer(w.conn)
	ext, basic := newCollector(), newCollector()
	mine := func(p packet) bool { return p.proto == protoUDP && p.to.Addr() == peerIP }
	w.forget = mine
	w.on(func(p packet) {
		if !mine(p) {
			return
		}
		switch p.to.Port() {
		case 6666:
			ext.datagram(p.from, p.data)
		case 7777:
			basic.datagram(p.from, p.data)
		}
	})
	image := loadFirmware(t)
	g := w.boot(qemu.Options{Kernel: image, BootArgs: staticIP + fmt.Sprintf(" gasp.chatter=%d netconsole=+@/,6666@10.77.0.1/;@/,7777@10.77.0.1/", lines)})
	w.reachable()
	ext.sameAsSerial(g)
	basic.sameAsSerial(g)
	if err := g.machine.SetLink(false); err != nil {
		t.Fatal(err)
	}
	end := fmt.Sprintf("chatter %d of %d", lines, lines)
	g.line(end)
	if err := g.machine.SetLink(true); err != nil {
		t.Fatal(err)
	}
	serial := g.serial.Len()
	g.lineFrom(serial, "link up")
	up := func(rs []ncrx.Record) bool { return len(rs) > 1000 && strings.Contains(rs[len(rs)-1].Text, "link up") }
	var before, lost, after uint64
	records := ext.await(g, "the link's return", up)
	for i, r := range records {
		if i > 0 && r.Seq <= records[i-1].Seq {
			t.Errorf("record %d after %d", r.Seq, records[i-1].Seq)
		}
		if n, ok := toldLost(r); ok {
			if lost > 0 {
				t.Errorf("told again: %q", r.Text)
			}
			before, lost, after = records[i-1].Seq, n, records[i+1].Seq
			if r.Seq != after-1 || r.Level != 4 {
				t.Errorf("the notice is %+v before record %d", r, after)
			}
		} else if want := uint64(i); lost == 0 && r.Seq != want || lost > 0 && r.Seq != records[i-1].Seq+1 {
			t.Errorf("record %+v is number %d", r, i)
		}
	}
	if lost < 100 || before+lost+1 != after {
		t.Errorf("said to be lost: %d; between %d and %d", lost, before, after)
	}
	// What came is what the serial console had, but for those.
	all, got := untimed(g.serial.Lines()), linesOf(records)
	i := slices.IndexFunc(got, func(l string) bool { return strings.HasSuffix(l, "printk messages dropped **") })
	if len(got)-1+int(lost) != len(all) {
		t.Fatalf("%d lines came and %d were lost of %d", len(got)-1, lost, len(all))
	}
	diffLines(t, all[:i], got[:i])
	diffLines(t, all[i+int(lost):], got[i+1:])

	// The basic format has no numbers: it is held against the lines.
	got = linesOf(basic.await(g, "the link's return, in the basic format", up))
	j := slices.IndexFunc(got, func(l string) bool { return strings.HasSuffix(l, "printk messages dropped **") })
	var n int
	if j < 0 {
		t.Fatal("the basic format tells of no loss")
	}
	fmt.Sscanf(got[j], "** %d", &n)
	if n < 100 || len(got)-1+n != len(all) {
		t.Fatalf("basic: %d lines came and %d were lost of %d", len(got)-1, n, len(all))
	}
	diffLines(t, all[:j], got[:j])
	diffLines(t, all[j+n:], got[j+1:])
	t.Logf("%d and %d of %d lines lost and told", lost, n, len(all))
	g.unharmed()
}

// toldLost tells how many records a notice says are gone.
func toldLost(r ncrx.Record) (n uint64, ok bool) {
	_, err := fmt.Sscanf(r.Text, "** %d printk messages dropped **", &n)
	return n, err == nil
}

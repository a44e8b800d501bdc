package systest

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gasp-go/gasp/internal/qemu"
)

// TestSoakAccountsForEveryFrame has the firmware take traffic of every kind over
// a bad wire, for 10 s, or for as long as GASP_SOAK says ("make soak"), and then
// wants each frame accounted for: from the wire through driver, faults and device
// to the protocols, and back.
func TestSoakAccountsForEveryFrame(t *testing.T) {
	t.Parallel()
	w := newWire(t)
	w.badFrames.Store(true)
	// What others look for is kept: TCP's segments and answers to pings.
	w.forget = func(p packet) bool { return p.proto == protoUDP || p.icmpType == unreachable }
	g := w.boot(qemu.Options{Kernel: loadFirmware(t), BootArgs: "gasp.stats=1 gasp.fault=rx:loss=1%,duplicate=1%,corrupt=1%,reorder=10%,delay=2ms,jitter=1ms;" +
		"tx:loss=1%,duplicate=1%,corrupt=0.5%,reorder=10%,delay=2ms,jitter=1ms;seed=77 " + staticIP})
	w.reachable()
	before := g.allStats(0)
	duration := max(soakTime(), 10*time.Second)
	end := time.Now().Add(duration)
	var over sync.WaitGroup
	over.Go(func() {
		for n := 0; time.Now().Before(end); n++ {
			if _, err := w.fetch("GET", "/"); err != nil {
				t.Logf("HTTP request %d: %v", n, err) // its bytes may be damaged beyond checksums
			}
		}
	})
	rng := rand.New(rand.NewPCG(2001, uint64(duration)))
	rounds := 0
	for ; time.Now().Before(end) && !t.Failed(); rounds++ {
		w.soakRound(rng, rounds)
		w.ping(rounds % 1400) // keeps us from being faster than the guest is
	}
	over.Wait()
	s := w.settled()
	i := &s.Interfaces[0]
	t.Logf("%d rounds, %d frames to the guest, %d from it, uptime %v", rounds, w.sent.Load(), w.received.Load(), time.Duration(s.Uptime))
	t.Logf("rx %v", i.Fault.Rx)
	t.Logf("tx %v", i.Fault.Tx)
	t.Logf("link %v ip %v arp %v", i.Stack.Link, i.Stack.IP, i.Stack.ARP)
	for _, a := range accounts(w, i) {
		if a.out < a.in || a.out > a.in+a.more {
			t.Errorf("%s: %d in, %d out", a.what, a.in, a.out)
		}
	}
	consistent(t, i)
	if now, was := s.Memory.Used, before.Memory.Used; now > was+8<<20 {
		t.Errorf("memory in use grew from %d to %d bytes", was, now)
	}
	g.unharmed()
}

// soakRound sends 40 frames of all kinds.
func (w *wire) soakRound(rng *rand.Rand, n int) {
	us := netip.AddrPortFrom(peerIP, uint16(40100+n%100))
	to := func(port uint16) netip.AddrPort { return netip.AddrPortFrom(guestIP, port) }
	it := w.linkLocal()
	seeds := seedFrames(w)
	id := uint16(n)
	frames := [][]byte{
		w.to4(udp(us, to(portEcho), pattern(n%1400))),
		w.to4(udp(us, to(portDiscard), pattern(rng.IntN(1400)))),
		w.to4(udp(us, to(4242), pattern(20))),
		w.to4(ping(peerIP, guestIP, 1, id, pattern(rng.IntN(1400)))),
		w.to6(ping(peerIP6, it, 2, id, pattern(rng.IntN(1400)))),
		w.to6(udp(netip.AddrPortFrom(peerIP6, 999), netip.AddrPortFrom(it, portEcho), pattern(rng.IntN(1400)))),
		w.to4(tcp(us, to(4242), rng.Uint32(), 0, tcpSYN, nil)),
		w.to4(tcp(us, to(portHTTP), rng.Uint32(), rng.Uint32(), tcpACK, pattern(100))),
		w.to4(fragment(peerIP, guestIP, protoICMP, id, moreFragments, pattern(64))),
		w.to4(fragment(peerIP, guestIP, protoICMP, id, 8, pattern(64))),
		ethernet(broadcastMAC, peerMAC, typeARP, arp(arpRequest, peerMAC, peerIP, mac{}, guestIP)),
		ethernet(broadcastMAC, peerMAC, typeARP, arp(arpRequest, peerMAC, peerIP, mac{}, peerIP)),
		ethernet(mac{2, 9, 9, 9, 9, 9}, peerMAC, typeIPv4, pattern(60)), // another station's
		ethernet(w.guestMAC(), peerMAC, 0x88b5, pattern(60)),
		w.to4(ping(peerIP, guestIP, 1, 1, pattern(1600))), // longer than any frame
		w.to4(pattern(20))[:1+rng.IntN(33)],               // a runt
	}
	for len(frames) < 40 {
		frames = append(frames, randomFrame(rng, w.guestMAC(), seeds))
	}
	for _, f := range frames {
		if !killsQEMU(len(f)) {
			w.send(f)
		}
	}
}

// settled returns the counters once nothing moves any more but by the asking.
func (w *wire) settled() (s stats) {
	w.t.Helper()
	for deadline := time.Now().Add(patience); ; {
		time.Sleep(300 * time.Millisecond) // what is delayed arrives
		sent, received := w.sent.Load(), w.received.Load()
		s = w.g.allStats(w.g.serial.Len())
		if sent == w.sent.Load() && received == w.received.Load() {
			return s
		}
		if time.Now().After(deadline) {
			w.t.Fatal("the counters do not come to rest")
		}
	}
}

// allStats is what loadfw says next of all its counters, from the from-th line of
// the console on.
func (g *guest) allStats(from int) stats {
	g.t.Helper()
	const mark = "stats: "
	ctx, cancel := g.bounded()
	defer cancel()
	id, text := "", ""
	for {
		if _, err := g.serial.WaitFor(ctx, from, func(l string) bool { return strings.Contains(l, mark) }); err != nil {
			g.t.Fatalf("waiting for the counters: %v: %v", err, context.Cause(ctx))
		}
		l := g.serial.Lines()[from]
		from++
		_, l, ok := strings.Cut(l, mark)
		if !ok {
			continue
		}
		f := strings.SplitN(l, " ", 3)
		switch {
		case len(f) < 3:
			continue
		case f[0] == id:
			text += f[2]
		case strings.HasPrefix(f[2], "{"):
			id, text = f[0], f[2]
		default:
			continue // the end of one whose beginning we missed
		}
		if f[1] == "1" {
			return parseStats(g.t, text)
		}
	}
}

// account is two sums that must be equal, but for up to more in the second.
type account struct {
	what    string
	in, out uint64
	more    uint64
}

// looped bounds the multicasts of its own that gVisor counts as received: router
// solicitations, duplicate address detection and group reports.
const looped = 8

// accounts are a frame's stations, from the wire to the protocols and back.
func accounts(w *wire, i *ifStats) []account {
	dev, link := i.Stack.Device, i.Stack.Link
	d := func(names ...string) (n uint64) {
		for _, name := range names {
			n += i.driver(name)
		}
		return n
	}
	fault := func(what string, c counters) account {
		return account{what, c["frames"] + c["duplicate"], c["passed"] + c["loss"] + c["limit"] + c["refused"] + c["flushed"] + c["queued"], 0}
	}
	return []account{
		{"wire to driver", w.sent.Load(), d("rx_good", "rx_other_host", "rx_runt", "rx_too_long", "rx_truncated",
			"rx_crc", "rx_non_octet", "rx_overrun", "rx_multi_bd"), 0},
		{"driver to faults", d("rx_good"), i.Fault.Rx["frames"], 0},
		fault("faults, received", i.Fault.Rx),
		{"faults to device", i.Fault.Rx["passed"], dev["rx_packets"], 0},
		{"device to protocols", dev["rx_packets"], dev["rx_dropped"] + link["GROMerged"] +
			i.Stack.ARP["InPackets"] + i.Stack.IP["InReceives"], looped},
		fault("faults, sent", i.Fault.Tx),
		{"faults to device, sent", i.Fault.Tx["passed"], dev["tx_packets"], 0},
		{"device to driver, sent", dev["tx_packets"], d("tx_queued"), 0},
		{"driver to wire", d("tx_queued"), w.received.Load(), 0},
		{"errors", dev["rx_errors"], d("rx_runt", "rx_too_long", "rx_truncated", "rx_crc", "rx_non_octet", "rx_overrun", "rx_multi_bd"), 0},
	}
}

package systest

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/gasp-go/gasp/internal/ncrx"
	"github.com/gasp-go/gasp/internal/qemu"
)

func TestNetconsoleHasEveryLineOfTheSerialConsoleInOrder(t *testing.T) {
	t.Parallel()
	// Longer than a datagram, and than the 2048 bytes that a record holds.
	long := " gasp.long=" + strings.Repeat("0123456789", 150) + " gasp.longer=" + strings.Repeat("x", 1500)
	for _, tt := range []struct{ name, target, more string }{
		{"extended", "+6665@/eth0,%d@10.0.2.2/", ""},
		{"extended with release", "+r@/,%d@10.0.2.2/", ""},
		{"extended with source and MAC", "+6665@10.0.2.15/eth0,%d@10.0.2.2/52:55:0a:00:02:02", ""},
		{"extended, long lines", "+@/eth0,%d@10.0.2.2/", long},
		{"basic", "6665@/eth0,%d@10.0.2.2/", ""},
		{"basic without times", "@/eth0,%d@10.0.2.2/", " printk.time=0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, port := collectHost(t)
			target := fmt.Sprintf(tt.target, port)
			g, to := bootUser(t, qemu.Options{BootArgs: "netconsole=" + target + tt.more})
			g.line("http: listening")
			g.line("network logging started")
			records := c.sameAsSerial(g)
			first := records[0]
			if strings.HasPrefix(target, "+") {
				unbroken(t, records)
				if i := slices.IndexFunc(records, func(r ncrx.Record) bool { return r.HasTime && r.Usec > 0 }); first.Seq != 0 || i < 0 {
					t.Errorf("first record %+v", first)
				}
			}
			if wantRelease := strings.HasPrefix(target, "+r"); (first.Release != "") != wantRelease {
				t.Errorf("release %q", first.Release)
			}
			if tt.more == long {
				c.mu.Lock()
				if c.rx.Stats().Fragments == 0 || slices.Max(c.sizes) > 1000 {
					t.Errorf("%+v, datagrams of %v bytes", c.rx.Stats(), c.sizes)
				}
				c.mu.Unlock()
			}
			st := getStats(t, to).Netconsole["cmdline0"]
			if st.Written < uint64(len(records)) || st.Lost != 0 {
				t.Errorf("counters %+v for %d records", st, len(records))
			}
			g.unharmed()
		})
	}
}

func TestSeveralTargetsEachGetEveryLine(t *testing.T) {
	t.Parallel()
	a, porta := collectHost(t)
	b, portb := collectHost(t)
	g, _ := bootUser(t, qemu.Options{BootArgs: fmt.Sprintf("netconsole=+@/,%d@10.0.2.2/;@/,%d@10.0.2.2/", porta, portb)})
	g.line("http: listening")
	unbroken(t, a.sameAsSerial(g))
	b.sameAsSerial(g)
}

func TestAnUnreachableTargetDisturbsNothing(t *testing.T) {
	t.Parallel()
	// Nobody answers for the first; the second is behind a router that is
	// not there; the third works.
	g, w := bootWire(t, "ip=10.77.0.2::10.77.0.254:255.255.255.0::eth0:off "+
		"netconsole=+@/,6666@10.77.0.99/;+@/,6666@192.0.2.1/;+@/,6666@10.77.0.1/")
	c := w.collect(6666)
	g.line("http: listening")
	w.reachable()
	for range 3 {
		w.stats()
		w.udpEcho(pattern(100))
	}
	c.await(g, "anything", func(rs []ncrx.Record) bool { return len(rs) > 0 })
	g.unharmed()
}

func TestATargetThatAppearsLaterIsFoundByBroadcast(t *testing.T) {
	t.Parallel()
	late := netip.MustParseAddr("10.77.0.50")
	g, w := bootWire(t, staticIP+" gasp.die=1 netconsole=+@/,6666@10.77.0.50/")
	g.line("http: listening")
	w.reachable()
	to := netip.AddrPortFrom(late, 6666)
	early := w.await(0, "a datagram to the target", func(p packet) bool { return p.proto == protoUDP && p.to == to })
	if early.dst != broadcastMAC {
		t.Errorf("nobody said where the target is, and still: %v", early)
	}
	lateMAC := mac{2, 0, 0, 0, 0, 50}
	w.own(late, lateMAC)
	from := w.mark()
	if _, err := w.fetch("POST", "/die?how=panic"); err != nil {
		t.Fatal(err)
	}
	g.line("---[ end Kernel panic")
	w.await(from, "the report", func(p packet) bool {
		return p.proto == protoUDP && p.to == to && strings.Contains(string(p.data), "---[ end Kernel panic") &&
			(p.dst == lateMAC || p.dst == broadcastMAC)
	})
}

package systest

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gasp-go/gasp/internal/qemu"
)

func TestItBootsGetsAnAddressAndServes(t *testing.T) {
	t.Parallel()
	g, to := bootUser(t, qemu.Options{}) // no boot arguments at all
	t.Run("the console says what runs where", func(t *testing.T) {
		banner := regexp.MustCompile(`^\[ +\d+\.\d{6}\] gasp \S+ \(go1\.\S+\) on mx6ulevk, i\.MX6UL$`)
		if l := g.line("gasp "); !banner.MatchString(l) {
			t.Errorf("%q", l)
		}
		if l := g.line("Kernel command line:"); !strings.HasSuffix(strings.TrimSpace(l), "line:") {
			t.Errorf("%q", l)
		}
		g.line("Memory: 262144 KiB")
		g.line("eth0: link up")
		g.line("eth0: DHCP: 10.0.2.15/24 from 10.0.2.2")
	})
	t.Run("the status page shows the interface", func(t *testing.T) {
		page := get(t, to, "/")
		for _, want := range []string{"<h1>gasp ", "mx6ulevk", "eth0 address", "10.0.2.15/24", "/stats.json"} {
			if !strings.Contains(page, want) {
				t.Errorf("no %q in\n%s", want, page)
			}
		}
	})
	t.Run("services", func(t *testing.T) { testServices(t, to, 256<<10, 4) })
	t.Run("UDP echo", func(t *testing.T) { testUDPEcho(t, to, 1, 2, 100, 1471, 1472) })
	t.Run("the counters make sense", func(t *testing.T) { testCounters(t, to) })
	t.Run("what is not there is refused", func(t *testing.T) {
		for _, path := range []string{"/nothing", "/die"} {
			if _, err := fetch(to, "GET", path); err == nil {
				t.Errorf("GET %s succeeded", path)
			}
		}
		if _, err := fetch(to, "POST", "/die?how=panic"); err == nil || !strings.Contains(err.Error(), "403") {
			t.Errorf("POST /die without gasp.die=1: %v", err)
		}
	})
	t.Run("the log page has the console's lines", func(t *testing.T) { testLogPage(t, g, to) })
	g.unharmed()
}

func testLogPage(t *testing.T, g *guest, to way) {
	page := splitLines(get(t, to, "/log"))
	ctx, cancel := g.bounded()
	defer cancel()
	last := page[len(page)-1]
	if _, err := g.serial.WaitFor(ctx, 0, func(l string) bool { return l == last }); err != nil {
		t.Fatalf("serial console: the log's last line %q: %v", last, err)
	}
	if serial := g.serial.Lines()[:len(page)]; !slices.Equal(page, serial) {
		t.Errorf("log page:\n%s\nserial console:\n%s", strings.Join(page, "\n"), strings.Join(serial, "\n"))
	}
}

func testCounters(t *testing.T, to way) {
	before := getStats(t, to)
	if err := exchange(to, portEcho, []byte("count me"), exactly([]byte("count me"))); err != nil {
		t.Fatal(err)
	}
	after := getStats(t, to)
	if after.Uptime <= before.Uptime || after.CPU.Idle > after.Uptime {
		t.Errorf("uptime %d, then %d, idle %d", before.Uptime, after.Uptime, after.CPU.Idle)
	}
	if m := after.Memory; m.Total != 256<<20 || m.Used == 0 || m.Used+m.Free > m.Total {
		t.Errorf("memory %+v", m)
	}
	if after.Spurious != 0 || after.CPU.Threads < 2 || after.Serial.Lost != 0 {
		t.Errorf("%+v", after)
	}
	a, b := &after.Interfaces[0], &before.Interfaces[0]
	if a.Name != "eth0" || !a.Carrier || a.Addresses.IPv4 != "10.0.2.15/24" || a.MAC == "00:00:00:00:00:00" {
		t.Errorf("interface %+v", a)
	}
	if a.Interrupts <= b.Interrupts || a.Stack.UDP["InDatagrams"] <= b.Stack.UDP["InDatagrams"] ||
		a.Stack.Device["rx_bytes"] <= b.Stack.Device["rx_bytes"] || a.Stack.Device["tx_bytes"] <= b.Stack.Device["tx_bytes"] {
		t.Errorf("counters stand still: %+v, then %+v", b, a)
	}
	consistent(t, a)
	for _, c := range []string{"rx_errors", "tx_errors", "tx_dropped"} {
		if n := a.Stack.Device[c]; n != 0 {
			t.Errorf("%s %d", c, n)
		}
	}
}

// consistent checks the relations between counters that always hold. They are
// read one after the other, so those read later may be ahead.
func consistent(t *testing.T, s *ifStats) {
	t.Helper()
	dev := s.Stack.Device
	if s.driver("rx_good")+s.Fault.Rx["duplicate"] < dev["rx_packets"] || s.driver("tx_queued") < dev["tx_packets"] ||
		s.driver("tx_done") > s.driver("tx_queued") || s.Stack.Softnet.Bugs != 0 {
		t.Errorf("inconsistent: %+v", s)
	}
	var link uint64
	for name, n := range s.Stack.Link {
		if strings.HasPrefix(name, "In") {
			link += n
		}
	}
	if link < dev["rx_dropped"] {
		t.Errorf("rx_dropped is %d, its causes make %d: %v", dev["rx_dropped"], link, s.Stack.Link)
	}
}

package systest

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gasp-go/gasp/internal/qemu"
)

func TestEachMalformedBootArgumentIsReportedAndTheRestIsObeyed(t *testing.T) {
	t.Parallel()
	bad := []string{
		"panic=soon", "panic=99999999999", "loglevel=-1", "loglevel=x", "quiet=1", "mem=much",
		"printk.time=maybe", "netconsole=;;", "gasp.=1",
		"ip=hello", "ip=1.2.3", "ip=256.1.1.1", "ip=10.0.0.1:::255.0.255.0", "ip=10.0.0.1::::::bootp",
		"ip=224.0.0.1", "ip=fe80::1",
	}
	g, w := bootWire(t, strings.Join(bad, " ")+" root=/dev/nfs "+staticIP)
	for _, arg := range bad {
		l := g.line(`"` + arg + `" ignored`)
		if n := strings.Count(strings.Join(g.serial.Lines(), "\n"), `"`+arg+`" ignored`); n != 1 {
			t.Errorf("%s is reported %d times: %s", arg, n, l)
		}
	}
	g.line("unknown boot argument")
	w.reachable()
	g.unharmed()
}

func TestAMalformedNetconsoleTargetIsReportedAndTheRestIsObeyed(t *testing.T) {
	t.Parallel()
	bad := []string{"6666@10.0.0.1", "@/,@/", "r@/,@10.77.0.1/", "+@/eth0,99999@10.77.0.1/", "@/,@10.77.0.1/zz"}
	g, w := bootWire(t, "netconsole="+strings.Join(bad, ";")+" netconsole=@/eth7,@10.77.0.1/ "+staticIP)
	for _, target := range append(bad, "@/eth7,@10.77.0.1/") {
		from := 0
		for g.said("command line") && strings.Contains(g.serial.Lines()[from], "command line") {
			from++
		}
		ctx, cancel := g.bounded()
		_, err := g.serial.WaitFor(ctx, from, func(l string) bool {
			return strings.Contains(l, target) && !strings.Contains(l, "command line")
		})
		cancel()
		if err != nil {
			t.Errorf("no line about %s: %v", target, err)
		}
	}
	w.reachable()
	g.unharmed()
}

func TestAStaticAddressWorksInEverySyntax(t *testing.T) {
	t.Parallel()
	far := netip.MustParseAddr("192.0.2.5")
	for _, tt := range []struct {
		arg     string
		gateway bool
	}{
		{"ip=10.77.0.2", false},
		{"ip=10.77.0.2:::255.255.255.0", false},
		{"ip=10.77.0.2::10.77.0.1:255.255.255.0", true},
		{"ip=10.77.0.2:10.77.0.9:10.77.0.1:255.255.0.0:board:eth0:none:10.77.0.8:10.77.0.7:10.77.0.6", true},
		{`ip="10.77.0.2::10.77.0.1:255.255.255.0::eth0:off"`, true},
		{"ip=dhcp ip=10.77.0.2::10.77.0.1:255.255.255.0::eth0:off", true},
		{"ip=10.77.0.2::10.77.0.1:255.255.255.0::eth0:off ip=off", true}, // the one that names the device
	} {
		t.Run(tt.arg, func(t *testing.T) {
			g, w := bootWire(t, tt.arg)
			w.reachable()
			request := w.to4(ping(far, guestIP, 1, 1, nil))
			if tt.gateway {
				w.ask(request, w.mark(), "an echo reply through the gateway", echoes(far, guestIP, 1, 1, nil))
			} else {
				w.silent(t, "an echo request from off the link", echoes(far, guestIP, 1, 1, nil), request)
			}
			for _, p := range w.since(0) {
				if _, ok := readDHCP(p); ok {
					t.Errorf("it asks for an address: %v", p)
				}
			}
			g.unharmed()
		})
	}
}

func TestWithIPOffThereIsOnlyIPv6(t *testing.T) {
	t.Parallel()
	for _, arg := range []string{"ip=off", "ip=none", "ip="} {
		t.Run(arg, func(t *testing.T) {
			g, w := bootWire(t, arg)
			g.line("http: listening")
			it := w.linkLocal()
			w.ask(w.to6(ping(peerIP6, it, 1, 1, nil)), w.mark(), "an IPv6 echo reply", echoes(peerIP6, it, 1, 1, nil))
			for _, p := range w.since(0) {
				if p.typ != typeIPv6 {
					t.Errorf("it sent %v", p)
				}
			}
			g.unharmed()
		})
	}
}

func TestTheLogLevelFiltersTheSerialConsoleAndNotTheLog(t *testing.T) {
	t.Parallel()
	for _, arg := range []string{"quiet", "loglevel=4", "loglevel=5", "loglevel=8", "debug"} {
		t.Run(arg, func(t *testing.T) {
			g, to := bootUser(t, qemu.Options{BootArgs: arg + " panic=never"})
			page := get(t, to, "/log")
			for _, want := range []string{"gasp ", "panic=never"} {
				if !strings.Contains(page, want) {
					t.Errorf("the log has no %q", want)
				}
			}
			if arg == "loglevel=8" || arg == "debug" {
				g.line("Kernel command line") // info
				return
			}
			if arg == "loglevel=5" {
				g.line("panic=never") // a warning
			}
			for _, l := range g.serial.Lines() {
				if arg != "loglevel=5" || strings.Contains(l, "Kernel command line") {
					t.Errorf("serial console: %s", l)
				}
			}
		})
	}
}

func TestWithoutPrintkTimeLinesBeginWithTheirText(t *testing.T) {
	t.Parallel()
	g, _ := bootUser(t, qemu.Options{BootArgs: "printk.time=0"})
	if l := g.line("Kernel command line"); !strings.HasPrefix(l, "Kernel") {
		t.Errorf("%q", l)
	}
}

func TestMemIsTheLimit(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		arg, ram string
		want     uint64
	}{
		{"mem=64M", "256M", 64 << 20},
		{"mem=65536K", "128M", 64 << 20},
		{"mem=1G", "128M", 128 << 20}, // more than there is
		{"", "64M", 64 << 20},
	} {
		t.Run(tt.arg+" of "+tt.ram, func(t *testing.T) {
			g, to := bootUser(t, qemu.Options{BootArgs: tt.arg, Memory: tt.ram})
			g.line(fmt.Sprintf("Memory: %d KiB", tt.want>>10))
			if m := getStats(t, to).Memory; m.Total != tt.want || m.Used+m.Free > m.Total {
				t.Errorf("%+v", m)
			}
			if err := echo(connect(t, to, "tcp", portEcho), pattern(100000)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestWhatIsNoTextIsNoBootArguments(t *testing.T) {
	t.Parallel()
	prepare(t)
	junk := filepath.Join(t.TempDir(), "junk")
	if err := os.WriteFile(junk, append([]byte("ip=off quiet \x01"), pattern(4000)...), 0o600); err != nil {
		t.Fatal(err)
	}
	g, _ := bootUser(t, qemu.Options{Load: []qemu.Load{{Path: junk, Addr: built.board.BootArgs}}})
	if l := g.line("Kernel command line:"); strings.Contains(l, "quiet") {
		t.Errorf("%q", l)
	}
}

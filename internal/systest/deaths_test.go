package systest

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gasp-go/gasp/internal/ncrx"
	"github.com/gasp-go/gasp/internal/qemu"
)

const (
	deathTarget = " netconsole=+6665@10.77.0.2/eth0,6666@10.77.0.1/"
	endLine     = "---[ end Kernel panic - not syncing: "
)

// death is a way to die and what its report must tell.
type death struct {
	how       string
	cause     string // of the first line of the report
	panics    string // behind "Kernel panic - not syncing: "
	says      string // by the runtime, before the report
	traceback bool   // Go's
	registers bool   // the CPU's
}

var deaths = []death{
	{"panic", "", "Attempted to kill init! exitcode=0x00000200", `^panic: asked to panic$`, true, false},
	{"nil", "", "Attempted to kill init! exitcode=0x00000200", `^panic: runtime error: invalid memory address or nil pointer dereference`, true, false},
	{"throw", "", "Attempted to kill init! exitcode=0x00000200", `^fatal error: concurrent map `, true, false},
	{"oom", "", "Attempted to kill init! exitcode=0x00000200", `^fatal error: runtime: (cannot allocate|out of) memory`, true, false},
	{"stack", "", "Attempted to kill init! exitcode=0x00000200", `^fatal error: stack overflow`, true, false},
	{"undef", "", "Attempted to kill init! exitcode=0x00000200", `SIGILL`, true, false},
	{"garbage", "", "Attempted to kill init! exitcode=0x00000200", `SIGSEGV|SIGBUS|unexpected fault`, true, false},
	{"exit", "", "Attempted to kill init! exitcode=0x00000300", "", false, false},
	{"trap", `^Unable to handle kernel NULL pointer dereference at virtual address 0000000\d when write`, "Fatal exception in interrupt", "", false, true},
	{"tophalf", `^Unable to handle kernel NULL pointer dereference at virtual address 0000000\d when write`, "Fatal exception in interrupt", "", false, true},
	{"twice", "", "Attempted to kill init! exitcode=0x00000200", `^Panic in the panic path \(2\): Unable to handle kernel NULL`, true, false},
}

func TestWhateverItDiesOfNetconsoleTellsAllAndItStaysReachable(t *testing.T) {
	for _, d := range deaths {
		t.Run(d.how, func(t *testing.T) {
			t.Parallel()
			w := newWire(t)
			c := w.collect(6666)
			// Little memory, so that running out of it does not take long.
			g := w.boot(qemu.Options{Memory: "64M", BootArgs: staticIP + deathTarget + " gasp.die=1"})
			g.line("http: listening")
			w.reachable()
			if body, err := w.fetch("POST", "/die?how="+d.how); err != nil || !strings.HasPrefix(body, "dying of "+d.how) {
				t.Fatalf("%q, %v", body, err)
			}
			d.check(g, c)
			w.reachable()
			// It is dead: nobody serves anything.
			w.silentTCP(t)
		})
	}
}

// check waits for the end of the report on both consoles and judges it.
func (d *death) check(g *guest, c *collector) {
	g.t.Helper()
	g.line(endLine)
	unbroken(g.t, c.awaitLine(g, endLine))
	serial, nc := untimed(g.serial.Lines()), c.lines()
	diffLines(g.t, serial, nc)

	find := func(what, re string) int {
		r := regexp.MustCompile(re)
		i := slices.IndexFunc(nc, r.MatchString)
		if i < 0 {
			g.t.Errorf("no %s: no line matches %s", what, re)
		}
		return i
	}
	start := find("cause", "^Kernel panic - not syncing: "+regexp.QuoteMeta(d.panics)+"$")
	if d.cause != "" {
		if i := find("cause", d.cause); i != start-1 {
			g.t.Errorf("the cause is line %d, the panic line %d", i, start)
		}
	}
	if d.says != "" {
		find("message", d.says)
	}
	if d.traceback {
		if i := find("traceback", `^goroutine \d+ .*\[.*\]:$`); i > start {
			g.t.Errorf("the traceback is line %d, after the panic line %d", i, start)
		}
		find("place in the traceback", `^\s+.*\.(go|s):\d+`)
	}
	if d.registers {
		find("registers", `^pc : \[<[0-9a-f]{8}>\] +lr : \[<[0-9a-f]{8}>\] +psr: [0-9a-f]{8}$`)
		find("place", `^PC is at \S+\+0x[0-9a-f]+`)
		find("call trace", `^Call trace:$`)
	}
	for _, re := range []string{`^CPU: 0 Thread: \d+ Version: \S+ Build: \S+`, `^Hardware name: mx6ulevk$`, `^Uptime: \d+\.\d{3} s$`, `^eth0: rx \d+`, `^Memory: \d+ KiB, used`} {
		find("report", re)
	}
	if l := nc[len(nc)-1]; l != endLine+d.panics+" ]---" {
		g.t.Errorf("the last line is %q", l)
	}
}

// silentTCP makes sure that a connection is not answered.
func (w *wire) silentTCP(t *testing.T) {
	t.Helper()
	from := w.mark()
	w.send(w.to4(tcp(netip.AddrPortFrom(peerIP, 29999), netip.AddrPortFrom(guestIP, portHTTP), 1, 0, tcpSYN, nil)))
	w.ping(8)
	for _, p := range w.since(from) {
		if p.proto == protoTCP && p.to.Port() == 29999 {
			t.Errorf("a dead firmware sent %v", p)
		}
	}
}

func TestADeathBeforeTheServicesAreUpIsReportedToo(t *testing.T) {
	for _, d := range []death{deaths[0], deaths[2], deaths[7], deaths[8]} {
		t.Run(d.how, func(t *testing.T) {
			t.Parallel()
			w := newWire(t)
			c := w.collect(6666)
			g := w.boot(qemu.Options{BootArgs: staticIP + deathTarget + " gasp.die=" + d.how})
			g.line("dying as the boot arguments ask")
			d.check(g, c)
			w.reachable()
		})
	}
}

func TestADeathWithoutAnAddressIsReportedFromTheTargetsOwn(t *testing.T) {
	t.Parallel()
	// No server answers; netconsole= says what address to use.
	w := newWire(t)
	c := w.collect(6666)
	g := w.boot(qemu.Options{BootArgs: "ip=dhcp" + deathTarget + " gasp.die=panic"})
	deaths[0].check(g, c)
	w.reachable()
}

func TestADeathInTheBasicFormatHasEveryLine(t *testing.T) {
	t.Parallel()
	w := newWire(t)
	c := w.collect(6666)
	g := w.boot(qemu.Options{BootArgs: staticIP + " netconsole=@/,6666@10.77.0.1/ gasp.die=1"})
	g.line("http: listening")
	if _, err := w.fetch("POST", "/die?how=panic"); err != nil {
		t.Fatal(err)
	}
	g.line(endLine)
	c.awaitLine(g, endLine)
	diffLines(t, untimed(g.serial.Lines()), c.lines())
}

func TestPanicEqualsDecidesWhenItRestarts(t *testing.T) {
	for _, tt := range []struct {
		arg, how string
		tells    bool
	}{{"panic=1", "panic", true}, {"panic=-1", "panic", false}, {"panic=-1", "tophalf", false}, {"panic=1", "trap", true}} {
		t.Run(tt.arg+" "+tt.how, func(t *testing.T) {
			t.Parallel()
			w := newWire(t)
			c := w.collect(6666)
			g := w.boot(qemu.Options{BootArgs: staticIP + deathTarget + " gasp.die=1 " + tt.arg})
			g.line("http: listening")
			if _, err := w.fetch("POST", "/die?how="+tt.how); err != nil {
				t.Fatal(err)
			}
			g.line(endLine)
			if tt.tells {
				g.line("Rebooting in 1 seconds..")
				c.awaitLine(g, "Rebooting in 1 seconds..")
			}
			// The second life, with a log that begins anew.
			end := slices.IndexFunc(g.serial.Lines(), func(l string) bool { return strings.Contains(l, endLine) })
			g.lineFrom(end, "gasp ")
			g.lineFrom(end, "http: listening")
			w.reachable()
			c.await(g, "the second life's log", func(rs []ncrx.Record) bool {
				i := slices.IndexFunc(rs, func(r ncrx.Record) bool { return r.Restarted })
				return i > 0 && rs[i].Seq == 0 && slices.ContainsFunc(linesOf(rs[i:]), func(l string) bool { return strings.Contains(l, "http: listening") })
			})
			if !g.machine.WasReset() {
				t.Errorf("QEMU saw no reset: %v", g.machine.Events())
			}
		})
	}
}

func TestABusyGoroutineDoesNotStopTheNetwork(t *testing.T) {
	t.Parallel()
	g, w := bootWire(t, staticIP+" gasp.die=1")
	g.line("http: listening")
	for range 4 { // more than there are CPUs, or Ps
		if _, err := w.fetch("POST", "/die?how=spin"); err != nil {
			t.Fatal(err)
		}
		w.ping(56)
		w.udpEcho(pattern(100))
	}
	for i := range 20 {
		w.ping(i)
		w.udpEcho(pattern(i + 1))
	}
	if page, err := w.fetch("GET", "/"); err != nil || !strings.Contains(page, "eth0 address") {
		t.Errorf("%v\n%s", err, page)
	}
	g.unharmed()
}

func TestADeathUnderFloodIsReportedInFull(t *testing.T) {
	for _, how := range []string{"panic", "trap", "throw"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			w := newWire(t)
			c := w.collect(6666)
			g := w.boot(qemu.Options{BootArgs: staticIP + deathTarget + " gasp.die=1"})
			g.line("http: listening")
			if _, err := w.fetch("POST", "/die?how="+how); err != nil {
				t.Fatal(err)
			}
			// As fast as QEMU takes it, from now until it is dead and on.
			stop := w.flood()
			i := slices.IndexFunc(deaths, func(d death) bool { return d.how == how })
			deaths[i].check(g, c)
			w.whoHas(guestIP)
			stop()
			w.reachable()
		})
	}
}

func TestAWayToDieThatIsNoneIsRefused(t *testing.T) {
	t.Parallel()
	g, w := bootWire(t, staticIP+" gasp.die=1")
	g.line("http: listening")
	// Not while there are other goroutines, and not an invented one.
	for _, how := range []string{"deadlock", "boredom"} {
		if _, err := w.fetch("POST", "/die?how="+how); err == nil || !strings.Contains(err.Error(), "400") {
			t.Errorf("%s: %v", how, err)
		}
	}
	w.reachable()
	w.udpEcho([]byte("alive"))
	w.stats()
	g.unharmed()
}

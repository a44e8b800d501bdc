package systest

import (
	"fmt"
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
	cause     string   // of the first line of the report
	panics    string   // behind "Kernel panic - not syncing: "
	says      string   // by the runtime, before the report, or in it
	traceback bool     // Go's, of all goroutines
	alone     bool     // there is one
	registers bool     // the CPU's
	calls     []string // functions of the call trace, in this order
	args      string   // boot arguments
}

const (
	killed     = "Attempted to kill init! exitcode=0x00000200"
	inTrap     = "Fatal exception in interrupt"
	nullWrite  = `^Unable to handle kernel NULL pointer dereference at virtual address 0000000\d when write$`
	lockedUp   = `^Watchdog detected hard LOCKUP on cpu 0$`
	shortWatch = " watchdog_thresh=1"
)

var deaths = []death{
	{how: "panic", panics: killed, says: `^panic: asked to panic$`, traceback: true},
	{how: "nil", panics: killed, says: `^panic: runtime error: invalid memory address or nil pointer dereference`, traceback: true},
	{how: "throw", panics: killed, says: `^fatal error: concurrent map `, traceback: true},
	{how: "oom", panics: killed, says: `^fatal error: runtime: (cannot allocate|out of) memory`, traceback: true},
	{how: "stack", panics: killed, says: `^fatal error: stack overflow`, traceback: true},
	{how: "many", panics: killed, says: `^\.\.\.4\d\d\d goroutines elided, \d+ lines\.\.\.$`, traceback: true},
	{how: "exit", panics: "Attempted to kill init! exitcode=0x00000300"},

	// What the CPU finds, in a goroutine.
	{how: "undef", panics: killed, says: `^SIGILL: illegal instruction`, traceback: true},
	{how: "garbage", panics: killed, says: `SIGSEGV|SIGBUS|unexpected fault`, traceback: true},
	{how: "align", panics: killed, says: `^\[signal SIGBUS: bus error code=0x1 `, traceback: true},
	{how: "text", panics: killed, says: `^\[signal SIGSEGV: segmentation violation code=0x2 `, traceback: true},
	{how: "rodata", panics: killed, says: `^\[signal SIGSEGV: segmentation violation code=0x2 `, traceback: true},
	{how: "data", panics: killed, says: `^\[signal SIGSEGV: segmentation violation code=0x2 addr=0x(\w+) pc=0x`, traceback: true},

	// In the kernel.
	{how: "trap", cause: nullWrite, panics: inTrap, registers: true,
		calls: []string{"gasp.touchNull", "gasp.FaultInTrap.func1", "kernel.syscall", "kernel.trapEntry"}},
	{how: "tophalf", cause: nullWrite, panics: inTrap, registers: true,
		calls: []string{"gasp.touchNull", "gasp.FaultInTopHalf.func1", "kernel.interrupt"}},

	// In the panic path: once, in every step that can be added, and for ever.
	{how: "twice", panics: killed, says: `^Panic in the panic path \(2\): Unable to handle kernel NULL`, traceback: true},
	{how: "always", panics: killed, says: `^Panic in the panic path \(14\): Unable to handle kernel NULL`, traceback: true},
	{how: "panichang", panics: killed, says: `^Panic in the panic path \(2\): Watchdog detected hard LOCKUP on cpu 0`, traceback: true, args: shortWatch},

	// Loops with interrupts off: in a goroutine, in a system call, in a top half.
	{how: "irqsoff", cause: lockedUp, panics: "Hard LOCKUP", registers: true, calls: []string{"main.irqsOff"}, args: shortWatch},
	{how: "traphang", cause: lockedUp, panics: "Hard LOCKUP", registers: true,
		calls: []string{"gasp.hang", "gasp.HangInTrap.func1", "kernel.syscall", "kernel.trapEntry"}, args: shortWatch},
	{how: "tophang", cause: lockedUp, panics: "Hard LOCKUP", registers: true,
		calls: []string{"gasp.hang", "kernel.interrupt"}, args: shortWatch},

	{how: "soft", panics: "softlockup: hung tasks", says: `^watchdog: BUG: soft lockup - CPU#0 stuck for \d+s! \[go:\d+\]$`, registers: true,
		calls: []string{"main.loop", "main.starve"}, args: shortWatch + " softlockup_panic=1"},
}

// deathBy is the death of that name.
func deathBy(how string) death {
	return deaths[slices.IndexFunc(deaths, func(d death) bool { return d.how == how })]
}

// onBothBoards runs a test for each board.
func onBothBoards(t *testing.T, name string, test func(t *testing.T, board string)) {
	for _, b := range bothBoards {
		t.Run(b+"/"+name, func(t *testing.T) {
			t.Parallel()
			test(t, b)
		})
	}
}

func TestWhateverItDiesOfNetconsoleTellsAllAndItStaysReachable(t *testing.T) {
	for _, d := range deaths {
		onBothBoards(t, d.how, func(t *testing.T, board string) {
			w := newWire(t)
			c := w.collect(6666)
			// Little memory, so that running out of it does not take long.
			g := w.boot(onBoard(t, board, qemu.Options{Memory: "64M", BootArgs: staticIP + deathTarget + " gasp.die=1" + d.args}))
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
	switch {
	case d.traceback && d.alone:
	case d.traceback:
		// Of all goroutines, not of the one that died.
		find("another goroutine", `^goroutine \d+ .*\[chan receive\]:$`)
	case d.cause != "":
		find("threads", `^Thread \d+ \(network\) .*:$`)
		find("main's goroutine", `^goroutine 1 \[.+\]:$`)
		find("a function of a goroutine", `^ main\.\S+\+0x[0-9a-f]+ \w+\.go:\d+$`)
		find("who created a goroutine", `^ created by \S+\+0x[0-9a-f]+ \w+\.go:\d+$`)
	}
	at := -1
	for _, f := range d.calls {
		i := slices.IndexFunc(nc[at+1:], regexp.MustCompile(`^ \S*`+regexp.QuoteMeta(f)+`\+0x[0-9a-f]+ \w+\.[gs]o?:\d+$`).MatchString)
		if at >= 0 && i != 0 || i < 0 {
			g.t.Errorf("%s is not the next line of the call trace:\n%s", f, strings.Join(nc[at+1:min(at+4, len(nc))], "\n"))
			break
		}
		at += 1 + i
	}
	if d.registers {
		find("registers", `^pc : \[<[0-9a-f]{8}>\] +lr : \[<[0-9a-f]{8}>\] +psr: [0-9a-f]{8}$`)
		find("place", `^PC is at \S+\+0x[0-9a-f]+`)
		find("call trace", `^Call trace:$`)
	}
	for _, re := range []string{`^CPU: 0 Thread: \d+ Version: \S+ Build: \S+`, `^Hardware name: ` + g.board + `$`, `^Uptime: \d+\.\d{3} s, last reset: `, `^eth0: rx \d+`,
		`^softnet_stat: [0-9a-f]{8}( [0-9a-f]{8}){14}$`, `^napi eth0:.* polls \d+ `, `^eth0: EIR [0-9a-f]{8} EIMR [0-9a-f]{8} `,
		`^eth0: tx_slot [0-9a-f]{8} tx_status `, `^eth0: rx_slot [0-9a-f]{8} rx_status `, `^Memory: \d+ KiB, used`} {
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

func TestTheWatchdogResetsWhatNothingElseEnds(t *testing.T) {
	onBothBoards(t, "alloff", func(t *testing.T, board string) {
		w := newWire(t)
		g := w.boot(onBoard(t, board, qemu.Options{BootArgs: staticIP + " gasp.die=1" + shortWatch}))
		g.line("http: listening")
		if _, err := w.fetch("POST", "/die?how=alloff"); err != nil {
			t.Fatal(err)
		}
		n := g.serial.Len()
		g.lineFrom(n, "http: listening") // its second life
		w.reachable()
		if !g.machine.WasReset() {
			t.Errorf("QEMU saw no reset: %v", g.machine.Events())
		}
		if g.said("Kernel panic") {
			t.Error("it reported a death, with every interrupt masked")
		}
	})
}

// Deaths before gasp.Start: package gasp's init had the panic path ready.
var earlyDeaths = []death{
	// The runtime finds a deadlock only while there are no other goroutines.
	{how: "deadlock", panics: killed, says: `^fatal error: all goroutines are asleep - deadlock!$`, traceback: true, alone: true},
	{how: "init", panics: killed, says: `^panic: asked to panic in an init function$`, traceback: true, alone: true},
}

func TestADeathBeforeTheStartIsReportedToo(t *testing.T) {
	for _, d := range earlyDeaths {
		onBothBoards(t, d.how, func(t *testing.T, board string) {
			w := newWire(t)
			c := w.collect(6666)
			g := w.boot(onBoard(t, board, qemu.Options{BootArgs: staticIP + deathTarget + " gasp.die=" + d.how}))
			d.check(g, c)
			w.reachable()
		})
	}
}

func TestADeathBeforeTheStartIsKeptForTheNextLife(t *testing.T) {
	t.Parallel()
	g := boot(t, qemu.Options{BootArgs: "gasp.die=init panic=-1"})
	g.line(endLine)
	g.line("it ended in a panic: Attempted to kill init! exitcode=0x00000200")
}

func TestADeathBeforeTheStartUsesAddressAndGatewayOfTheBootArguments(t *testing.T) {
	t.Parallel()
	w := newWire(t)
	g := w.boot(qemu.Options{BootArgs: staticIP + " netconsole=+@/,6666@192.0.2.1/ gasp.die=init"})
	g.line(endLine)
	to := netip.MustParseAddrPort("192.0.2.1:6666")
	w.await(0, "the end of the report", func(p packet) bool {
		return p.proto == protoUDP && p.from.Addr() == guestIP && p.to == to && p.dst == peerMAC && strings.Contains(string(p.data), endLine)
	})
}

func TestASoftLockupIsReportedAndNotDiedOf(t *testing.T) {
	onBothBoards(t, "soft", func(t *testing.T, board string) {
		w := newWire(t)
		c := w.collect(6666)
		g := w.boot(onBoard(t, board, qemu.Options{BootArgs: staticIP + deathTarget + " gasp.die=1" + shortWatch}))
		g.line("http: listening")
		if _, err := w.fetch("POST", "/die?how=soft"); err != nil {
			t.Fatal(err)
		}
		g.line("watchdog: BUG: soft lockup - CPU#0 stuck for ")
		g.line("starved for long enough")
		// It lives on.
		w.reachable()
		w.udpEcho([]byte("alive"))
		w.stats()
		c.sameAsSerial(g)
		nc := strings.Join(c.lines(), "\n")
		want := fmt.Sprintln(strings.Count(nc, "BUG: soft lockup"))
		if n, err := w.fetch("GET", "/sys/kernel/softlockup_count"); err != nil || n != want {
			t.Errorf("softlockup_count is %q, %v, want %q", n, err, want)
		}
		for _, re := range []string{
			`watchdog: BUG: soft lockup - CPU#0 stuck for \d+s! \[go:\d+\]\nCPU: 0 Thread: `,
			`\npc : \[<[0-9a-f]{8}>\]`,
			`\nCall trace:\n( \S+ \S+\n)*( <signal>\n)? main\.loop\+0x[0-9a-f]+ die_arm\.s:\d+\n main\.starve\+0x\w+ die\.go:\d+\n`,
			`\nThread \d+ \(network\) waits for an event:\n`,
		} {
			if !regexp.MustCompile(re).MatchString(nc) {
				t.Errorf("nothing matches %s in\n%s", re, nc)
			}
		}
		if strings.Contains(nc, "Kernel panic") {
			t.Error("it died")
		}
	})
}

func TestADeathBeforeTheServicesAreUpIsReportedToo(t *testing.T) {
	for _, how := range []string{"panic", "throw", "exit", "trap"} {
		d := deathBy(how)
		onBothBoards(t, how, func(t *testing.T, board string) {
			w := newWire(t)
			c := w.collect(6666)
			g := w.boot(onBoard(t, board, qemu.Options{BootArgs: staticIP + deathTarget + " gasp.die=" + how}))
			g.line("dying as the boot arguments ask")
			d.check(g, c)
			w.reachable()
		})
	}
}

func TestADeathBeforeTheStartIsReachableForATargetOfTheOtherFamily(t *testing.T) {
	t.Parallel()
	w := newWire(t)
	to, from := netip.MustParseAddrPort("[fd00:9::1]:6666"), netip.MustParseAddr("fd00:9::2")
	w.own(to.Addr(), peerMAC)
	g := w.boot(qemu.Options{BootArgs: staticIP + " netconsole=+@fd00:9::2/,6666@fd00:9::1/ gasp.die=init"})
	g.line(endLine)
	w.await(0, "the end of the report", func(p packet) bool {
		return p.proto == protoUDP && p.from.Addr() == from && p.to == to && p.dst == peerMAC && strings.Contains(string(p.data), endLine)
	})
	// And answers to who looks for it: what receivers ask again comes that way.
	w.whoHas(guestIP)
	solicit := icmp(to.Addr(), solicitedNode(from), neighborSolicit, 0, neighbor(0, from, 1, peerMAC))
	w.ask(ethernet(groupMAC(solicitedNode(from)), peerMAC, typeIPv6, solicit), w.mark(), "a neighbour advertisement",
		func(p packet) bool {
			return p.proto == protoICMPv6 && p.icmpType == neighborAdvert && p.from.Addr() == from
		})
}

func TestADeathWithoutAnAddressIsReportedFromTheTargetsOwn(t *testing.T) {
	t.Parallel()
	// No server answers; netconsole= says what address to use.
	w := newWire(t)
	c := w.collect(6666)
	g := w.boot(qemu.Options{BootArgs: "ip=dhcp" + deathTarget + " gasp.die=panic"})
	d := deathBy("panic")
	d.check(g, c)
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
	}{{"panic=1", "panic", true}, {"panic=-1", "panic", false}, {"panic=-1", "tophalf", false}, {"panic=1", "trap", true},
		{"panic=-1" + shortWatch, "tophang", false}} {
		onBothBoards(t, tt.arg+" "+tt.how, func(t *testing.T, board string) {
			w := newWire(t)
			c := w.collect(6666)
			g := w.boot(onBoard(t, board, qemu.Options{BootArgs: staticIP + deathTarget + " gasp.die=1 " + tt.arg}))
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
			d := deathBy(how)
			d.check(g, c)
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

package systest

import (
	"slices"
	"strings"
	"testing"

	"github.com/gasp-go/gasp/internal/qemu"
)

// Deaths in the middle of what the network driver does. A DMA that hangs QEMU cannot
// show: enet/seize_test.go and enet/lastwords_test.go have it on the MAC model.
var driverDeaths = []string{"ringlock", "halfdesc", "ringfull", "macstop", "macreset"}

// driverDeath is what the report of one tells.
func driverDeath(how string) death {
	return death{how: how, cause: nullWrite, panics: inTrap, registers: true, calls: []string{"gasp.touchNull", "gasp.wreck"}}
}

func TestWhateverTheDriverWasDoingNetconsoleTellsAll(t *testing.T) {
	for _, how := range driverDeaths {
		onBothBoards(t, how, func(t *testing.T, board string) {
			d := driverDeath(how)
			w := newWire(t)
			c := w.collect(6666)
			g := w.boot(onBoard(t, board, qemu.Options{BootArgs: staticIP + deathTarget + " gasp.die=1"}))
			g.line("http: listening")
			w.reachable()
			if body, err := w.fetch("POST", "/die?how="+d.how); err != nil || !strings.HasPrefix(body, "dying of "+d.how) {
				t.Fatalf("%q, %v", body, err)
			}
			d.check(g, c)
			// What waited in the ring has left, once, before the report.
			announced := 0
			for _, p := range w.since(0) {
				if p.typ == typeARP && p.arp.spa == guestIP && p.arp.tpa == guestIP && p.arp.op == arpRequest {
					announced++
				}
			}
			if want := map[bool]int{false: 3, true: 128}[d.how == "ringfull"]; announced != want {
				t.Errorf("%d of %d frames that waited were sent", announced, want)
			}
			w.reachable()
			w.silentTCP(t)
		})
	}
}

func TestADeathWithoutALinkIsReportedWhenItIsBack(t *testing.T) {
	for _, after := range []string{"3s", "300ms"} { // the driver looks once a second
		onBothBoards(t, after, func(t *testing.T, board string) {
			w := newWire(t)
			c := w.collect(6666)
			g := w.boot(onBoard(t, board, qemu.Options{BootArgs: staticIP + deathTarget + " gasp.die=1"}))
			g.line("http: listening")
			w.reachable()
			if body, err := w.fetch("POST", "/die?how=trap&after="+after); err != nil || !strings.HasPrefix(body, "dying of trap") {
				t.Fatalf("%q, %v", body, err)
			}
			if err := g.machine.SetLink(false); err != nil {
				t.Fatal(err)
			}
			// It waits for its bound, and then says on the serial console what there is.
			g.line("eth0: link is down: the log waits for it")
			g.line(endLine)
			if slices.ContainsFunc(c.lines(), func(l string) bool { return strings.Contains(l, "Kernel panic") }) {
				t.Error("the report was sent without a link")
			}
			if err := g.machine.SetLink(true); err != nil {
				t.Fatal(err)
			}
			g.line("eth0: link is up again")
			c.awaitLine(g, "link is up again")
			diffLines(t, untimed(g.serial.Lines()), c.lines())
			w.reachable()
		})
	}
}

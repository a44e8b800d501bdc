package systest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gasp-go/gasp/internal/ncrx"
	"github.com/gasp-go/gasp/internal/qemu"
)

const toldLine = "ramoops: the previous life's log has been sent"

// secondLife waits until the netconsole stream has begun anew and the firmware has
// said that it sent the previous life's log, and returns the stream from there.
func secondLife(g *guest, c *collector, lives int) []ncrx.Record {
	g.t.Helper()
	var begin int
	rs := c.await(g, "the next life's log", func(rs []ncrx.Record) bool {
		n := 0
		for i, r := range rs {
			if r.Restarted {
				begin, n = i, n+1
			}
		}
		return n == lives && slices.ContainsFunc(rs[begin:], func(r ncrx.Record) bool { return strings.HasPrefix(r.Text, "http: listening") })
	})
	return rs[begin:]
}

// previous returns what a life's stream repeats of the one before it, without the
// prefix and the time.
func previous(rs []ncrx.Record) (lines []string) {
	for _, r := range rs {
		if text, ok := strings.CutPrefix(r.Text, "[previous] "); ok {
			lines = append(lines, untimed([]string{text})...)
		}
	}
	return lines
}

func said(rs []ncrx.Record, text string) bool {
	return slices.ContainsFunc(linesOf(rs), func(l string) bool { return strings.Contains(l, text) && !strings.HasPrefix(l, "[previous]") })
}

func TestTheLogOfALifeSurvivesAPanicAndAReset(t *testing.T) {
	onBothBoards(t, "nil", survives)
}

func survives(t *testing.T, board string) {
	w := newWire(t)
	c := w.collect(6666)
	g := w.boot(onBoard(t, board, qemu.Options{BootArgs: staticIP + deathTarget + " gasp.die=1 panic=1"}))
	g.line("http: listening")
	if said(c.all(), "previous life") {
		t.Error("a machine that was off has a previous life")
	}
	if _, err := w.fetch("POST", "/die?how=nil"); err != nil {
		t.Fatal(err)
	}
	g.line("Rebooting in 1 seconds..")
	died := c.awaitLine(g, "Rebooting in 1 seconds..")
	g.lineFrom(g.serial.Len(), "http: listening")
	rs := secondLife(g, c, 1)
	c.await(g, toldLine, func(rs []ncrx.Record) bool { return said(rs, toldLine) })
	if !said(rs, "0 damaged; it ended in a panic: Attempted to kill init! exitcode=0x00000200; reset cause: ") {
		t.Errorf("nothing of the panic: %q", linesOf(rs)[:10])
	}
	// Every line of the first life that netconsole had, in order.
	want, got := untimed(linesOf(died)), previous(rs)
	var texts []string
	for _, l := range got {
		texts = append(texts, strings.Split(l, "\n")...)
	}
	diffLines(t, want, texts)
	for _, l := range g.serial.Lines() {
		if strings.Contains(l, "[previous]") {
			t.Errorf("on the serial console, which had it: %s", l)
		}
	}
	i := slices.IndexFunc(rs, func(r ncrx.Record) bool {
		return strings.HasPrefix(r.Text, "[previous]") && strings.Contains(r.Text, endLine)
	})
	if i < 0 || rs[i].Facility != 16 || !slices.Contains(dictOf(rs[i]), "PREVIOUS_LIFE=1") {
		t.Errorf("record %d: %+v", i, rs[max(i, 0)])
	}

	files, err := w.fetch("GET", "/pstore/")
	if err != nil || files != "dmesg-ramoops-0\nconsole-ramoops-0\n" {
		t.Errorf("%q %v", files, err)
	}
	dump, err := w.fetch("GET", "/pstore/dmesg-ramoops-0")
	if err != nil || !strings.HasPrefix(dump, "Panic#1 Part1\n<") || !strings.Contains(dump, endLine) {
		t.Errorf("%q %v", dump, err)
	}

	// It has been told; the life in between, which is reset from outside, not.
	lines := g.serial.Len()
	if err := g.machine.Reset(); err != nil {
		t.Fatal(err)
	}
	g.lineFrom(lines, "http: listening")
	rs = secondLife(g, c, 2)
	if !said(rs, "it ended without a panic") || slices.ContainsFunc(previous(rs), func(l string) bool { return strings.Contains(l, endLine) }) ||
		!slices.ContainsFunc(previous(rs), func(l string) bool { return strings.HasPrefix(l, toldLine) }) {
		t.Errorf("the third life repeats %q", previous(rs))
	}
	if _, err := w.fetch("DELETE", "/pstore/console-ramoops-0"); err != nil {
		t.Error(err)
	}
	if files, err := w.fetch("GET", "/pstore/"); err != nil || strings.Contains(files, "console-ramoops-0") {
		t.Errorf("erased: %q %v", files, err)
	}
}

func dictOf(r ncrx.Record) []string {
	var d []string
	for _, kv := range r.Dict {
		d = append(d, fmt.Sprintf("%s=%s", kv.Key, kv.Value))
	}
	return d
}

func TestWhateverIsInTheMemoryTheFirmwareStarts(t *testing.T) {
	t.Parallel()
	prepare(t)
	garbage := filepath.Join(t.TempDir(), "garbage")
	// What a record begins with, all over.
	if err := os.WriteFile(garbage, []byte(strings.Repeat("\xe5\xa4\xd1\x72\xff\xff\x00\x01", 32<<10)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ args, says string }{
		{"", "ramoops: using 0x40000@"},
		{" ramoops.mem_size=512K ramoops.record_size=16K", "ramoops: using 0x80000@"},
		{" ramoops.mem_address=0x800ff800", "ramoops: no memory"},
		{" ramoops.console_size=1M", "ramoops: record_size and console_size do not fit"},
		{" ramoops.mem_size=0", ""},
	} {
		t.Run(tt.says, func(t *testing.T) {
			g, _ := bootUser(t, qemu.Options{BootArgs: tt.args, Load: []qemu.Load{{Path: garbage, Addr: built.board.RAM + 1<<20}}})
			g.line("http: listening")
			if tt.says != "" && !g.said(tt.says) || tt.says == "" && g.said("ramoops: ") || g.said("previous life") {
				t.Errorf("%q: %q", tt.args, g.serial.Lines()[:8])
			}
			g.unharmed()
		})
	}
}

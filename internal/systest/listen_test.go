package systest

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gasp-go/gasp/internal/qemu"
)

// listener is a running "gasp listen" with what stands between it and the wire.
type listener struct {
	out  qemu.Log // what it prints
	conn net.Conn // what is sent here comes to it from the guest

	toIt, fromIt lossy
}

// lossy loses each fifth datagram, the first of all among them, or the second if
// spares is 1: a sender that does not answer the first time is waited for 3 s only,
// which a busy machine may take for the next.
type lossy struct{ spares, n, lost atomic.Uint32 }

func (l *lossy) loses() bool {
	if (l.n.Add(1)-l.spares.Load())%5 != 1 {
		return false
	}
	l.lost.Add(1)
	return true
}

// heard is what the tests look at of an object that gasp listen -json prints.
type heard struct {
	Seq                                            uint64
	Text, Auth                                     string
	Gap                                            uint64
	Missing                                        int
	Late, Restarted, Repeated, Malformed, Extended bool
}

// listen runs gasp listen with -ack -key. What it answers goes to the guest from
// the address of netconsole's target.
func (w *wire) listen(tool string) *listener {
	w.t.Helper()
	l := &listener{}
	l.fromIt.spares.Store(1)
	var errs qemu.Log
	ctx, cancel := context.WithCancel(w.t.Context())
	cmd := exec.CommandContext(ctx, tool, "listen", "-p", "0", "-json", "-ack", "-strict", "-key", testHMACKey)
	cmd.Stdout, cmd.Stderr = &l.out, &errs
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		cancel()
		cmd.Wait()
		if w.t.Failed() {
			w.t.Logf("gasp listen: %s; it printed %d lines and lost %d of %d datagrams and %d of %d answers",
				strings.Join(errs.Lines(), "; "), l.out.Len(), l.toIt.lost.Load(), l.toIt.n.Load(), l.fromIt.lost.Load(), l.fromIt.n.Load())
		}
	})
	bound, stop := w.g.bounded()
	defer stop()
	line, err := errs.WaitFor(bound, 0, func(l string) bool { return strings.HasPrefix(l, "listening at ") })
	if err == nil {
		l.conn, err = net.Dial("udp", strings.TrimPrefix(line, "listening at "))
	}
	if err != nil {
		w.t.Fatal(err)
	}
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		buf := make([]byte, 2048)
		for {
			n, err := l.conn.Read(buf)
			if err != nil {
				return
			}
			if !l.fromIt.loses() {
				w.send(w.to4(udp(netip.AddrPortFrom(peerIP, 6666), netip.AddrPortFrom(guestIP, askingPort), buf[:n])))
			}
		}
	}()
	w.t.Cleanup(func() {
		l.conn.Close()
		<-answered
	})
	return l
}

// everyLine waits until l has printed as many lines of the log as the serial
// console has by now, and makes sure that they are the same, in order, each
// record once and signed.
func (l *listener) everyLine(g *guest) (lastSeq uint64) {
	g.t.Helper()
	serial := untimed(g.serial.Lines())
	var records []heard
	var lines []string
	g.retry("all lines from gasp listen", func() error {
		records, lines = nil, nil
		for _, text := range l.out.Lines() {
			var r heard
			if err := json.Unmarshal([]byte(text), &r); err != nil {
				g.t.Fatalf("gasp listen printed %q: %v", text, err)
			}
			records = append(records, r)
			lines = append(lines, strings.Split(r.Text, "\n")...)
		}
		if len(lines) < len(serial) {
			return fmt.Errorf("%d of %d lines", len(lines), len(serial))
		}
		return nil
	})
	diffLines(g.t, serial, lines)
	for i, r := range records {
		if want := (heard{Seq: uint64(i), Text: r.Text, Auth: "authentic", Extended: true}); r != want {
			g.t.Fatalf("record %d is %+v", i, r)
		}
	}
	return records[len(records)-1].Seq
}

// Of what the wire loses gasp listen has every line in the end, from a firmware
// that lives and from one that died.
func TestListenHasEveryLineOverALossyWireAlsoOfADeath(t *testing.T) {
	t.Parallel()
	prepare(t)
	tool := filepath.Join(t.TempDir(), "gasp")
	if out, err := exec.Command("go", "build", "-o", tool, "../../cmd/gasp").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	w := newWire(t)
	var ear atomic.Pointer[listener]
	var early [][]byte // before there is one, on the receiver
	w.on(func(p packet) {
		if p.proto != protoUDP || p.to != netip.AddrPortFrom(peerIP, 6666) {
			return
		}
		early = append(early, p.data)
		if l := ear.Load(); l != nil {
			for _, d := range early {
				if !l.toIt.loses() {
					l.conn.Write(d)
				}
			}
			early = nil
		}
	})
	g := w.boot(qemu.Options{BootArgs: staticIP + " gasp.die=1 gasp.long=" + strings.Repeat("0123456789", 150) +
		" netconsole=+@/,6666@10.77.0.1/ netconsole.ncrx=1 netconsole.hmac_key=" + testHMACKey})
	live := w.listen(tool)
	ear.Store(live)
	g.line("http: listening")
	w.reachable()
	live.everyLine(g)
	if _, err := w.fetch("POST", "/die?how=panic"); err != nil {
		t.Fatal(err)
	}
	g.line(endLine)
	last := live.everyLine(g)

	// Somebody who comes late hears one record and asks for the rest himself.
	late := w.listen(tool)
	ear.Store(late)
	before := late.toIt.n.Load()
	ask := w.to4(udp(netip.AddrPortFrom(peerIP, 6666), netip.AddrPortFrom(guestIP, askingPort), fmt.Appendf(nil, "ncrx-resend %d", last)))
	w.ask(ask, w.mark(), "the last record again", func(p packet) bool {
		return p.proto == protoUDP && p.to.Port() == 6666 && late.toIt.n.Load() > before+1
	})
	late.everyLine(g)
	if i := slices.IndexFunc(late.out.Lines(), func(s string) bool { return strings.Contains(s, endLine) }); i < 0 {
		t.Error("the report's end is not there")
	}
	for name, lost := range map[string]uint32{
		"datagrams": live.toIt.lost.Load(), "datagrams to the second": late.toIt.lost.Load(),
		"answers": live.fromIt.lost.Load() + late.fromIt.lost.Load(),
	} {
		if lost == 0 {
			t.Errorf("no %s were lost", name)
		}
	}
}

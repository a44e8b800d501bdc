package systest

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gasp-go/gasp/internal/ncrx"
	"github.com/gasp-go/gasp/internal/qemu"
)

// Every death under every load: make last-words. GASP_LASTWORDS says how often,
// GASP_LASTWORDS_BOARD on which board, and GASP_LASTWORDS_TIME (a duration) after how
// long no further round begins; without the first a sample is run once.

// loads are what the device does when death comes.
var loads = []struct {
	name         string
	rx, udp, tcp bool
}{
	{"receive", true, false, false},  // frames arrive as fast as the device takes them
	{"send UDP", false, true, false}, // it sends as fast as it can
	{"send TCP", false, false, true},
	{"both", true, true, true},
}

// sample is the part of the matrix that is run each time: a death, a load.
var sample = [][2]string{
	{"tophalf", "receive"}, {"trap", "both"}, {"panic", "send UDP"}, {"ringfull", "send TCP"},
}

const (
	portSink    = 4242   // of ours, for the load of UDP
	portSender  = 19     // chargen
	loadBytes   = 50_000 // of each load, before it is asked to die
	loadFrames  = 100    // received; without load some ten
	loadForTime = "400ms"
)

func TestNoLineIsLostUnderLoad(t *testing.T) {
	prepare(t)
	rounds, _ := strconv.Atoi(os.Getenv("GASP_LASTWORDS"))
	limit, _ := time.ParseDuration(os.Getenv("GASP_LASTWORDS_TIME"))
	board := cmp.Or(os.Getenv("GASP_LASTWORDS_BOARD"), qemu.DefaultBoard)
	if rounds == 0 {
		for _, s := range sample {
			i := slices.IndexFunc(loads, func(l struct {
				name         string
				rx, udp, tcp bool
			}) bool {
				return l.name == s[1]
			})
			t.Run(s[0]+"/"+s[1], func(t *testing.T) {
				t.Parallel()
				dieUnderLoad(t, board, &outcome{how: s[0], load: s[1]}, i)
			})
		}
		return
	}
	var hows []string
	for _, d := range deaths {
		hows = append(hows, d.how)
	}
	hows = append(hows, driverDeaths...)
	if only := os.Getenv("GASP_LASTWORDS_DEATHS"); only != "" {
		hows = strings.Fields(only)
	}
	var columns []string
	for _, l := range loads {
		columns = append(columns, l.name)
	}
	var mu sync.Mutex
	var all []*outcome
	start := time.Now()
	for round := range rounds {
		if limit > 0 && time.Since(start) > limit {
			break
		}
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			for _, how := range hows {
				for i, l := range loads {
					t.Run(how+"/"+l.name, func(t *testing.T) {
						t.Parallel()
						o := &outcome{how: how, load: l.name, round: round}
						defer func() {
							if t.Failed() && !o.failed() {
								o.wrong = append(o.wrong, "see its log")
							}
							mu.Lock()
							all = append(all, o)
							mu.Unlock()
						}()
						dieUnderLoad(t, board, o, i)
					})
				}
			}
		})
	}
	fmt.Print(table(board, hows, columns, all))
}

// dieUnderLoad has a guest on board die of o.how under a load, compares wire and serial
// console, and fills in the rest of o as far as it gets.
func dieUnderLoad(t *testing.T, board string, o *outcome, load int) {
	wrong := func(format string, args ...any) {
		o.wrong = append(o.wrong, fmt.Sprintf(format, args...))
		t.Errorf(format, args...)
	}
	l, how := loads[load], o.how
	d := driverDeath(how)
	if !slices.Contains(driverDeaths, how) {
		d = deathBy(how)
	}
	w := newWire(t)
	largeBuffer(w.conn)
	c := w.collect(6666)
	sink := newSink(w)
	w.forget = sink.load
	w.on(func(p packet) {
		switch {
		case p.proto == protoUDP && !p.frag && p.to == netip.AddrPortFrom(peerIP, 6666):
			c.datagram(p.from, p.data)
		case p.proto == protoTCP && p.from.Port() == portSender:
			sink.segment(p)
		}
	})
	g := w.boot(onBoard(t, board, qemu.Options{Memory: "64M", BootArgs: staticIP + deathTarget + " gasp.die=1" + d.args}))
	g.line("http: listening")
	w.reachable()
	if l.tcp {
		g.retry("a load of TCP", sink.open)
	}
	if l.udp {
		if _, err := w.fetch("POST", fmt.Sprintf("/load?udp=%v:%d", peerIP, portSink)); err != nil {
			t.Fatal(err)
		}
	}
	g.retry("the load", func() error {
		if n, m := sink.datagrams.Load(), sink.bytes.Load(); l.udp && n*1200 < loadBytes || l.tcp && m < loadBytes {
			return fmt.Errorf("%d datagrams, %d bytes of TCP", n, m)
		}
		return nil
	})
	path := "/die?how=" + how + "&after=" + loadForTime
	if body, err := w.fetch("POST", path); err != nil || !strings.HasPrefix(body, "dying of "+how) {
		wrong("%q, %v", body, err)
		return
	}
	o.stage = asked
	if l.rx {
		stop := w.flood()
		defer stop()
	}
	if _, err := g.awaitLine(0, endLine); err != nil {
		wrong("%v", err)
	} else {
		o.stage = reported
	}
	// Without a report, what there is has to be on both.
	serial := untimed(g.serial.Lines())
	records, err := c.until(g, "all lines", func(rs []ncrx.Record) bool {
		o.lost, o.first = missing(serial, linesOf(rs))
		return o.lost == 0 || haveLine(endLine)(rs)
	})
	if o.lost > 0 {
		t.Errorf("%d of %d lines were lost, the first: %q", o.lost, len(serial), o.first)
	}
	if o.stage == reported && haveLine(endLine)(records) {
		o.stage = complete
	} else {
		if err != nil {
			wrong("%v", err)
		}
		return
	}
	unbroken(t, records)
	if t.Failed() && !o.failed() {
		wrong("records are not as they were sent")
	}
	if !slices.ContainsFunc(linesOf(records), func(l string) bool { return strings.HasSuffix(l, "not syncing: "+d.panics) }) {
		wrong("no cause: %q", d.panics)
	}
	if !haveLine("Hardware name: " + board)(records) {
		wrong("it is not %s that died", board)
	}
	if n := received(linesOf(records)); l.rx && n < loadFrames {
		wrong("%d frames were received before its death", n)
	}
	w.whoHas(guestIP)
}

// received is how many frames the device has received, as a report tells it.
func received(report []string) (n int) {
	for _, l := range report {
		fmt.Sscanf(l, "eth0: rx %d ", &n)
	}
	return n
}

// sink takes what the guest sends as load, and acknowledges it.
type sink struct {
	w                *wire
	us, it           netip.AddrPort
	datagrams, bytes atomic.Uint64

	mu    sync.Mutex
	next  uint32
	begun bool
}

func newSink(w *wire) *sink {
	return &sink{w: w, us: netip.AddrPortFrom(peerIP, 29000), it: netip.AddrPortFrom(guestIP, portSender)}
}

// load accepts what belongs to the load: it is not kept.
func (s *sink) load(p packet) bool {
	if p.proto == protoUDP && p.to.Port() == portSink && p.to.Addr() == peerIP {
		s.datagrams.Add(1)
		return true
	}
	return p.proto == protoTCP && p.from == s.it
}

// open asks for a connection until there is one.
func (s *sink) open() error {
	s.mu.Lock()
	begun := s.begun
	s.mu.Unlock()
	if begun {
		return nil
	}
	s.w.send(s.w.to4(tcp(s.us, s.it, 1, 0, tcpSYN, nil)))
	return errors.New("no answer")
}

// segment answers a segment of the guest's.
func (s *sink) segment(p packet) {
	s.mu.Lock()
	switch {
	case p.flags&tcpRST != 0:
		s.mu.Unlock()
		return
	case p.flags&tcpSYN != 0:
		s.next, s.begun = p.seq+1, true
	case s.begun && p.seq == s.next:
		s.next += uint32(len(p.data))
		s.bytes.Add(uint64(len(p.data)))
	}
	ack := s.next
	s.mu.Unlock()
	s.w.send(s.w.to4(tcp(s.us, s.it, 2, ack, tcpACK, nil)))
}

// The log's ring holds 256 KB: what is longer has to leave while it is written.
func TestAReportOfAMegabyteLosesNoLine(t *testing.T) {
	t.Parallel()
	w := newWire(t)
	largeBuffer(w.conn)
	c := w.collect(6666)
	w.forget = func(p packet) bool { return p.proto == protoUDP && p.to.Port() == 6666 }
	g := w.boot(qemu.Options{BootArgs: staticIP + deathTarget + " gasp.die=1 gasp.traceback_max=0"})
	g.line("http: listening")
	w.reachable()
	if body, err := w.fetch("POST", "/die?how=many"); err != nil || !strings.HasPrefix(body, "dying of many") {
		t.Fatalf("%q, %v", body, err)
	}
	g.line(endLine)
	records := c.awaitLine(g, endLine)
	unbroken(t, records)
	size := 0
	for _, r := range records {
		size += len(r.Text) + 1
	}
	if size < 1<<20 {
		t.Errorf("the report has %d bytes", size)
	}
	// The serial console's log has not kept all.
	serial, nc := untimed(g.serial.Lines()), linesOf(records)
	if g.serial.Len() != len(nc) || len(serial) < 1000 {
		t.Fatalf("%d lines on the serial console, %d over netconsole", g.serial.Len(), len(nc))
	}
	diffLines(t, serial, nc[len(nc)-len(serial):])
	t.Logf("%d bytes, %d lines", size, len(nc))
}

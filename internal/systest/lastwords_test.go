package systest

import (
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

	"github.com/gasp-go/gasp/internal/qemu"
)

// Every death under every load: make last-words. GASP_LASTWORDS says how often, and
// GASP_LASTWORDS_TIME (a duration) after how long no further round begins; without
// the former a sample is run once.

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
	portSink    = 4242 // of ours, for the load of UDP
	portSender  = 19   // chargen
	loadForTime = "400ms"
)

// tally counts a cell of the matrix.
type tally struct{ runs, bad, lost int }

func TestNoLineIsLostUnderLoad(t *testing.T) {
	prepare(t)
	rounds, _ := strconv.Atoi(os.Getenv("GASP_LASTWORDS"))
	limit, _ := time.ParseDuration(os.Getenv("GASP_LASTWORDS_TIME"))
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
				dieUnderLoad(t, s[0], i)
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
	var mu sync.Mutex
	cells := map[string]*tally{}
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
						lost := -1
						defer func() {
							mu.Lock()
							defer mu.Unlock()
							c := cells[how+l.name]
							if c == nil {
								c = &tally{}
								cells[how+l.name] = c
							}
							c.runs++
							if t.Failed() {
								c.bad++
							}
							c.lost += max(lost, 0)
						}()
						lost = dieUnderLoad(t, how, i)
					})
				}
			}
		})
	}
	var b strings.Builder
	fmt.Fprint(&b, "lines lost in runs\n| death |")
	for _, l := range loads {
		fmt.Fprintf(&b, " %s |", l.name)
	}
	fmt.Fprint(&b, "\n|---|---|---|---|---|\n")
	for _, how := range hows {
		fmt.Fprintf(&b, "| %s |", how)
		for _, l := range loads {
			c := cells[how+l.name]
			if c == nil {
				c = &tally{}
			}
			fmt.Fprintf(&b, " %d in %d", c.lost, c.runs)
			if c.bad > 0 {
				fmt.Fprintf(&b, ", %d failed", c.bad)
			}
			fmt.Fprint(&b, " |")
		}
		fmt.Fprintln(&b)
	}
	fmt.Print(b.String())
}

// dieUnderLoad has a guest die of how under a load and compares wire and serial
// console. It returns how many of the latter's lines did not reach the former.
func dieUnderLoad(t *testing.T, how string, load int) (lost int) {
	l := loads[load]
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
	g := w.boot(qemu.Options{Memory: "64M", BootArgs: staticIP + deathTarget + " gasp.die=1" + d.args})
	g.line("http: listening")
	w.reachable()
	path := "/die?how=" + how + "&after=" + loadForTime
	if l.udp {
		path += fmt.Sprintf("&udp=%v:%d", peerIP, portSink)
	}
	if l.tcp {
		sink.open()
	}
	if body, err := w.fetch("POST", path); err != nil || !strings.HasPrefix(body, "dying of "+how) {
		t.Fatalf("%q, %v", body, err)
	}
	if l.rx {
		stop := w.flood()
		defer stop()
	}
	g.line(endLine)
	records := c.awaitLine(g, endLine)
	serial, nc := untimed(g.serial.Lines()), linesOf(records)
	lost = missing(serial, nc)
	if lost > 0 {
		t.Errorf("%d of %d lines were lost", lost, len(serial))
	}
	unbroken(t, records)
	if !slices.ContainsFunc(nc, func(l string) bool { return strings.HasSuffix(l, "not syncing: "+d.panics) }) {
		t.Errorf("no cause: %q", d.panics)
	}
	sent := sink.datagrams.Load()*1200 + sink.bytes.Load()
	if least := map[bool]uint64{true: 10_000, false: 50_000}[l.rx]; (l.udp || l.tcp) && sent < least {
		t.Errorf("the load was %d datagrams, %d bytes of TCP", sink.datagrams.Load(), sink.bytes.Load())
	}
	w.whoHas(guestIP)
	return lost
}

// missing counts the lines of a that are not in b, in this order.
func missing(a, b []string) (n int) {
	for _, l := range a {
		if i := slices.Index(b, l); i >= 0 {
			b = b[i+1:]
		} else {
			n++
		}
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

func (s *sink) open() { s.w.send(s.w.to4(tcp(s.us, s.it, 1, 0, tcpSYN, nil))) }

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
	g := w.boot(qemu.Options{BootArgs: staticIP + deathTarget + " gasp.die=1"})
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

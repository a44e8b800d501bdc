//go:build arm

package main

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"time"
	"unsafe"

	"github.com/gasp-go/gasp/board/kernel"
	"github.com/gasp-go/gasp/board/trap"
	"github.com/gasp-go/gasp/console"
	"github.com/gasp-go/gasp/internal/bench/guest"
	panics "github.com/gasp-go/gasp/panic"
	"github.com/gasp-go/gasp/stack/netdev"
	"github.com/gasp-go/gasp/stack/netpoll"
)

// What it costs to send by netpoll while all is well, and to die. The firmware dies of
// the latter, so these rows have a boot of their own, and the last figures are in the
// report, in the form of lines that are a Result.

// lastWords measures the rows of a boot, and marks one of lines that match names for a
// profile.
func lastWords(p *platform, match *regexp.Regexp) {
	watch.all = match.MatchString(guest.LastWords)
	for _, l := range guest.Lines {
		named := match.MatchString(l.Row)
		if watch.all && l.Targets == "" || named && l.Targets != "" {
			watch.rows = append(watch.rows, newLineRow(l, named))
		}
	}
	if len(watch.rows) == 0 {
		return
	}
	if watch.all {
		netpollSend(p)
	}
	die(p)
}

// netpollSend measures datagrams of 64 and of 1400 bytes, and how long interrupts are
// off at most: with a ring that is idle, one of which everything was sent and nothing
// reclaimed, and one that is full.
func netpollSend(p *platform) {
	to, err := netpoll.NewDest(netip.AddrPortFrom(netip.AddrFrom4(guest.Far.IP), 9), 9, guest.Far.MAC)
	if err != nil {
		panic(err)
	}
	full := netdev.New("full", p.eth.Device.MAC(), 1500, fullDriver{p.eth.Device.Driver()}, nil)
	if err := full.Open(); err != nil {
		panic(err)
	}
	full.SetCarrier(true)
	stuck := netpoll.New(full, kernel.Nanotime)
	stuck.SetLocal(netip.AddrFrom4(guest.SelfIP))
	for _, c := range []struct {
		row  string
		size int
	}{{"netpoll-send", 64}, {"netpoll-send-long", 1400}} {
		const n = 200
		payload := make([]byte, c.size)
		p.eth.Poll.Send(&to, payload)
		time.Sleep(20 * time.Millisecond)
		kernel.MeasureTraps(true)
		start := kernel.Nanotime()
		for range n {
			p.eth.Poll.Send(&to, payload)
		}
		cost := float64(kernel.Nanotime()-start) / n
		for range 20 { // a whole ring to reclaim
			parts := [][]byte{make([]byte, 60)}
			for range 63 {
				p.eth.Device.Xmit(parts, 0)
			}
			p.eth.Poll.Send(&to, payload)
			stuck.Send(&to, payload)
		}
		longest := kernel.TrapStats(kernel.TrapCall).Longest
		kernel.MeasureTraps(false)
		r := guest.Result{Row: c.row, Unit: "datagram", N: n, Cost: cost, Most: longest.Time}
		if name, _ := kernel.Symbol(longest.Func); !strings.HasSuffix(name, "netpoll.send") {
			r.Err = "interrupts were off for longer in " + name
		}
		line, _ := json.Marshal(r)
		fmt.Println(string(line))
	}
}

// fullDriver is a driver whose ring is full.
type fullDriver struct{ netdev.Driver }

func (fullDriver) Open() error { return nil }
func (fullDriver) StartXmit([][]byte, netdev.TxFlags) netdev.TxStatus {
	return netdev.TxBusy
}

// stopwatch is a tap that notes when frames have gone to the MAC.
type stopwatch struct {
	fault       int64
	first, last int64 // of the report
	frames      int64
	made        bool // lines that are made already, which are not looked at one by one
	dev         *netdev.Device
	all         bool // not rows of lines alone
	rows        []lineRow
}

// lineRow is a row of what a line costs, in the form that trap context can use.
type lineRow struct {
	guest.Line
	text, dict []byte
	mark       bool // for a profile
	unit       string
	ns, n      int64
	sent       int64 // frames
}

const premade = 50 // lines

func newLineRow(l guest.Line, mark bool) lineRow {
	r := lineRow{Line: l, text: []byte(l.Text), mark: mark, unit: "line", n: premade}
	for _, kv := range l.Dict {
		r.dict = console.AppendDict(r.dict, kv[0], kv[1])
	}
	if l.PerFrame {
		r.unit, r.n = "datagram", premade*int64(l.Frames)
	}
	return r
}

// measure has lines logged that cost nothing to make. Trap context.
func (r *lineRow) measure(dev *netdev.Device) {
	text, dict := r.text, r.dict
	frames := dev.Stats().TxPackets
	if r.mark {
		guest.Begin()
	}
	start := kernel.Nanotime()
	for range premade {
		console.Emit(console.Warning, console.FacKern, text, dict)
	}
	r.ns = kernel.Nanotime() - start
	if r.mark {
		guest.End()
	}
	r.sent = int64(dev.Stats().TxPackets - frames)
}

func (r *lineRow) result(t *panics.Text) {
	result(t, r.Row, r.unit, r.ns, r.n)
	if r.sent != premade*int64(r.Frames) {
		t.Str(`,"err":"`).Dec(uint64(r.sent)).Str(` frames"`)
	}
}

func (*stopwatch) Received([]byte) {}
func (s *stopwatch) Sent([][]byte, netdev.TxFlags) {
	if s.fault == 0 || s.made {
		return
	}
	s.last = kernel.Nanotime()
	if s.frames++; s.frames == 1 {
		s.first = s.last
	}
}

var watch stopwatch

// die faults in trap context; the report has the figures.
func die(p *platform) {
	watch.dev = p.eth.Device
	p.eth.Device.SetTap(&watch)
	panics.AddReport(panics.Report{Name: "bench", Line: benchLine})
	time.Sleep(time.Second) // the log is out
	trap.Run(fault, nil)
}

type unmapped struct{ a, b int }

//go:noinline
func touch(p *unmapped) { p.b = 1 }

func fault(unsafe.Pointer) {
	watch.fault = kernel.Nanotime()
	touch(nil)
}

// benchLine makes the results, and first measures lines. Trap context.
func benchLine(i int, t *panics.Text) bool {
	s := &watch
	if i == 0 {
		s.made = true
		for i := range s.rows {
			s.rows[i].measure(s.dev)
		}
	}
	const others = 3
	if !s.all {
		i += others
	}
	switch i {
	case 0:
		result(t, "last-words-first", "fault", s.first-s.fault, 1)
	case 1:
		result(t, "last-words-last", "fault", s.last-s.fault, 1)
	case 2:
		result(t, "last-words-report", "line", s.last-s.first, s.frames-1)
	default:
		if i -= others; i >= len(s.rows) {
			return false
		}
		s.rows[i].result(t)
	}
	t.Str("}")
	return true
}

// result is a guest.Result without its end.
func result(t *panics.Text, row, unit string, ns, n int64) {
	if n <= 0 || ns <= 0 {
		ns, n = 0, 1
	}
	t.Str(`{"row":"`).Str(row).Str(`","unit":"`).Str(unit).Str(`","n":`).Dec(uint64(n)).
		Str(`,"cost":`).Dec(uint64(ns / n))
}

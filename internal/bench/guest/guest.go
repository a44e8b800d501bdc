// Package guest is the part of the benchmarks that runs in the guest under
// test: what is done to its network, and what that costs in instructions. It
// is the same for gasp and for Linux, which differ in their Platform. Figures
// only: nothing here passes or fails, except that a row which lost frames says
// so instead of giving a figure.
package guest

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"runtime"
	"time"

	"github.com/gasp-go/gasp/internal/bench/wire"
)

// Platform is the system under test. Times are in ns of the guest's clock, which
// are instructions.
type Platform interface {
	// Self is the device under test. It knows the far end's MAC address for
	// good.
	Self() wire.Host

	// Far has the far end of the wire do something. It returns when that is
	// done or, what takes periods, begun.
	Far(j wire.Job) wire.Report

	// Count reads the counters.
	Count() Counts

	// Sender prepares to send n frames as close to the driver as there is a
	// way; send then does.
	Sender(frame []byte, n int) (send func() error, err error)

	// PollLatency is the time from an interrupt to the first instruction of a
	// NAPI poll on an idle system, mean and most of n; ok is false if it cannot be told.
	PollLatency(n int) (mean, most int64, ok bool)
}

// Counts are what is looked at before and after a measurement.
type Counts struct {
	Busy   int64  // instructions that were not idle, without the far end's
	Ticks  uint64 // periods of the far end
	IRQs   uint64 // the device's interrupts
	Polls  uint64 // NAPI polls
	Frames uint64 // received by the device

	mallocs uint64
}

// Far is the far end of the wire.
var Far = wire.Host{MAC: [6]byte{2, 0, 0, 0, 0, 2}, IP: [4]byte{10, 9, 0, 2}, Port: 4000}

// SelfIP is the device's address, of a network of 24 bits.
var SelfIP = [4]byte{10, 9, 0, 1}

// Ended is the line that follows the last Result of a guest that cannot end
// QEMU.
const Ended = `{"ended":true}`

// LinuxRAMEnd is where the RAM that Linux is told of ends; behind it are the
// far end's rings.
const (
	LinuxRAMEnd = 0x8f000000
	LinuxRAM    = "240M"
)

// Result is one figure with what belongs to it, per unit.
type Result struct {
	Row    string  `json:"row"`
	Unit   string  `json:"unit"`
	N      int64   `json:"n"` // units measured
	Cost   float64 `json:"cost"`
	Most   int64   `json:"most,omitempty"` // of latencies
	Allocs float64 `json:"allocs"`
	IRQs   float64 `json:"irqs"`
	Polls  float64 `json:"polls"`
	Read   float64 `json:"read,omitempty"`  // by the application, where rate is the question
	Again  int64   `json:"again,omitempty"` // TCP segments that were sent again
	Base   float64 `json:"base,omitempty"`  // how much of the baseline was taken off; 0: all of it
	Err    string  `json:"err,omitempty"`
}

// bench is a run of the benchmarks.
type bench struct {
	Platform
	scale       int    // the frames and bytes of a row are divided by
	connections uint16 // made so far, for ports of their own
}

// Run runs the rows whose names match and writes a Result in JSON on a line of
// its own for each.
// Scale divides what a row consists of, where time is short.
func Run(p Platform, out io.Writer, match *regexp.Regexp, scale int) {
	b := &bench{Platform: p, scale: max(scale, 1)}
	for _, r := range rows {
		if !match.MatchString(r.name) {
			continue
		}
		res := r.run(b)
		res.Row, res.Unit = r.name, r.unit
		line, err := json.Marshal(res)
		if err != nil {
			line = fmt.Appendf(nil, `{"row":%q,"err":%q}`, r.name, err)
		}
		out.Write(append(line, '\n'))
	}
}

// measure tells what fn cost, baseline what it costs to do nothing.
func (b *bench) measure(fn func()) Counts  { return b.between(Begin, fn) }
func (b *bench) baseline(fn func()) Counts { return b.between(BeginBase, fn) }

func (b *bench) between(begin, fn func()) Counts {
	var m0, m1 runtime.MemStats
	runtime.GC()
	time.Sleep(20 * time.Millisecond)
	runtime.ReadMemStats(&m0)
	c0 := b.Count()
	begin()
	fn()
	End()
	c1 := b.Count()
	runtime.ReadMemStats(&m1)
	return Counts{
		Busy: c1.Busy - c0.Busy, Ticks: c1.Ticks - c0.Ticks, IRQs: c1.IRQs - c0.IRQs,
		Polls: c1.Polls - c0.Polls, Frames: c1.Frames - c0.Frames, mallocs: m1.Mallocs - m0.Mallocs,
	}
}

// Begin, BeginBase and End mark what is measured for whoever follows the program
// counter.
//
//go:noinline
func Begin() {}

// BeginBase: see Begin.
//
//go:noinline
func BeginBase() {}

// End: see Begin.
//
//go:noinline
func End() {}

// less takes the baseline c0 off c.
func (c Counts) less(c0 Counts) Counts {
	sub := func(a, b uint64) uint64 { return a - min(a, b) }
	return Counts{
		Busy: c.Busy - c0.Busy, Ticks: c.Ticks, IRQs: sub(c.IRQs, c0.IRQs), Polls: sub(c.Polls, c0.Polls),
		Frames: sub(c.Frames, c0.Frames), mallocs: sub(c.mallocs, c0.mallocs),
	}
}

// per is the figure for n units.
func (c Counts) per(n int64) Result {
	u := float64(max(n, 1))
	return Result{
		N: n, Cost: float64(c.Busy) / u, Allocs: float64(c.mallocs) / u,
		IRQs: float64(c.IRQs) / u, Polls: float64(c.Polls) / u,
	}
}

func failed(err error) Result { return Result{Err: err.Error()} }

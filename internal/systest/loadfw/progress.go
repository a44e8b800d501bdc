//go:build arm

package main

import (
	"encoding/json"
	"log/slog"
	"runtime"
	"runtime/metrics"
	"time"

	"github.com/gasp-go/gasp"
	"github.com/gasp-go/gasp/board/kernel"
)

// counts are what only grows.
type counts struct {
	Time int64 // ns since boot
	Idle int64 // of these, ns without anything to do

	Spins  uint64 // rounds of the goroutines that compute
	Sunk   uint64 // datagrams read from port 9
	Echoed uint64 // datagrams sent back from port 7

	Received uint64 // frames that the driver handed up
	Sent     uint64 // frames that it was given
	Raised   uint64 // times the network thread was woken since there were frames
	Squeezed uint64 // times it ran out of budget
	Part     uint64 // polls that found fewer frames than they may take
}

// progress is what a line says.
type progress struct {
	counts
	Full counts // in stretches in which the receive ring never ran empty

	GCs  uint64 // collections
	Live uint64 // bytes of the heap that were in use after the last
	Used uint64 // bytes of memory: page frames that the kernel has given away
}

func now(sys *gasp.System) counts {
	s, dev := sys.Softnet.Stat(), sys.Interfaces[0].Device.Stats()
	return counts{
		Time: kernel.Nanotime(), Idle: kernel.CPUStat().Idle,
		Spins: spins.Load(), Sunk: sunk.Load(), Echoed: echoed.Load(),
		Received: dev.RxPackets, Sent: dev.TxPackets, Raised: s.Raised, Squeezed: s.TimeSqueeze,
		Part: s.Polls - s.Work[len(s.Work)-1],
	}
}

// emptied reports whether the ring ran empty: a poll found less than it may take, or
// the network thread slept until there were frames.
func (c counts) emptied() bool { return c.Part > 0 || c.Raised > 0 }

func (c counts) since(o counts) counts {
	c.sum(o, ^uint64(0))
	return c
}

// sum adds o, sign times.
func (c *counts) sum(o counts, sign uint64) {
	c.Time += int64(sign) * o.Time
	c.Idle += int64(sign) * o.Idle
	c.Spins += sign * o.Spins
	c.Sunk += sign * o.Sunk
	c.Echoed += sign * o.Echoed
	c.Received += sign * o.Received
	c.Sent += sign * o.Sent
	c.Raised += sign * o.Raised
	c.Squeezed += sign * o.Squeezed
	c.Part += sign * o.Part
}

// Every perLine-th look at the counters prints a line.
const (
	lookEvery = 5 * time.Millisecond
	perLine   = 20
)

// reportProgress prints a line every 100 ms.
func reportProgress(sys *gasp.System) {
	var (
		full    counts
		last    = now(sys) // when a stretch began that may be full
		steady  bool       // the one before was: readers are done with what came before
		line    = last
		heap    = []metrics.Sample{{Name: "/gc/cycles/total:gc-cycles"}, {Name: "/gc/heap/live:bytes"}}
		flooded = true
	)
	for n := 1; ; n++ {
		time.Sleep(lookEvery)
		at := now(sys)
		switch d := at.since(last); {
		case d.emptied():
			last, steady = at, false
		case d.Received > 0:
			if steady {
				full.sum(d, 1)
			}
			last, steady = at, true
		default:
			// The network thread sleeps or waits for its turn: the next look tells.
		}
		if n%perLine != 0 {
			continue
		}
		// When a flood is over, what it has left is found.
		if at.Received-line.Received > 100 {
			flooded = true
		} else if flooded {
			flooded = false
			runtime.GC()
		}
		line = at
		metrics.Read(heap)
		text, _ := json.Marshal(progress{
			counts: at, Full: full,
			GCs: heap[0].Value.Uint64(), Live: heap[1].Value.Uint64(), Used: kernel.MemoryStat().Used,
		})
		slog.Info("load: " + string(text))
	}
}

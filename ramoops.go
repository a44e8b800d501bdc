//go:build arm

package gasp

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/gasp-go/gasp/board/kernel"
	"github.com/gasp-go/gasp/console"
	"github.com/gasp-go/gasp/console/ramoops"
)

// replayBudget is the part of the log's ring that an earlier life's log may take.
const replayBudget = console.RingSize / 4

// prepareRamoops finds the log of the life before the reset, logs it again for the
// network, and has this life's log kept for the next one.
func (s *System) prepareRamoops() {
	mem, phys := kernel.Persistent()
	if mem == nil {
		if !s.Args.RamoopsOff {
			slog.Warn("ramoops: no memory; the log does not survive a reset")
		}
		return
	}
	store, err := ramoops.Open(mem, ramoops.Config{RecordSize: s.Args.RecordSize, ConsoleSize: s.Args.ConsoleSize})
	if err != nil {
		slog.Error(err.Error())
		return
	}
	slog.Info(fmt.Sprintf("ramoops: using %#x@%#x", len(mem), phys))
	s.Ramoops = store
	if _, err := console.Register(store, console.Debug); err != nil {
		slog.Error("ramoops", "err", err)
	}
	lives := store.Lives()
	unsent := false
	for i := len(lives) - 1; i >= 0; i-- {
		l := lives[i]
		what := "previous life"
		if l.Ago > 1 {
			if l.Sent {
				continue
			}
			what = "life before it"
		}
		level := slog.LevelInfo
		if len(l.Dump) > 0 || l.Damaged > 0 {
			level = slog.LevelWarn
		}
		msg := fmt.Sprintf("ramoops: %s: %v", what, l)
		if l.Ago == 1 {
			msg += "; reset cause: " + s.Board.SoC.ResetCause()
		}
		if l.Sent {
			msg += "; told before"
		}
		slog.Log(context.Background(), level, msg)
		if !l.Sent {
			if !unsent {
				s.replayed.first = console.NextSeq()
			}
			unsent = true
			if n := l.Replay(replayBudget/len(lives), console.LogDict); n > 0 {
				slog.Info(fmt.Sprintf("ramoops: %d records of it are not repeated here; see /pstore/console-ramoops-%d", n, l.Ago-1))
			}
		}
	}
	if unsent {
		s.replayed.last = console.NextSeq() - 1
	}
}

// startRamoops has the earlier lives' records marked as sent once they are.
func (s *System) startRamoops() {
	if r := s.replayed; r.last != 0 {
		go handOver(s.Ramoops, r.first, r.last)
	}
}

// handOver waits until the earlier lives' records, which are logged as first to last,
// have been handed to a network device whose link is up, all of them by one netconsole
// target at least. There is no more to be known of a datagram. What the ring lost before
// that is for the next boot to tell.
func handOver(store *ramoops.Store, first, last uint64) {
	for range time.Tick(time.Second) {
		if console.Passed(first, last) {
			store.MarkSent()
			slog.Info("ramoops: the previous life's log has been sent")
			return
		}
	}
}

//go:build arm

package gasp

import (
	"context"
	"log/slog"
	"time"

	"github.com/gasp-go/gasp/board/kernel"
	"github.com/gasp-go/gasp/stack/sntp"
)

// How often the time is asked for: until it was got, and then.
const (
	clockRetry  = 15 * time.Second
	clockPeriod = time.Hour
)

// setClock keeps the wall clock set from an NTP server: the boot argument
// gasp.ntp=<host>, or the one that ip= names. Without one the clock starts with
// 2026 at boot.
func (s *System) setClock() {
	server := s.Args.Gasp["ntp"]
	for i := 0; i < len(s.Args.IP) && server == ""; i++ {
		if n := s.Args.IP[i].NTP; n.IsValid() {
			server = n.String()
		}
	}
	if server == "" {
		return
	}
	sinceBoot := func() time.Duration { return time.Duration(kernel.Nanotime()) }
	wait := time.Duration(0)
	for {
		time.Sleep(wait)
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		a, err := sntp.Query(ctx, server, sinceBoot)
		cancel()
		if err != nil {
			slog.Warn("clock", "server", server, "err", err)
			wait = clockRetry
			continue
		}
		step := time.Until(a.Time)
		kernel.SetWallTime(a.Time.UnixNano())
		slog.Info("clock set", "server", server, "time", a.Time.UTC().Format(time.RFC3339), "step", step.Round(time.Millisecond))
		wait = clockPeriod
	}
}

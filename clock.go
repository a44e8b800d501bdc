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

// reportClock says where the wall clock's time comes from.
func (s *System) reportClock() {
	rtc := s.Board.SoC.RTC
	if rtc == nil {
		return
	}
	switch unix, ok := rtc.Now(); {
	case !ok:
		slog.Info("rtc: not running; the clock starts with 2026")
	case !kernel.WallTimeSane(unix):
		slog.Warn("rtc: not set; the clock starts with 2026", "rtc", rfc3339(unix))
	default:
		slog.Info("rtc: clock set", "time", rfc3339(unix))
	}
}

func rfc3339(unix int64) string { return time.Unix(0, unix).UTC().Format(time.RFC3339) }

// setClock keeps the wall clock set from an NTP server, and the real time clock
// with it: the boot argument gasp.ntp=<host>, or the one that ip= names.
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
		s.setRTC()
		slog.Info("clock set", "server", server, "time", a.Time.UTC().Format(time.RFC3339), "step", step.Round(time.Millisecond))
		wait = clockPeriod
	}
}

// setRTC sets the real time clock to the wall clock. One that does not take it
// is left alone from then on.
func (s *System) setRTC() {
	if s.Board.SoC.RTC == nil || s.rtcFailed {
		return
	}
	if err := s.Board.SoC.RTC.Set(time.Now().UnixNano()); err != nil {
		s.rtcFailed = true
		slog.Warn("rtc: not set", "err", err)
	}
}

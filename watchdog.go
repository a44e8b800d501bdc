//go:build arm

package gasp

import (
	"log/slog"
	"time"

	"github.com/gasp-go/gasp/board/kernel"
	panics "github.com/gasp-go/gasp/panic"
)

// startWatchdog starts the lockup detectors that the boot arguments ask for.
func (s *System) startWatchdog() {
	a := s.Args.Watchdog
	kernel.LockupHook = s.softLockup
	addText("/sys/kernel/softlockup_count", func(t *kernel.Text) {
		t.Num(uint64(kernel.SoftLockups()), 10, 1, ' ')
		t.Str("\n")
	})
	hard, soft := kernel.StartWatchdog(kernel.WatchdogConfig{Thresh: a.Thresh, Hard: a.Hard, Soft: a.Soft})
	if soft {
		go touchSoftlockup()
	}
	slog.Info("watchdog: lockup detectors", "hard", hard, "soft", soft, "thresh", a.Thresh)
	if a.Hard && a.Thresh > 0 && !hard {
		slog.Warn("watchdog: no FIQ: a CPU that is stuck with interrupts off leaves no report, only the reset")
	}
}

// touchSoftlockup is the goroutine that has to run for goroutines to be well.
func touchSoftlockup() {
	for range time.Tick(time.Duration(kernel.WatchdogPeriod())) {
		kernel.TouchSoftlockup()
	}
}

// softLockup reports that goroutines do not run and tells whether to die of it.
// Trap context.
func (s *System) softLockup(l *kernel.Lockup) (fatal bool) {
	p := &lastCause
	*p = panics.Cause{Kind: panics.Lockup, Thread: l.Thread, HasRegs: l.HasRegs, Regs: l.Regs}
	who := "go"
	switch {
	case l.Idle:
		who = "swapper"
	case l.Net:
		who = "network"
	}
	panics.Softlockup(p, l.Stuck, who)
	return s.Args.Watchdog.SoftPanic
}

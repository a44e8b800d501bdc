package stack

import (
	"fmt"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/log"
)

// gVisor logs through a package of its own, by default to standard error and in
// its own format. redirect sends that to the first stack's log; gVisor has one
// target for all.
var redirect sync.Once

type gvisorLog struct {
	logf func(level int, format string, args ...any)
}

// Emit implements log.Emitter.
func (g gvisorLog) Emit(_ int, level log.Level, _ time.Time, format string, args ...any) {
	l := levelWarning
	switch level {
	case log.Info:
		l = levelDebug // mostly about packets, which anybody can send
	case log.Debug:
		return
	}
	g.logf(l, "gvisor: %s", fmt.Sprintf(format, args...))
}

//go:build arm

// Command firmware is the demonstration: the classic small services (echo,
// discard, chargen), a status page and counters over HTTP, and, when the boot
// argument gasp.die=1 allows it, every way to die on request.
package main

import (
	"log/slog"
	"strings"

	"github.com/gasp-go/gasp"
	"github.com/gasp-go/gasp/board/kernel"
)

// running is the system, for deaths that need it.
var running *gasp.System

func init() {
	if strings.Contains(kernel.Cmdline(), "gasp.die=init") {
		panic("asked to panic in an init function")
	}
}

func main() {
	if strings.Contains(kernel.Cmdline(), "gasp.die=deadlock") {
		deadlock() // the runtime sees none once there are a network and timers
	}
	sys := gasp.Start()
	running = sys
	if how := sys.Args.Gasp["die"]; how != "" && how != "0" && how != "1" {
		// A death before the network is up: the panic path brings it up.
		slog.Warn("dying as the boot arguments ask", "how", how)
		die(how)
	}
	if sys.Stack() == nil {
		slog.Error("no network interface; nothing to do")
		select {}
	}
	serve()
	serveHTTP(sys)
}

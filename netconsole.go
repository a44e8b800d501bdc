//go:build arm

package gasp

import (
	"log/slog"
	"net/netip"
	"strings"

	"github.com/gasp-go/gasp/board/kernel"
	"github.com/gasp-go/gasp/console"
	"github.com/gasp-go/gasp/console/netconsole"
)

// target is one receiver of the log over the network.
type target struct {
	*netconsole.Target
	name    string // as configured
	reg     *console.Registration
	gateway netip.Addr
}

// addTargets makes the netconsole targets that go out on n. They are there
// before the device is open: what was logged until then, and until the
// interface has an address, follows when it can.
func (s *System) addTargets(n *Interface) {
	for _, arg := range s.Args.Netconsole {
		cfg, err := netconsole.Parse(arg)
		if err != nil || !cfg.Matches(n.Device) {
			continue // reportTargets tells
		}
		t := &target{name: arg}
		t.Target, err = netconsole.New(cfg, n.Poll, netconsole.Options{
			Time:    s.Args.PrintkTime,
			Release: release(),
			Resolve: true,
			Now:     kernel.Nanotime,
		})
		if err == nil {
			t.reg, err = console.Register(t.Target, consoleLevel(s.Args.LogLevel))
		}
		if err != nil {
			slog.Error("netconsole", "target", arg, "err", err)
			continue
		}
		n.targets = append(n.targets, t)
		s.targets = append(s.targets, t)
		if cfg.LocalIP.IsValid() {
			n.Poll.SetLocal(cfg.LocalIP) // until the interface has its own
		}
		slog.Info("netconsole: network logging started", "target", arg)
	}
}

// reportTargets tells of netconsole arguments that came to nothing.
func (s *System) reportTargets() {
	for _, arg := range s.Args.Netconsole {
		cfg, err := netconsole.Parse(arg)
		if err != nil {
			slog.Error("netconsole: boot argument ignored", "err", err)
			continue
		}
		found := false
		for _, n := range s.Interfaces {
			found = found || cfg.Matches(n.Device)
		}
		if !found {
			slog.Error("netconsole: no such interface", "target", arg)
		}
	}
}

// release is the firmware's version in the form receivers take for a release:
// with a dot.
func release() string {
	v := strings.Map(func(r rune) rune {
		if strings.ContainsRune(",;\n ", r) {
			return '_'
		}
		return r
	}, kernel.Version)
	if !strings.Contains(v, ".") {
		v = "0.0." + v
	}
	return v
}

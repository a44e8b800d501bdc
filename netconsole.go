//go:build arm

package gasp

import (
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/gasp-go/gasp/board/kernel"
	"github.com/gasp-go/gasp/console/netconsole"
	"github.com/gasp-go/gasp/stack/netpoll"
)

// Netconsole returns the receivers of the log over the network, to be listed,
// made, changed and removed. Those of boot arguments are named cmdline0, cmdline1
// and so on, as in Linux.
func (s *System) Netconsole() *netconsole.Set { return s.netconsole }

// prepareNetconsole makes the set of targets, and knows who is asked about them.
func (s *System) prepareNetconsole() {
	o := netconsole.Options{Time: s.Args.PrintkTime, Release: release(), Now: kernel.Nanotime}
	// Whether there is entropy by now or not: it is to be another one each time,
	// and no secret.
	unix.Getrandom(o.BootID[:], unix.GRND_INSECURE)
	s.netconsole = netconsole.NewSet(netconsole.Env{
		Endpoint: s.endpointOf,
		Gateway:  s.gatewayTo,
		Options:  o,
		Level:    consoleLevel(s.Args.LogLevel),
	})
}

func (s *System) endpointOf(c *netconsole.Config) *netpoll.Endpoint {
	for _, n := range s.Interfaces {
		if c.Matches(n.Device) {
			return n.Poll
		}
	}
	return nil
}

// gatewayTo is the router to an address, as the interface is configured now.
func (s *System) gatewayTo(ep *netpoll.Endpoint, to netip.Addr) netip.Addr {
	for _, n := range s.Interfaces {
		a := n.addrs.Load()
		if n.Poll != ep || a == nil {
			continue
		}
		switch {
		case to.Is6() && !to.IsLinkLocalUnicast() && !slices.ContainsFunc(a.IPv6, func(p netip.Prefix) bool { return p.Contains(to) }):
			return a.Gateway6
		case to.Is4() && a.IPv4.IsValid() && !a.IPv4.Contains(to):
			return a.Gateway
		}
	}
	return netip.Addr{}
}

// addTargets makes the netconsole targets that go out on n. They are there
// before the device is open: what was logged until then, and until the
// interface has an address, follows when it can.
func (s *System) addTargets(n *Interface) {
	for i, arg := range s.Args.Netconsole {
		cfg, err := netconsole.Parse(arg)
		if err != nil || !cfg.Matches(n.Device) {
			continue // reportTargets tells
		}
		a := netconsole.Of(cfg)
		if err = s.bootAttributes(&a); err == nil {
			err = s.netconsole.Create(fmt.Sprint("cmdline", i), a)
		}
		if err != nil {
			slog.Error("netconsole", "target", arg, "err", err)
			continue
		}
		if cfg.VLAN == 0 {
			n.presume(cfg.LocalIP)
		}
	}
}

// bootAttributes sets what netconsole.<attribute>=<value> arguments say for all
// targets of boot arguments; netconsole.userdata=<key>=<value> may be repeated.
// What needs the extended format is left out for others.
func (s *System) bootAttributes(a *netconsole.Attributes) error {
	if !a.Extended {
		return nil
	}
	if hex := kernel.NetconsoleKey(); hex != "" {
		k, err := netconsole.NewKey(hex)
		if err != nil {
			return fmt.Errorf("netconsole.hmac_key: %w", err)
		}
		a.HMACKey = k
	}
	for _, p := range s.Args.NetconsoleParams {
		if err := a.Set(p); err != nil {
			slog.Error("netconsole: boot argument ignored", "arg", "netconsole."+p.String(), "err", err)
		}
	}
	return nil
}

// reportTargets tells of netconsole arguments that came to nothing.
func (s *System) reportTargets() {
	for _, arg := range s.Args.Netconsole {
		cfg, err := netconsole.Parse(arg)
		if err != nil {
			slog.Error("netconsole: boot argument ignored", "err", err)
			continue
		}
		if s.endpointOf(&cfg) == nil {
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

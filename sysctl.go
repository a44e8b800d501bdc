//go:build arm

package gasp

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/gasp-go/gasp/board/kernel"
	"github.com/gasp-go/gasp/stack/netdev"
)

// Where Linux has its parameters of the network.
const (
	netCore  = "/proc/sys/net/core/"
	classNet = "/sys/class/net/"
)

// SetParam sets what on Linux would be written to the file at path:
// /proc/sys/net/core/<name> (see netdev.Softnet.SetSysctl) or
// /sys/class/net/<dev>/<name> (see netdev.Device.SetAttribute). Any goroutine.
func (s *System) SetParam(path, value string) error {
	if name, ok := strings.CutPrefix(path, netCore); ok && s.Softnet != nil {
		return s.Softnet.SetSysctl(name, value)
	}
	if rest, ok := strings.CutPrefix(path, classNet); ok {
		dev, name, _ := strings.Cut(rest, "/")
		for _, n := range s.Interfaces {
			if n.Device.Name() == dev {
				return n.Device.SetAttribute(name, value)
			}
		}
		return fmt.Errorf("%s: no such device", path)
	}
	return fmt.Errorf("%s: no such parameter", path)
}

// bootParams sets what sysctl.<name>=<value> and gasp.<dev>.<name>=<value>
// arguments ask for. What does not go is logged.
func (s *System) bootParams() {
	set := func(arg, path, value string) {
		if err := s.SetParam(path, value); err != nil {
			slog.Warn(fmt.Sprintf("boot argument %q ignored: %v", arg+"="+value, err))
		}
	}
	for _, p := range s.Args.Sysctl {
		set("sysctl."+p.Name, "/proc/sys/"+strings.ReplaceAll(p.Name, ".", "/"), p.Value)
	}
	for _, key := range slices.Sorted(maps.Keys(s.Args.Gasp)) {
		if dev, name, ok := strings.Cut(key, "."); ok {
			set("gasp."+key, classNet+dev+"/"+name, s.Args.Gasp[key])
		}
	}
}

// procDevices are the devices of /proc/net/dev, for trap context.
var (
	procDevices  [8]*netdev.Device
	nProcDevices atomic.Int32
)

// addFiles makes the files of /proc and /sys that Linux has for the network.
func (s *System) addFiles() {
	for _, n := range s.Interfaces {
		if i := nProcDevices.Load(); int(i) < len(procDevices) {
			procDevices[i] = n.Device
			nProcDevices.Store(i + 1)
		}
		for _, p := range n.Device.Attributes() {
			addParam(classNet+n.Device.Name()+"/"+p.Name, p)
		}
	}
	for _, p := range s.Softnet.Sysctls() {
		addParam(netCore+p.Name, p)
	}
	addText("/proc/net/softnet_stat", func(t *kernel.Text) { s.Softnet.PrintStat(t) })
	addText("/proc/net/dev", func(t *kernel.Text) {
		netdev.PrintStatsHeader(t)
		for _, d := range procDevices[:nProcDevices.Load()] {
			d.PrintStats(t)
		}
	})
}

// addParam makes the file of a parameter.
func addParam(path string, p netdev.Param) {
	get := p.Get
	addText(path, func(t *kernel.Text) {
		t.Num(get(), 10, 1, ' ')
		t.Str("\n")
	})
}

func addText(path string, fn func(*kernel.Text)) {
	if err := kernel.SetText(path, fn); err != nil {
		slog.Error("file system", "err", err)
	}
}

//go:build arm

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/gasp-go/gasp/internal/bench/guest"
	"github.com/gasp-go/gasp/internal/bench/wire"
)

// The device under test is ENET2, the only one that comes up with the device
// tree that Linux has for the board; ENET1 is the far end.
const (
	selfDevice = "20b4000.ethernet"
	farBase    = 0x02188000
)

// platform is Linux as package guest sees it.
type platform struct {
	name    string // of the interface
	self    wire.Host
	far     *farProcess
	all     counter // instructions of the CPU
	farUser counter // of the far end's process in user mode
}

func newPlatform() (*platform, error) {
	p := &platform{}
	var err error
	if p.name, err = interfaceOf(selfDevice); err != nil {
		return nil, err
	}
	if err := configure(p.name); err != nil {
		return nil, fmt.Errorf("%s: %w", p.name, err)
	}
	p.self.IP = guest.SelfIP
	if p.self.MAC, err = hardwareAddress(p.name); err != nil {
		return nil, err
	}
	if p.far, err = startFar(); err != nil {
		return nil, fmt.Errorf("far end: %w", err)
	}
	if p.all, err = countCPU(); err != nil {
		return nil, err
	}
	p.farUser, err = countUser(p.far.pid())
	return p, err
}

// interfaceOf waits for the network interface that device has.
func interfaceOf(device string) (string, error) {
	for range 1000 {
		all, _ := filepath.Glob("/sys/class/net/*/device")
		for _, link := range all {
			if to, err := os.Readlink(link); err == nil && filepath.Base(to) == device {
				return filepath.Base(filepath.Dir(link)), nil
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	return "", errors.New("no interface of " + device)
}

func (p *platform) Self() wire.Host { return p.self }

func (p *platform) Far(j wire.Job) wire.Report { return p.far.do(j) }

// PollLatency is part of guest.Platform. Nothing of Linux tells it.
func (p *platform) PollLatency(int) (mean, most int64, ok bool) { return 0, 0, false }

// Count is part of guest.Platform. An idle CPU executes nothing, so there is
// nothing to take off but the far end. Linux does not count its polls.
func (p *platform) Count() guest.Counts {
	return guest.Counts{
		Busy:   int64(p.all.read() - p.farUser.read()),
		Ticks:  p.far.ticks(),
		IRQs:   interrupts(selfDevice),
		Frames: p.statistic("rx_packets"),
	}
}

func (p *platform) statistic(name string) uint64 {
	b, err := os.ReadFile("/sys/class/net/" + p.name + "/statistics/" + name)
	if err != nil {
		return 0
	}
	n, _ := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
	return n
}

// interrupts counts a device's in /proc/interrupts, all its lines.
func interrupts(device string) uint64 {
	b, err := os.ReadFile("/proc/interrupts")
	if err != nil {
		return 0
	}
	n := uint64(0)
	for line := range bytes.Lines(b) {
		f := strings.Fields(string(line))
		if len(f) > 2 && f[len(f)-1] == device {
			v, _ := strconv.ParseUint(f[1], 10, 64)
			n += v
		}
	}
	return n
}

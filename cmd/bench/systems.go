package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/gasp-go/gasp/internal/bench/guest"
	"github.com/gasp-go/gasp/internal/bench/peer"
	"github.com/gasp-go/gasp/internal/gobuild"
	"github.com/gasp-go/gasp/internal/qemu"
)

const packages = "github.com/gasp-go/gasp/internal/bench/"

// limit is how long a guest may take, in the host's time.
const limit = 30 * time.Minute

// gasp is the benchmarks' firmware.
type gasp struct {
	config
	image string
}

func newGasp(ctx context.Context, c config) (*gasp, error) {
	g := &gasp{c, filepath.Join(c.dir, "bench.elf")}
	f := gobuild.Firmware{Board: c.board, Package: packages + "firmware", Output: g.image}
	return g, f.Build(ctx)
}

// bootArgs are the firmware's. The seed is always the same, and so is the run,
// to the instruction.
const bootArgs = "quiet gasp.rxcsum=trust gasp.semihosting=1 gasp.seed=62656e6368 ip=10.9.0.1:::255.255.255.0::eth0:off"

func (g *gasp) run(ctx context.Context, rows []string, delayed bool, extra ...string) ([]guest.Result, error) {
	args, err := qemu.BootArgs(bootArgs, nil, g.arguments(rows))
	if err != nil {
		return nil, err
	}
	var r results
	console := &qemu.Log{Keep: 100, Line: g.console}
	o := qemu.Options{
		Board: g.board, Kernel: g.image, BootArgs: args, Semihosting: true,
		Serial: console, Stdout: &qemu.Log{Line: r.line}, Stderr: &qemu.Log{Line: shout},
		Extra: append(wire(delayed, "net1"), extra...),
	}
	status, err := boot(ctx, o, nil)
	if err == nil && status != 0 {
		err = fmt.Errorf("the guest ended with status %d", status)
	}
	return r.end(err, console)
}

// die measures rows in a boot that ends with a panic: the results come over the serial
// console, as part of the report. Of the rows named marked are marked for a profile.
func (g *gasp) die(ctx context.Context, d guest.Death, marked []string, extra ...string) ([]guest.Result, error) {
	args, err := qemu.BootArgs(bootArgs+" printk.time=0 panic=-1"+d.Targets, nil, g.arguments(append([]string{d.Name}, marked...)))
	if err != nil {
		return nil, err
	}
	var r results
	console := &qemu.Log{Keep: 100, Line: func(line string) {
		g.console(line)
		r.line(line[max(strings.IndexByte(line, '{'), 0):]) // there may be a time in front
	}}
	o := qemu.Options{
		Board: g.board, Kernel: g.image, BootArgs: args, Semihosting: true,
		Serial: console, Stdout: &qemu.Log{Line: r.line}, Stderr: &qemu.Log{Line: shout},
		Extra: extra,
	}
	_, err = boot(ctx, o, nil)
	return r.end(err, console)
}

// linux is Debian's kernel with the benchmarks' program as process 1.
type linux struct {
	config
	*peer.Linux
}

func newLinux(ctx context.Context, c config) (*linux, error) {
	l, err := peer.Fetch(ctx)
	if err != nil {
		return nil, err
	}
	program := filepath.Join(c.dir, "init")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", program, packages+"linux")
	cmd.Env = gobuild.Env(c.board)
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build: %w\n%s", err, out)
	}
	return &linux{c, l}, l.WriteInitrd(filepath.Join(c.dir, "initrd"), program)
}

// linuxArgs are Linux's. iomem=relaxed lets the far end have a MAC that the fec
// driver knows of too.
const linuxArgs = "console=ttymxc0 quiet panic=-1 iomem=relaxed mem=" + guest.LinuxRAM

func (l *linux) run(ctx context.Context, rows []string, delayed bool, extra ...string) ([]guest.Result, error) {
	var r results
	ended := make(chan bool)
	console := &qemu.Log{Keep: 100, Line: func(line string) {
		if l.console(line); line == guest.Ended {
			close(ended)
			return
		}
		r.line(line)
	}}
	line := linuxArgs + " -- " + strings.Join(l.arguments(rows), " ")
	o := qemu.Options{
		Board: l.board, Kernel: l.Kernel, Serial: console, Stderr: &qemu.Log{Line: shout},
		Extra: append(wire(delayed, "net0"), append([]string{"-dtb", l.DTB, "-initrd", l.Initrd, "-append", line}, extra...)...),
	}
	_, err := boot(ctx, o, ended)
	return r.end(err, console)
}

// wire is the options for the wire: with delay, what the far end at port sends
// is delivered in periods.
func wire(delayed bool, port string) []string {
	if !delayed {
		return nil
	}
	return []string{"-object", fmt.Sprintf("filter-buffer,id=delay0,netdev=%s,queue=rx,interval=%d", port, guest.Delay.Microseconds())}
}

// boot runs a guest to its end, or until ended is closed.
func boot(ctx context.Context, o qemu.Options, ended <-chan bool) (status int, err error) {
	o.Icount, o.Net, o.NoReboot = "shift=0,sleep=off", qemu.NetHub, true
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errors.New("the guest did not end in time"))
	defer cancel()
	m, err := qemu.Start(ctx, o)
	if err != nil {
		return 0, err
	}
	defer m.Close()
	select {
	case <-m.Done():
		if ended != nil {
			return 0, errors.New("the guest ended before its time")
		}
		return m.Status(), nil
	case <-ended:
		return 0, nil
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

// arguments are the guest's program's.
func (c *config) arguments(rows []string) []string {
	return []string{"-run", "^(" + strings.Join(rows, "|") + ")$", "-scale", fmt.Sprint(c.scale)}
}

func (c *config) console(line string) {
	if c.verbose {
		fmt.Fprintln(os.Stderr, "console |", line)
	}
}

func shout(line string) { fmt.Fprintln(os.Stderr, "guest:", line) }

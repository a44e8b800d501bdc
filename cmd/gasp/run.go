package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/gasp-go/gasp/internal/gobuild"
	"github.com/gasp-go/gasp/internal/ncrx"
	"github.com/gasp-go/gasp/internal/qemu"
)

var runCommand = &command{
	name:  "run",
	args:  "[package|image.elf]",
	short: "run firmware in QEMU with a network",
	long: `
Run boots firmware in QEMU, building it first if a package is named and not an
image (default: the package in the current directory). The guest is on QEMU's
own network (10.0.2.0/24, DHCP, gateway 10.0.2.2), which needs no privileges.
Its port 80 is reached at the URL that is printed.

The serial console and what comes over netconsole are printed as they come,
each line marked with its source. Interrupt (ctrl-C) to end.

The boot arguments ip=dhcp, netconsole= (to this command, through 10.0.2.2) and
gasp.seed= (random) are set unless -append has its own.

Exit status: 0 when interrupted, or when the machine powered itself off.`,
	run: runRun,
}

func runRun(ctx context.Context, c *call) int {
	fs := c.flags
	board := boardFlag(fs)
	memory := memoryFlag(fs)
	add := fs.String("append", "", "boot `arguments`")
	http := fs.String("http", "auto", "host `port` for the guest's port 80; auto picks a free one, off forwards none")
	pcap := fs.String("pcap", "", "write a capture of the network to `file`")
	tags := fs.String("tags", "", "build `tags` to add to the board's, separated by commas")
	var forwards forwardList
	fs.Var(&forwards, "hostfwd", "`tcp|udp:[hostaddr]:hostport-:guestport` to forward into the guest, host port 0 picks a free one (may be repeated)")
	if status, ok := c.parse(); !ok {
		return status
	}
	b, err := board()
	if err != nil {
		return c.wrongUsage(err)
	}
	what, err := onePackage(fs.Args())
	if err != nil {
		return c.wrongUsage(err)
	}
	if *http != "off" {
		f, err := httpForward(*http)
		if err != nil {
			return c.wrongUsage(err)
		}
		forwards = append(forwards, f)
	}
	image, cleanup, err := c.image(ctx, b, what, *tags)
	if err != nil {
		return c.fail(err)
	}
	defer cleanup()

	n, err := listenNetconsole(netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0))
	if err != nil {
		return c.fail(err)
	}
	p := newPrinter(c.stdout)
	o := qemu.Options{
		Board: b, Kernel: image, Memory: *memory,
		BootArgs: networkArgs(*add, n.port()),
		Net:      qemu.NetUser, Forwards: forwards, Pcap: *pcap,
	}
	return c.runMachine(ctx, o, n, p)
}

// runMachine runs a machine until it ends or ctx is done.
func (c *call) runMachine(ctx context.Context, o qemu.Options, n *netconsole, p *printer) int {
	serial := &qemu.Log{Keep: 100, Line: p.serial}
	stderr := &qemu.Log{Keep: 100, Line: p.note}
	o.Serial, o.Stderr = serial, stderr

	listening, stopListening := context.WithCancel(context.Background())
	var served sync.WaitGroup
	served.Go(func() {
		n.serve(listening, func(r *ncrx.Record) {
			for _, s := range remarks(r) {
				p.note(s)
			}
			for _, l := range consoleLines(r) {
				p.netcon(l)
			}
		})
	})
	defer served.Wait()
	defer stopListening()

	m, err := qemu.Start(ctx, o)
	if err != nil {
		return c.fail(err)
	}
	defer m.Close()
	for _, f := range m.Forwards() {
		where := f.Addr()
		if f.Proto == "tcp" && f.Guest == 80 {
			where = "http://" + where + "/"
		}
		p.note(fmt.Sprintf("guest's %s port %d: %s", f.Proto, f.Guest, where))
	}
	waited := m.Wait(ctx)
	m.Close()
	serial.Flush()
	stderr.Flush()
	if waited == nil && m.Status() != 0 {
		return c.fail(fmt.Errorf("QEMU ended with status %d", m.Status()))
	}
	return exitOK
}

// image returns an image file: the one that what names, or one built from the
// package that what names, which cleanup removes.
func (c *call) image(ctx context.Context, b *qemu.Board, what, tags string) (path string, cleanup func(), err error) {
	if st, err := os.Stat(what); err == nil && st.Mode().IsRegular() && !strings.HasSuffix(what, ".go") {
		kind, err := qemu.Inspect(b, what)
		if err == nil && kind != qemu.KindFirmware {
			err = fmt.Errorf("%s is a %v; \"gasp exec\" runs it", what, kind)
		}
		return what, func() {}, err
	}
	dir, err := os.MkdirTemp("", "gasp-run-")
	if err != nil {
		return "", nil, err
	}
	cleanup = func() { os.RemoveAll(dir) }
	f := gobuild.Firmware{Board: b, Package: what, Tags: tags, Output: filepath.Join(dir, "image.elf"), Stderr: c.stderr}
	if err := f.Build(ctx); err != nil {
		cleanup()
		return "", nil, err
	}
	return f.Output, cleanup, nil
}

func httpForward(port string) (qemu.Forward, error) {
	f := qemu.Forward{Proto: "tcp", Guest: 80}
	if port == "auto" {
		return f, nil
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return f, fmt.Errorf("bad port %q", port)
	}
	f.Port = uint16(n)
	return f, nil
}

// forwardList is a flag that may be repeated.
type forwardList []qemu.Forward

func (l *forwardList) String() string { return "" }

func (l *forwardList) Set(s string) error {
	f, err := qemu.ParseForward(s)
	if err != nil {
		return err
	}
	*l = append(*l, f)
	return nil
}

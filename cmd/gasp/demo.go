package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/gasp-go/gasp/internal/ncrx"
	"github.com/gasp-go/gasp/internal/qemu"
)

var demoCommand = &command{
	name:  "demo",
	args:  "[package|image.elf]",
	short: "show it all: boot, serve, die, and have the last words heard",
	long: `
Demo builds the demonstration firmware (default: ./cmd/firmware), boots it in
QEMU, fetches its status page and counters, has it echo over TCP and UDP, and
then has it die of a Go panic. Netconsole is printed as it comes. At the end
every line that the serial console has must have come over netconsole too, in
order, with the panic and the goroutine's traceback among them.

Every wait is bounded. Exit status: 0 if all of it happened, else 1 after the
reason and the end of the serial log.`,
	run: runDemo,
}

// Bounds of the demo's waits. The guest needs a fraction of each on a quiet
// machine.
const (
	demoNetwork = 60 * time.Second // from start to the first page
	demoStep    = 20 * time.Second // each exchange
	demoDeath   = 30 * time.Second // from the request to die to the end
	demoQuiet   = 3 * time.Second  // of both consoles, if the machine stays up
)

// demo is one run of it.
type demo struct {
	call    *call
	p       *printer
	m       *qemu.Machine
	serial  *qemu.Log
	netcon  *qemu.Log // texts of records, a line each
	httpAt  string
	echoTCP string
	echoUDP string
}

func runDemo(ctx context.Context, c *call) int {
	fs := c.flags
	board := boardFlag(fs)
	memory := memoryFlag(fs)
	add := fs.String("append", "", "boot `arguments` to add")
	if status, ok := c.parse(); !ok {
		return status
	}
	b, err := board()
	if err != nil {
		return c.wrongUsage(err)
	}
	what := "./cmd/firmware"
	if fs.NArg() > 0 {
		if what, err = onePackage(fs.Args()); err != nil {
			return c.wrongUsage(err)
		}
	}
	d := &demo{call: c, p: newPrinter(c.stdout), serial: &qemu.Log{}, netcon: &qemu.Log{}}
	if err := d.run(ctx, b, what, *memory, *add); err != nil {
		c.tail("serial | ", d.serial)
		return c.fail(err)
	}
	return exitOK
}

// run does the demo, in order.
func (d *demo) run(ctx context.Context, b *qemu.Board, what, memory, add string) error {
	d.p.note("building " + what)
	image, cleanup, err := d.call.image(ctx, b, what, "")
	if err != nil {
		return err
	}
	defer cleanup()
	if st, err := os.Stat(image); err == nil {
		d.p.note(fmt.Sprintf("the image has %.1f MB", float64(st.Size())/1e6))
	}

	n, err := listenNetconsole(netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0))
	if err != nil {
		return err
	}
	listening, stopListening := context.WithCancel(context.Background())
	var served sync.WaitGroup
	served.Go(func() { n.serve(listening, d.record) })
	stop := func() { stopListening(); served.Wait() }
	defer stop()

	started := time.Now()
	d.m, err = qemu.Start(ctx, qemu.Options{
		Board: b, Kernel: image, Memory: memory,
		// panic=-1 resets at once when the report is out, and the reset ends
		// QEMU: a definite end.
		BootArgs: networkArgs(withDefaults(add, arg{"gasp.die", "1"}, arg{"panic", "-1"}), n.port()),
		NoReboot: true,
		Net:      qemu.NetUser,
		Forwards: []qemu.Forward{{Proto: "tcp", Guest: 80}, {Proto: "tcp", Guest: 7}, {Proto: "udp", Guest: 7}},
		Serial:   d.serial,
	})
	if err != nil {
		return err
	}
	defer d.m.Close()
	fs := d.m.Forwards()
	d.httpAt, d.echoTCP, d.echoUDP = "http://"+fs[0].Addr(), fs[1].Addr(), fs[2].Addr()

	if err := d.serves(ctx, started); err != nil {
		return err
	}
	if err := d.dies(ctx); err != nil {
		return err
	}
	d.m.Close()
	stop()
	d.serial.Flush()
	return d.lastWords()
}

// record takes a record of netconsole's.
func (d *demo) record(r *ncrx.Record) {
	for _, s := range remarks(r) {
		d.p.note(s)
	}
	for _, l := range consoleLines(r) {
		d.p.netcon(l)
	}
	fmt.Fprintf(d.netcon, "%s\n", r.Text)
}

// step runs f with a bound and with an end if the machine ends before it.
func (d *demo) step(ctx context.Context, what string, bound time.Duration, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, bound, fmt.Errorf("not within %v", bound))
	defer cancel()
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	done := make(chan struct{})
	defer close(done)
	go func() {
		select {
		case <-d.m.Done():
			fail(errors.New("the machine has ended"))
		case <-done:
		}
	}()
	if err := f(ctx); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return fmt.Errorf("%s: %w (%v)", what, cause, err)
		}
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// dies has the firmware die and waits for the end of its report.
func (d *demo) dies(ctx context.Context) error {
	d.p.note("asking it to panic")
	from := d.netcon.Len()
	if err := d.step(ctx, "asking for the panic", demoStep, func(ctx context.Context) error {
		return postDie(ctx, d.httpAt)
	}); err != nil {
		return err
	}
	dying, cancel := context.WithTimeoutCause(ctx, demoDeath, fmt.Errorf("not within %v", demoDeath))
	defer cancel()
	for _, w := range lastWords {
		if _, err := d.netcon.WaitFor(dying, from, w.is); err != nil {
			return fmt.Errorf("%s did not come over netconsole: %w", w.what, err)
		}
	}
	return d.waitEnd(dying)
}

// waitEnd waits until the machine has ended, or for one that stays up until
// both consoles are quiet.
func (d *demo) waitEnd(ctx context.Context) error {
	last, since := -1, time.Now()
	for {
		quiet, cancel := context.WithTimeout(ctx, demoQuiet/10)
		err := d.m.Wait(quiet)
		cancel()
		if err == nil {
			d.p.note("the machine has ended")
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("the report does not end: %w", context.Cause(ctx))
		}
		if n := d.serial.Len() + d.netcon.Len(); n != last {
			last, since = n, time.Now()
		} else if time.Since(since) >= demoQuiet {
			d.p.note("the machine stays up and is quiet")
			return nil
		}
	}
}

// lastWords are what must come over netconsole when the firmware panics.
var lastWords = []struct {
	what string
	is   func(string) bool
}{
	{"the panic", func(l string) bool { return strings.HasPrefix(l, "panic: ") }},
	{"a goroutine's traceback", func(l string) bool { return strings.HasPrefix(l, "goroutine ") && strings.HasSuffix(l, ":") }},
}

// lastWords compares the two consoles.
func (d *demo) lastWords() error {
	serial, netcon := consoleTexts(d.serial.Lines()), d.netcon.Lines()
	missing := missingLines(serial, netcon)
	if len(serial) == 0 {
		return errors.New("the serial console is empty, nothing to compare with")
	}
	if len(missing) > 0 {
		return fmt.Errorf("of %d lines of the serial console %d did not come over netconsole, the first is %q", len(serial), len(missing), missing[0])
	}
	d.p.note(fmt.Sprintf("all %d lines of the serial console came over netconsole", len(serial)))
	return nil
}

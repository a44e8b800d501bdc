package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/gasp-go/gasp/internal/bench/guest"
	"github.com/gasp-go/gasp/internal/qemu"
)

// limit is how long a run may take, in the host's time.
const limit = 30 * time.Minute

// bootArgs are the firmware's. The seed is always the same, and so is the run,
// to the instruction.
const bootArgs = "quiet gasp.semihosting=1 gasp.seed=62656e6368 ip=10.9.0.1:::255.255.255.0::eth0:off"

// run runs the rows that match.
func (g *gasp) run(ctx context.Context, rows string, extra ...string) ([]guest.Result, error) {
	args, err := qemu.BootArgs(bootArgs, nil, []string{"-run", rows, "-scale", fmt.Sprint(g.scale)})
	if err != nil {
		return nil, err
	}
	serial := &qemu.Log{Keep: 100}
	if g.verbose {
		serial.Line = func(l string) { fmt.Fprintln(os.Stderr, "serial |", l) }
	}
	var results []guest.Result
	out := &qemu.Log{Line: func(l string) {
		var r guest.Result
		if json.Unmarshal([]byte(l), &r) == nil {
			results = append(results, r)
			fmt.Fprintf(os.Stderr, "%s: %.1f\n", r.Row, r.Cost)
		}
	}}
	said := &qemu.Log{Line: func(l string) { fmt.Fprintln(os.Stderr, "guest:", l) }}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errors.New("the guest did not end in time"))
	defer cancel()
	m, err := qemu.Start(ctx, qemu.Options{
		Board: g.board(), Kernel: g.image, BootArgs: args, Icount: "shift=0,sleep=off",
		Net: qemu.NetHub, Semihosting: true, NoReboot: true,
		Serial: serial, Stdout: out, Stderr: said, Extra: extra,
	})
	if err != nil {
		return nil, err
	}
	defer m.Close()
	err = m.Wait(ctx)
	m.Close()
	switch {
	case err != nil:
		return nil, err
	case m.Status() != 0:
		return nil, fmt.Errorf("the guest ended with status %d:\n%s", m.Status(), strings.Join(serial.Tail(40), "\n"))
	case len(results) == 0:
		return nil, fmt.Errorf("no row matches %q", rows)
	}
	return results, nil
}

// Command bench measures what the network costs, in instructions of the guest,
// counted by QEMU: it boots the benchmarks' firmware, and beside it Debian's
// Linux on the same machine, and prints their figures as a table. See
// docs/performance.md.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"time"

	"github.com/gasp-go/gasp/internal/bench/guest"
	"github.com/gasp-go/gasp/internal/bench/table"
	"github.com/gasp-go/gasp/internal/qemu"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	rows := flag.String("run", "", "`regexp` of the rows to measure; default all")
	peer := flag.String("peer", "none", "whom to measure too: none or debian, whose Linux is downloaded if it was not before")
	profile := flag.String("profile", "", "`row` to profile instead: every instruction, by function")
	top := flag.Int("top", 60, "how many `functions` of a profile to print")
	scale := flag.Int("scale", 1, "`divisor` of the number of frames and bytes (a profile's default: 8)")
	verbose := flag.Bool("v", false, "show the guests' consoles on stderr")
	flag.Parse()
	if flag.NArg() > 0 {
		return fmt.Errorf("unknown argument %q", flag.Arg(0))
	}
	match, err := regexp.Compile(*rows)
	if err != nil {
		return err
	}
	b, err := qemu.LookupBoard("mx6ulevk") // the one with two ports
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "gasp-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	c := config{dir: dir, board: b, scale: *scale, verbose: *verbose}

	if *profile != "" {
		return c.profile(ctx, *profile, *top)
	}
	us, err := newGasp(ctx, c)
	if err != nil {
		return err
	}
	ours, err := measure(ctx, us, match)
	for _, d := range guest.Deaths(match) {
		if err == nil {
			var r []guest.Result
			r, err = us.die(ctx, d, nil)
			ours = append(ours, r...)
		}
	}
	if err == nil && len(ours) == 0 {
		err = fmt.Errorf("no row matches %q", match)
	}
	if err != nil {
		return fmt.Errorf("gasp: %w", err)
	}
	switch *peer {
	case "none":
		table.Write(os.Stdout, ours, nil)
		return nil
	case "debian":
	default:
		return fmt.Errorf("unknown peer %q", *peer)
	}
	them, err := newLinux(ctx, c)
	if err != nil {
		return err
	}
	theirs, err := measure(ctx, them, match)
	if err != nil {
		return fmt.Errorf("the peer: %w", err)
	}
	table.Write(os.Stdout, ours, theirs)
	fmt.Printf("\nLinux is Debian's %s.\n", them.Version)
	return nil
}

// config is what both systems under test need.
type config struct {
	dir     string // for temporary files
	board   *qemu.Board
	scale   int
	verbose bool
}

// system is a system under test.
type system interface {
	// run measures the rows. delayed: on a wire with guest.Delay.
	run(ctx context.Context, rows []string, delayed bool, extra ...string) ([]guest.Result, error)
}

// measure measures the rows that match, each on the wire that it wants.
func measure(ctx context.Context, s system, match *regexp.Regexp) ([]guest.Result, error) {
	var all []guest.Result
	start := time.Now()
	for _, delayed := range []bool{false, true} {
		rows := guest.Names(match, delayed)
		if len(rows) == 0 {
			continue
		}
		results, err := s.run(ctx, rows, delayed)
		if err != nil {
			return nil, err
		}
		all = append(all, results...)
	}
	fmt.Fprintf(os.Stderr, "%d rows in %.0f s\n", len(all), time.Since(start).Seconds())
	return all, nil
}

// Command bench measures what the network costs, in instructions of the guest,
// counted by QEMU: it boots the benchmarks' firmware and prints its figures as a
// table. See docs/performance.md.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"time"

	"github.com/gasp-go/gasp/internal/bench/table"
	"github.com/gasp-go/gasp/internal/gobuild"
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
	profile := flag.String("profile", "", "`row` to profile instead: every instruction, by function")
	top := flag.Int("top", 60, "how many `functions` of a profile to print")
	scale := flag.Int("scale", 1, "`divisor` of the number of frames and bytes (a profile's default: 8)")
	verbose := flag.Bool("v", false, "show the guest's console on stderr")
	flag.Parse()
	if flag.NArg() > 0 {
		return fmt.Errorf("unknown argument %q", flag.Arg(0))
	}
	if _, err := regexp.Compile(*rows); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "gasp-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	g := &gasp{dir: dir, scale: *scale, verbose: *verbose}
	if err := g.build(ctx); err != nil {
		return err
	}
	if *profile != "" {
		return g.profile(ctx, *profile, *top)
	}
	start := time.Now()
	results, err := g.run(ctx, *rows)
	if err != nil {
		return err
	}
	table.Write(os.Stdout, results)
	fmt.Printf("\n%d rows in %.0f s\n", len(results), time.Since(start).Seconds())
	return nil
}

// gasp is the system under test.
type gasp struct {
	dir     string // for temporary files
	image   string
	scale   int
	verbose bool
}

const firmware = "github.com/gasp-go/gasp/internal/bench/firmware"

func (g *gasp) board() *qemu.Board {
	b, err := qemu.LookupBoard("mx6ulevk") // the one with two ports
	if err != nil {
		panic(err)
	}
	return b
}

func (g *gasp) build(ctx context.Context) error {
	g.image = filepath.Join(g.dir, "bench.elf")
	f := gobuild.Firmware{Board: g.board(), Package: firmware, Output: g.image}
	return f.Build(ctx)
}

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"syscall"

	"github.com/gasp-go/gasp/internal/bench/guest"
	"github.com/gasp-go/gasp/internal/bench/profile"
)

// profileScale keeps QEMU's log, some 15 bytes an instruction, short.
const profileScale = 8

// profile runs one row and prints who executed its instructions.
func (c config) profile(ctx context.Context, row string, top int) error {
	if c.scale == 1 {
		c.scale = profileScale
	}
	name := regexp.MustCompile("^" + regexp.QuoteMeta(row) + "$")
	delayed := len(guest.Names(name, true)) > 0
	dies := slices.ContainsFunc(guest.Lines, func(l guest.Line) bool { return l.Row == row })
	if !delayed && !dies && len(guest.Names(name, false)) == 0 {
		return fmt.Errorf("there is no row %q", row)
	}
	g, err := newGasp(ctx, c)
	if err != nil {
		return err
	}
	syms, err := profile.LoadSymbols(g.image)
	if err != nil {
		return err
	}
	const pkg = packages + "guest."
	marks := profile.Marks{Base: syms.Lookup(pkg + "BeginBase"), Full: syms.Lookup(pkg + "Begin"), End: syms.Lookup(pkg + "End")}
	fifo := filepath.Join(c.dir, "log")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		return err
	}
	// Open for writing too, so that neither end waits for the other.
	log, err := os.OpenFile(fifo, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	type read struct {
		p   *profile.Profile
		err error
	}
	done := make(chan read)
	reader, err := os.Open(fifo)
	if err != nil {
		return err
	}
	go func() {
		p, err := profile.Read(reader, syms, marks)
		reader.Close()
		done <- read{p, err}
	}()
	run := func() ([]guest.Result, error) { return g.run(ctx, []string{row}, delayed, profile.Flags(fifo)...) }
	if dies {
		run = func() ([]guest.Result, error) {
			return g.die(ctx, guest.Deaths(name)[0], []string{row}, profile.Flags(fifo)...)
		}
	}
	results, err := run()
	log.Close()
	r := <-done
	if err == nil {
		err = r.err
	}
	if err != nil {
		return err
	}
	for _, res := range results {
		if res.Row == row {
			print(res, r.p, top)
		}
	}
	return nil
}

func print(res guest.Result, p *profile.Profile, top int) {
	sum := 0.0
	base := res.Base
	if base == 0 {
		base = 1
	}
	packages := p.Lines(res.N, base, profile.Package)
	for _, l := range packages {
		sum += l.Instructions
	}
	fmt.Printf("%s: instructions per %s, %d of them; the row's figure: %.1f\n", res.Row, res.Unit, res.N, res.Cost)
	fmt.Printf("(the far end's share, in internal/bench, is not in the figure)\n")
	show := func(title string, lines []profile.Line) {
		fmt.Printf("\n%12s %6s %9s  %s\n", "instructions", "%", "calls", title)
		fmt.Printf("%12.2f %6.1f %9s  total\n", sum, 100.0, "")
		for _, l := range lines[:min(top, len(lines))] {
			fmt.Printf("%12.2f %6.1f %9.2f  %s\n", l.Instructions, 100*l.Instructions/sum, l.Calls, l.Name)
		}
	}
	show("package", packages)
	show("function", p.Lines(res.N, base, func(f string) string { return f }))
}

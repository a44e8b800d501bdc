//go:build arm

// Command firmware is the benchmarks' firmware: the device under test is eth0
// with all of gasp on it, opened as every firmware does it; the far end of its
// wire is eth1's MAC, which gasp leaves alone. Package guest has what is
// measured.
package main

import (
	"flag"
	"fmt"

	"os"
	"regexp"

	"github.com/gasp-go/gasp"
	"github.com/gasp-go/gasp/internal/bench/guest"
)

func main() {
	run := flag.String("run", "", "`regexp` of the rows to measure")
	scale := flag.Int("scale", 1, "`divisor` of the number of frames and bytes")
	flag.Parse()
	match, err := regexp.Compile(*run)
	if err == nil {
		err = bench(match, *scale)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench(match *regexp.Regexp, scale int) error {
	sys := gasp.Start()
	p, err := newPlatform(sys)
	if err != nil {
		return err
	}

	lastWords(p, match)
	guest.Run(p, os.Stdout, match, scale)
	return nil
}

package guest

import (
	"regexp"
	"slices"
	"strings"
)

// LastWords is what netpoll and a panic cost: rows that only gasp has, and of which the
// guest dies.
const LastWords = "last-words"

// lastWords are the names of these rows, without those of lines.
var lastWords = []string{"netpoll-send", "netpoll-send-long", "last-words-first", "last-words-last", "last-words-report"}

// Line is a row of what a line of the log costs.
type Line struct {
	Row string

	// Targets are boot arguments for its receivers, and it has a boot of its own;
	// empty: it is measured in that of LastWords.
	Targets string

	Text string
	Dict [][2]string

	// Frames is how many a line is to make. PerFrame: the figure is one frame's.
	Frames   int
	PerFrame bool
}

// Receivers of the log.
const (
	basic    = "6665@10.9.0.1/eth0,6666@10.9.0.2/02:00:00:00:00:02"
	extended = " netconsole=+" + basic
	second   = ";+6667@10.9.0.1/eth0,6668@10.9.0.2/02:00:00:00:00:02"
)

// digits are 70 bytes of text.
const digits = "0123456789012345678901234567890123456789012345678901234567890123456789"

// Lines are the rows of a line, the plain one first.
var Lines = []Line{
	{Row: "last-words-line", Text: digits, Frames: 1},
	// As package console's slog handler makes it.
	{Row: "line-dictionary", Text: "bench: the link of a port is up again now dev=eth0 speed=100 duplex=on", Frames: 1,
		Dict: [][2]string{{"dev", "eth0"}, {"speed", "100"}, {"duplex", "on"}}},
	{Row: "line-escapes", Text: "The bench is warm: Tür offen, Gerät läuft, Prüfung folgt; 4 of 10!", Frames: 1},
	{Row: "line-fragments", Text: strings.Repeat(digits, 29)[:2000], Frames: 3, PerFrame: true},
	{Row: "line-basic", Targets: " printk.time=1 netconsole=" + basic, Text: digits, Frames: 1},
	{Row: "line-userdata", Targets: extended + " netconsole.userdata=rack=17 netconsole.userdata=site=lab netconsole.userdata=role=gateway" +
		" netconsole.cpu_nr_enabled=1 netconsole.taskname_enabled=1 netconsole.release_enabled=1 netconsole.msgid_enabled=1", Text: digits, Frames: 1},
	{Row: "line-hmac", Targets: extended + " netconsole.hmac_key=00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff", Text: digits, Frames: 1},
	{Row: "line-two-targets", Targets: extended + second, Text: digits, Frames: 2},
}

// A Death is a boot that ends with a panic.
type Death struct {
	Name    string // of what the guest is to run
	Targets string // boot arguments for the receivers of the log
	Rows    []string
}

// Deaths are the boots for the rows that match.
func Deaths(match *regexp.Regexp) []Death {
	shared := Death{Name: LastWords, Targets: extended, Rows: lastWords}
	var own []Death
	for _, l := range Lines {
		if l.Targets == "" {
			shared.Rows = append(shared.Rows[:len(shared.Rows):len(shared.Rows)], l.Row)
		} else {
			own = append(own, Death{l.Row, l.Targets, []string{l.Row}})
		}
	}
	var deaths []Death
	for _, d := range append([]Death{shared}, own...) {
		if slices.ContainsFunc(d.Rows, match.MatchString) {
			deaths = append(deaths, d)
		}
	}
	return deaths
}

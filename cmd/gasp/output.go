package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/gasp-go/gasp/internal/ncrx"
)

// printable replaces what a terminal would obey: what is printed came over the
// wire. Tabs stay.
func printable(s string) string {
	clean := func(r rune) bool { return r == '\t' || r >= ' ' && r != 0x7f && !(0x80 <= r && r < 0xa0) }
	if utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !clean(r) }) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if clean(r) && (r != utf8.RuneError || n > 1) {
			b.WriteString(s[i : i+n])
		} else {
			for _, c := range []byte(s[i : i+n]) {
				fmt.Fprintf(&b, `\x%02x`, c)
			}
		}
		i += n
	}
	return b.String()
}

// isTerminal tells whether w is a terminal that wants colours.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0
}

// Colours of the sources, as a terminal's escape sequences.
const (
	colourSerial = "\x1b[36m"
	colourNetcon = "\x1b[32m"
	colourNote   = "\x1b[33m"
	colourOff    = "\x1b[0m"
)

// printer writes the lines of several sources to one place, each line whole
// and marked with where it came from. It is safe for concurrent use.
type printer struct {
	mu     sync.Mutex
	w      io.Writer
	colour bool
}

func newPrinter(w io.Writer) *printer { return &printer{w: w, colour: isTerminal(w)} }

func (p *printer) serial(line string) { p.line(colourSerial, "serial | ", line) }
func (p *printer) netcon(line string) { p.line(colourNetcon, "netcon | ", line) }
func (p *printer) note(line string)   { p.line(colourNote, "gasp   | ", line) }

func (p *printer) line(colour, mark, line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.colour {
		mark = colour + mark + colourOff
	}
	fmt.Fprintf(p.w, "%s%s\n", mark, printable(line))
}

// remarks tells in words what is wrong with a record, if anything is.
func remarks(r *ncrx.Record) []string {
	var out []string
	if r.Restarted {
		out = append(out, "the sender has booted again")
	}
	if r.Gap == 1 {
		out = append(out, fmt.Sprintf("record %d has not come: lost, or not meant for netconsole", r.Seq-1))
	} else if r.Gap > 1 {
		out = append(out, fmt.Sprintf("records %d to %d have not come: lost, or not meant for netconsole", r.Seq-r.Gap, r.Seq-1))
	}
	if r.Late {
		out = append(out, "the next record is late")
	}
	if r.Missing > 0 {
		out = append(out, fmt.Sprintf("%d bytes of the next record have not come", r.Missing))
	}
	if r.Malformed {
		out = append(out, "the next line is a datagram that is malformed")
	}
	if r.Auth == ncrx.Forged {
		out = append(out, "the next record is not to be believed: its signature is wrong")
	}
	return out
}

// consoleLines returns the text of a record as a console shows it: each line
// with the time before it.
func consoleLines(r *ncrx.Record) []string {
	lines := strings.Split(r.Text, "\n")
	for i := range lines {
		lines[i] = r.Stamp() + lines[i]
	}
	return lines
}

// previousLife are the first keys of a record of the sender's life before, as
// package ramoops makes them; its text begins with "[previous] " and its time.
var previousLife = []string{"PREVIOUS_LIFE", "SEQ", "USEC", "FACILITY"}

// dictLines returns the dictionary of a record as lines below its text.
func dictLines(r *ncrx.Record) []string {
	var out []string
	dict := r.Dict
	if n := len(dict) - 2; n >= 0 && dict[n].Key == "BOOTID" && dict[n+1].Key == "HMAC" {
		dict = dict[:n] // a signature, and no key to check it with
	}
	if len(dict) >= len(previousLife) && dict[0].Key == previousLife[0] {
		dict = dict[len(previousLife):] // the text says it
	}
	for _, kv := range dict {
		out = append(out, strings.Repeat(" ", len(r.Stamp()))+kv.Key+"="+kv.Value)
	}
	return out
}

// lockedWriter lets several goroutines write to one writer.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// Package table prints the benchmarks' figures.
package table

import (
	"fmt"
	"io"
	"strconv"

	"github.com/gasp-go/gasp/internal/bench/guest"
)

// line describes a row of the table: what it is in words, and what it is
// compared with. target 0: there is none.
type line struct {
	name, title string
	target      float64
	tamago      string // measured before, with TamaGo 1.26.5 and the same gVisor
}

var lines = []line{
	{"drop-saturated", "receive, driver, NAPI and drop, saturated", 1200, "–"},
	{"drop-isolated", "the same, one interrupt a frame", 3500, "–"},
	{"xdp-drop", "receive and drop by a program (XDP), saturated", 0, "–"},
	{"xdp-tx", "receive and send back by a program (XDP), saturated", 0, "–"},
	{"udp-unread", "receive into an unread UDP socket, saturated", 12000, "42,000"},
	{"udp-app", "receive to the application, 1,000/s", 15000, "52,500"},
	{"icmp-echo", "ICMP echo", 8800, "65,400"},
	{"udp-echo", "UDP echo", 17600, "91,000"},
	{"udp-transmit", "UDP transmit, 64 bytes", 7200, "31,800"},
	{"raw-transmit", "raw transmit", 2000, "–"},
	{"tcp-receive", "TCP receive, per byte", 2.7, "33"},
	{"tcp-transmit", "TCP transmit, per byte", 2.1, "105"},
	{"tcp-transmit-ack2", "the same, an acknowledgement every two segments", 0, "–"},
	{"irq-to-poll", "interrupt to the first instruction of a poll, idle", 0, "–"},
	{"netpoll-send", "a datagram of 64 bytes by netpoll, live (at most: interrupts off)", 0, "–"},
	{"netpoll-send-long", "of 1,400 bytes", 0, "–"},
	{"last-words-first", "a fault in trap context to the first netconsole frame", 20000, "–"},
	{"last-words-last", "to the last", 0, "–"},
	{"last-words-report", "a line of the report, made, logged and sent", 0, "–"},
	{"last-words-line", "a line of 70 bytes that is made already", 2500, "–"},
	{"line-dictionary", "with a dictionary of 3 pairs", 0, "–"},
	{"line-escapes", "with 8 bytes that are escaped", 0, "–"},
	{"line-fragments", "a line of 2,000 bytes, in 3 fragments", 0, "–"},
	{"line-basic", "in the basic format, with the time", 0, "–"},
	{"line-userdata", "with user data, 3 entries, and all system data", 0, "–"},
	{"line-hmac", "signed (hmac_key)", 0, "–"},
	{"line-two-targets", "to two targets", 0, "–"},
	{"rate-1k", "UDP to the application at 1,000/s", 0, "–"},
	{"rate-5k", "at 5,000/s", 0, "–"},
	{"rate-20k", "at 20,000/s", 0, "–"},
	{"rate-50k", "at 50,000/s", 0, "–"},
	{"rate-saturated", "saturated", 0, "–"},
}

// Write writes the results, ours and Linux's, as a table in Markdown.
func Write(w io.Writer, ours, linux []guest.Result) {
	fmt.Fprintln(w, "| row | instructions per | Linux | TamaGo, measured before | ours | target | allocations | interrupts (Linux) | polls | read (Linux) |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|---|---|---|---|")
	for _, l := range lines {
		us, them := find(ours, l.name), find(linux, l.name)
		if us != nil || them != nil {
			fmt.Fprintln(w, row(l, us, them))
		}
	}
}

// find returns the result of a row, nil for none.
func find(results []guest.Result, name string) *guest.Result {
	for i := range results {
		if results[i].Row == name {
			return &results[i]
		}
	}
	return nil
}

func row(l line, us, them *guest.Result) string {
	target := "–"
	if l.target != 0 {
		target = "≤ " + number(l.target)
	}
	unit, allocs, polls := "", "–", "–"
	for _, r := range []*guest.Result{them, us} {
		if r != nil {
			unit = r.Unit
		}
	}
	if us != nil && us.Err == "" {
		allocs, polls = share(us.Allocs), share(us.Polls)
	}
	of := func(f func(r *guest.Result) string) string { return f(us) + " (" + f(them) + ")" }
	return fmt.Sprintf("| %s: %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |", l.name, l.title, unit,
		cost(them), l.tamago, cost(us), target, allocs, of(interrupts), polls, of(read))
}

// cost is a row's figure, or why there is none.
func cost(r *guest.Result) string {
	switch {
	case r == nil:
		return "–"
	case r.Err != "":
		return "none: " + r.Err
	case r.Most > 0:
		return number(r.Cost) + " (at most " + number(float64(r.Most)) + ")"
	case r.Again > 0:
		return fmt.Sprintf("%s (%d segments sent again)", number(r.Cost), r.Again)
	}
	return number(r.Cost)
}

func interrupts(r *guest.Result) string {
	if r == nil || r.Err != "" {
		return "–"
	}
	return share(r.IRQs)
}

func read(r *guest.Result) string {
	if r == nil || r.Read == 0 {
		return "–"
	}
	return fmt.Sprintf("%.0f %%", 100*r.Read)
}

// number writes a count of instructions: small ones, those per byte, with two
// places behind the point, others whole and with commas.
func number(v float64) string {
	if v < 100 && v != float64(int64(v)) {
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
	s := strconv.FormatInt(int64(v+0.5), 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// share writes how many there are for each frame.
func share(v float64) string {
	if v < 0.0005 {
		return "0"
	}
	return strconv.FormatFloat(v, 'f', 3, 64)
}

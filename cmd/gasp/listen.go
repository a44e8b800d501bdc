package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"github.com/gasp-go/gasp/internal/ncrx"
)

var listenCommand = &command{
	name:  "listen",
	short: "receive netconsole",
	long: `
Listen receives netconsole from gasp's firmware, and from Linux, in the basic
and the extended format, until it is interrupted. Records that were sent in
fragments are put together, and what has not come is reported for each sender.
A gap in the numbers is not always a loss: records below the sender's console
level have numbers too.

With -json each record is a JSON object on a line of its own: time, from,
extended, level (-1 in the basic format), facility, seq, usec, cont, text, and
where there are such: release, fields, dict, gap, late, restarted, missing,
malformed.

Anybody can send to the port: netconsole has no authentication.`,
	run: runListen,
}

func runListen(ctx context.Context, c *call) int {
	fs := c.flags
	port := fs.Uint("p", 6666, "UDP `port`")
	bind := fs.String("bind", "127.0.0.1", "`address` to listen at; all: every address of this host")
	asJSON := fs.Bool("json", false, "print JSON objects")
	if status, ok := c.parse(); !ok {
		return status
	}
	addr, err := listenAddr(*bind, *port)
	if err == nil && fs.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	if err != nil {
		return c.wrongUsage(err)
	}
	n, err := listenNetconsole(addr)
	if err != nil {
		return c.fail(err)
	}
	fmt.Fprintf(c.stderr, "listening at %v\n", n.conn.LocalAddr())
	print := c.printRecord
	if *asJSON {
		print = c.printJSON
	}
	if err := n.serve(ctx, print); err != nil {
		return c.fail(err)
	}
	s := n.recv.Stats()
	fmt.Fprintf(c.stderr, "%d datagrams, %d records, %d missing numbers, %d incomplete, %d malformed\n",
		s.Datagrams, s.Records, s.Gap, s.Incomplete, s.Malformed)
	return exitOK
}

func listenAddr(bind string, port uint) (netip.AddrPort, error) {
	if port > 0xffff {
		return netip.AddrPort{}, fmt.Errorf("no such port: %d", port)
	}
	if bind == "all" {
		bind = "::"
	}
	a, err := netip.ParseAddr(bind)
	return netip.AddrPortFrom(a, uint16(port)), err
}

// levelNames are syslog's, as dmesg shows them.
var levelNames = [8]string{"emerg", "alert", "crit", "err", "warn", "notice", "info", "debug"}

func levelName(level int) string {
	if level < 0 || level >= len(levelNames) {
		return "-"
	}
	return levelNames[level]
}

func (c *call) printRecord(r *ncrx.Record) {
	head := r.Time.Format("15:04:05.000") + " " + r.From.String()
	for _, s := range remarks(r) {
		fmt.Fprintf(c.stdout, "%s -- %s --\n", head, s)
	}
	for _, l := range append(consoleLines(r), dictLines(r)...) {
		fmt.Fprintf(c.stdout, "%s %-6s %s\n", head, levelName(r.Level), printable(l))
	}
}

// jsonRecord is a record as "gasp listen -json" prints it.
type jsonRecord struct {
	Time      time.Time `json:"time"`
	From      string    `json:"from"`
	Extended  bool      `json:"extended"`
	Release   string    `json:"release,omitempty"`
	Level     int       `json:"level"`
	Facility  int       `json:"facility"`
	Seq       uint64    `json:"seq"`
	Usec      *uint64   `json:"usec"` // null if the sender does not say it
	Cont      bool      `json:"cont"`
	Text      string    `json:"text"`
	Fields    []ncrx.KV `json:"fields,omitempty"`
	Dict      []ncrx.KV `json:"dict,omitempty"`
	Gap       uint64    `json:"gap,omitempty"`
	Late      bool      `json:"late,omitempty"`
	Restarted bool      `json:"restarted,omitempty"`
	Missing   int       `json:"missing,omitempty"`
	Malformed bool      `json:"malformed,omitempty"`
}

func (c *call) printJSON(r *ncrx.Record) {
	j := jsonRecord{
		Time: r.Time, From: r.From.String(), Extended: r.Extended, Release: r.Release,
		Level: r.Level, Facility: r.Facility, Seq: r.Seq, Cont: r.Cont, Text: r.Text,
		Fields: r.Fields, Dict: r.Dict, Gap: r.Gap, Late: r.Late, Restarted: r.Restarted,
		Missing: r.Missing, Malformed: r.Malformed,
	}
	if r.HasTime {
		j.Usec = &r.Usec
	}
	line, err := json.Marshal(&j)
	if err != nil {
		fmt.Fprintf(c.stderr, "gasp listen: %v\n", err)
		return
	}
	fmt.Fprintf(c.stdout, "%s\n", line)
}

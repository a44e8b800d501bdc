package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

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

With -ack each sender is told what came, and asked for what did not, as
netconsd's ncrx library does ("ncrx<ack> <missing> ..." to the address it sends
from); records are then given in order, and those behind a gap wait for it: up
to 30 s, 3 s if the sender has never answered. A sender that is first heard in
mid-stream is asked for what was before ("ncrx-resend <from>").

With -key records are to be signed: those that are not are marked unsigned,
those with a wrong signature are reported, and with -strict neither is printed.
Only senders with the key are answered. Without -key anybody who reaches the
port can say anything.

With -dir what each sender says is appended to a file named after its address.
A file that has grown to -dir-size is renamed to end in .1, in the place of an
older one. Once there are -dir-files files, other addresses are not recorded;
so the directory takes 2 * files * size at most.

With -pcap records are read from a capture, as tcpdump, Wireshark and dumpcap
write it. Frames of interfaces that are not Ethernet (as of "any" on Linux) are
counted and left out. A time that the capture does not say is --:--:--.---, in
JSON one of the year 1.

With -json each record is a JSON object on a line of its own: time, from,
extended, level (-1 in the basic format), facility, seq, usec, cont, text, and
where there are such: raw (base64, of a text that is not UTF-8), release, fields, dict, gap, late, restarted, repeated,
missing, malformed, auth (authentic, unsigned, forged), boot_id.

Counters go to standard error at the end and on SIGUSR1; with -json as an
object.`,
	run: runListen,
}

// listening is what the flags of "gasp listen" say.
type listening struct {
	addr netip.AddrPort
	pcap string
	json bool
	opts ncrx.Options
	dir  string
	size int64
	max  int
}

func runListen(ctx context.Context, c *call) int {
	l, status, ok := c.parseListen()
	if !ok {
		return status
	}
	write := func(_ *ncrx.Record, b []byte) error {
		_, err := c.stdout.Write(b)
		return err
	}
	if l.dir != "" {
		files, err := newSenderFiles(l.dir, l.json, l.size, l.max)
		if err != nil {
			return c.fail(err)
		}
		files.warn = func(s string) { fmt.Fprintf(c.stderr, "gasp listen: %s\n", s) }
		write = files.write
	}
	// A record that cannot be written ends it: a full disk is not to be found
	// out later.
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	deliver := func(r *ncrx.Record) {
		if err := write(r, l.format(r)); err != nil {
			cancel(err)
		}
	}
	recv, err := c.receive(ctx, l, deliver)
	if recv != nil {
		c.printStats(recv.Stats(), l.json)
	}
	if err == nil {
		if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, ctx.Err()) {
			err = cause
		}
	}
	if err != nil {
		return c.fail(err)
	}
	return exitOK
}

func (c *call) parseListen() (l listening, status int, ok bool) {
	fs := c.flags
	port := fs.Uint("p", 6666, "UDP `port`")
	bind := fs.String("bind", "127.0.0.1", "`address` to listen at; all: every address of this host")
	fs.BoolVar(&l.json, "json", false, "print JSON objects")
	fs.StringVar(&l.pcap, "pcap", "", "read a capture from `file` (pcap or pcapng, Ethernet; -: standard input), of which what went to the port")
	fs.BoolVar(&l.opts.Ack, "ack", false, "acknowledge, ask for what is missing, give records in order")
	fs.Uint64Var(&l.opts.Resend, "resend", 1000, "with -ack: `number` of records to ask for before the first of a sender; 0: none")
	key := fs.String("key", "", "check signatures with this key: hexadecimal `digits`, or the name of a file with them")
	fs.BoolVar(&l.opts.Strict, "strict", false, "with -key: drop what is not signed with it")
	fs.StringVar(&l.dir, "dir", "", "append to a file for each sender in this `directory`, and print nothing")
	size := fs.Uint("dir-size", 16, "`megabytes` at which a file is renamed")
	files := fs.Uint("dir-files", 256, "`number` of senders that have a file")
	if status, ok := c.parse(); !ok {
		return l, status, false
	}
	given := map[string]bool{}
	fs.Visit(func(f *flag.Flag) { given[f.Name] = true })
	var err error
	l.addr, err = listenAddr(*bind, *port)
	l.size, l.max = int64(*size)<<20, int(*files)
	switch {
	case err != nil:
	case fs.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", fs.Arg(0))
	case l.pcap != "" && (l.opts.Ack || given["bind"]):
		err = errors.New("a capture cannot be answered: -pcap goes without -ack and -bind")
	case given["resend"] && !l.opts.Ack:
		err = errors.New("-resend needs -ack")
	case l.opts.Resend > ncrx.MaxResend:
		err = fmt.Errorf("-resend is at most %d", ncrx.MaxResend)
	case l.opts.Strict && *key == "":
		err = errors.New("-strict needs -key")
	case (given["dir-size"] || given["dir-files"]) && l.dir == "":
		err = errors.New("-dir-size and -dir-files need -dir")
	case *size == 0 || *size > 1<<20 || *files == 0 || *files > 1<<20:
		err = errors.New("-dir-size and -dir-files are 1 to 1048576")
	case given["key"]:
		l.opts.Key, err = readKey(*key)
	}
	if err != nil {
		return l, c.wrongUsage(err), false
	}
	return l, exitOK, true
}

// Length of a key in bytes, as gasp's netconsole takes it.
const minKey, maxKey = 16, 64

// readKey takes hexadecimal digits, or the name of a file that holds them.
func readKey(s string) ([]byte, error) {
	if key, err := hex.DecodeString(s); err == nil {
		return checkKey(key)
	}
	b, err := os.ReadFile(s)
	if err != nil {
		return nil, fmt.Errorf("the key is neither hexadecimal digits nor a file: %w", err)
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(b)))
	if err != nil {
		return nil, fmt.Errorf("key: the file %s does not hold hexadecimal digits", s)
	}
	return checkKey(key)
}

func checkKey(key []byte) ([]byte, error) {
	if len(key) < minKey || len(key) > maxKey {
		return nil, fmt.Errorf("the key has %d bytes, not %d to %d", len(key), minKey, maxKey)
	}
	return key, nil
}

// receive hands on what comes until ctx is done, or what a capture holds.
func (c *call) receive(ctx context.Context, l listening, deliver func(*ncrx.Record)) (*ncrx.Receiver, error) {
	if l.pcap != "" {
		in := io.Reader(os.Stdin)
		if l.pcap != "-" {
			f, err := os.Open(l.pcap)
			if err != nil {
				return nil, err
			}
			defer f.Close()
			in = f
		}
		recv := ncrx.New(l.opts)
		had, err := readCapture(ctx, in, l.addr.Port(), recv, deliver)
		if len(had.skipped) > 0 {
			fmt.Fprintf(c.stderr, "frames that are not Ethernet were left out: %s\n", frameList(had.skipped))
		}
		if err == nil && recv.Stats().Datagrams == 0 && len(had.others) > 0 {
			fmt.Fprintf(c.stderr, "nothing went to port %d; there are datagrams to %s (-p)\n", l.addr.Port(), portList(had.others))
		}
		return recv, err
	}
	n, err := listenOptions(l.addr, l.opts)
	if err != nil {
		return nil, err
	}
	usr1 := make(chan os.Signal, 1)
	signal.Notify(usr1, syscall.SIGUSR1)
	defer signal.Stop(usr1)
	n.each = func() {
		select {
		case <-usr1:
			c.printStats(n.recv.Stats(), l.json)
		default:
		}
	}
	fmt.Fprintf(c.stderr, "listening at %v\n", n.conn.LocalAddr())
	return n.recv, n.serve(ctx, deliver)
}

// printStats prints the counters: for people those that are not 0.
func (c *call) printStats(s ncrx.Stats, asJSON bool) {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // numbers only
	}
	if asJSON {
		fmt.Fprintf(c.stderr, "{\"counters\":%s}\n", b)
		return
	}
	fmt.Fprintf(c.stderr, "%d datagrams, %d records, %d missing numbers", s.Datagrams, s.Records, s.Gap)
	for _, f := range []struct {
		n    uint64
		what string
	}{
		{s.Duplicates, "duplicates"}, {s.Repeated, "repeated"}, {s.Late, "late"}, {s.Incomplete, "incomplete"},
		{s.Malformed, "malformed"}, {s.Restarts, "restarts"}, {s.Asked, "asked for"}, {s.Recovered, "recovered"},
		{s.Unsigned, "unsigned"}, {s.Forged, "forged"}, {s.Dropped, "dropped"}, {s.Evicted, "pushed out"},
	} {
		if f.n > 0 {
			fmt.Fprintf(c.stderr, ", %d %s", f.n, f.what)
		}
	}
	fmt.Fprintln(c.stderr)
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

func (l *listening) format(r *ncrx.Record) []byte {
	if l.json {
		return recordJSON(r)
	}
	return recordText(r)
}

// recordText is a record as people read it, with remarks in front if there is
// something to be said of it.
func recordText(r *ncrx.Record) []byte {
	var b []byte
	at := "--:--:--.---" // a capture need not say it
	if !r.Time.IsZero() {
		at = r.Time.Format("15:04:05.000")
	}
	head := at + " " + r.From.String()
	for _, s := range remarks(r) {
		b = fmt.Appendf(b, "%s -- %s --\n", head, s)
	}
	mark := ""
	if r.Auth == ncrx.Unsigned {
		mark = "unsigned "
	}
	if r.Repeated {
		mark += "again "
	}
	for _, s := range append(consoleLines(r), dictLines(r)...) {
		b = fmt.Appendf(b, "%s %-6s %s%s\n", head, levelName(r.Level), mark, printable(s))
	}
	return b
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
	Raw       []byte    `json:"raw,omitempty"` // the text, if it is not UTF-8
	Fields    []ncrx.KV `json:"fields,omitempty"`
	Dict      []ncrx.KV `json:"dict,omitempty"`
	Gap       uint64    `json:"gap,omitempty"`
	Late      bool      `json:"late,omitempty"`
	Restarted bool      `json:"restarted,omitempty"`
	Repeated  bool      `json:"repeated,omitempty"`
	Missing   int       `json:"missing,omitempty"`
	Malformed bool      `json:"malformed,omitempty"`
	Auth      string    `json:"auth,omitempty"`
	BootID    string    `json:"boot_id,omitempty"`
}

func recordJSON(r *ncrx.Record) []byte {
	j := jsonRecord{
		Time: r.Time, From: r.From.String(), Extended: r.Extended, Release: r.Release,
		Level: r.Level, Facility: r.Facility, Seq: r.Seq, Cont: r.Cont, Text: r.Text,
		Fields: r.Fields, Dict: r.Dict, Gap: r.Gap, Late: r.Late, Restarted: r.Restarted,
		Repeated: r.Repeated, Missing: r.Missing, Malformed: r.Malformed,
		Auth: r.Auth.String(), BootID: r.BootID,
	}
	if r.HasTime {
		j.Usec = &r.Usec
	}
	if !utf8.ValidString(r.Text) {
		j.Raw = []byte(r.Text)
	}
	line, err := json.Marshal(&j)
	if err != nil {
		panic(err) // strings, numbers and the time of now
	}
	return append(line, '\n')
}

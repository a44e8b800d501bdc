package netconsole

import (
	"bytes"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gasp-go/gasp/console"
	"github.com/gasp-go/gasp/internal/ncrx"
)

// What the rules of the formats say of a record, written out the plain way. It
// knows nothing of the code that sends or receives.
type ruled struct {
	release string // with its comma
	prio    int
	seq     uint64
	usec    uint64
	cont    bool
	text    string
	dict    []string // KEY=value
	user    []string
	stamped bool // basic: lines begin with the time
}

// escapedByRule writes bytes below 0x20, from 127 on, and the backslash as
// \xNN.
func escapedByRule(s string) string {
	b := make([]byte, 0, 4*len(s))
	for i := range len(s) {
		b = append(b, byteByRule[s[i]]...)
	}
	return string(b)
}

var byteByRule = func() (t [256]string) {
	for c := range t {
		t[c] = string([]byte{byte(c)})
		if c < 0x20 || c >= 127 || c == '\\' {
			t[c] = fmt.Sprintf(`\x%02x`, c)
		}
	}
	return t
}()

// header is that of the extended format, up to where ncfrag or ";" follows.
func (w *ruled) header() string {
	flag := "-"
	if w.cont {
		flag = "c"
	}
	return fmt.Sprintf("%s%d,%d,%d,%s", w.release, w.prio, w.seq, w.usec, flag)
}

// body is what follows the ";" of the extended format.
func (w *ruled) body() string {
	body := escapedByRule(w.text) + "\n"
	for _, kv := range w.dict {
		body += " " + escapedByRule(kv) + "\n"
	}
	for _, kv := range w.user {
		body += " " + kv + "\n"
	}
	return body
}

// extended judges the datagrams of one record in the extended format.
func (w *ruled) extended(sent [][]byte) error {
	head, body := w.header(), w.body()
	if len(head)+1+len(body) <= 1000 {
		if want := head + ";" + body; len(sent) != 1 || string(sent[0]) != want {
			return fmt.Errorf("%d datagrams %.80q, want one, %.80q", len(sent), sent, want)
		}
		return nil
	}
	at := 0
	for i, d := range sent {
		mark, ok := bytes.CutPrefix(d, []byte(head+",ncfrag="))
		place, part, ok2 := bytes.Cut(mark, []byte{';'})
		if !ok || !ok2 {
			return fmt.Errorf("fragment %d begins with %.80q", i, d)
		}
		if want := strconv.Itoa(at) + "/" + strconv.Itoa(len(body)); string(place) != want {
			return fmt.Errorf("fragment %d is %q, want %q", i, place, want)
		}
		if len(d) > 1000 || i < len(sent)-1 && len(d) != 1000 || len(part) == 0 {
			return fmt.Errorf("fragment %d of %d has %d bytes", i, len(sent), len(d))
		}
		if !strings.HasPrefix(body[at:], string(part)) {
			return fmt.Errorf("fragment %d is %.80q, want %.80q", i, part, body[at:])
		}
		at += len(part)
	}
	if at != len(body) {
		return fmt.Errorf("%d bytes of %d", at, len(body))
	}
	return nil
}

// basic judges the datagrams of one record in the basic format.
func (w *ruled) basic(sent [][]byte) error {
	stamp := ""
	if w.stamped {
		stamp = fmt.Sprintf("[%5d.%06d] ", w.usec/1e6, w.usec%1e6)
	}
	var want string
	for l := range strings.SplitSeq(w.text, "\n") {
		want += stamp + l + "\n"
	}
	for i, d := range sent {
		if len(d) > 1000 || len(d) == 0 || i < len(sent)-1 && len(d) != 1000 {
			return fmt.Errorf("datagram %d of %d has %d bytes", i, len(sent), len(d))
		}
	}
	if got := string(bytes.Join(sent, nil)); got != want {
		return fmt.Errorf("got %.80q, want %.80q", got, want)
	}
	return nil
}

// decoded judges what package ncrx makes of the datagrams.
func (w *ruled) decoded(rx *ncrx.Receiver, sent [][]byte, extended bool) error {
	var got []ncrx.Record
	for _, d := range sent {
		got = append(got, rx.Datagram(netip.AddrPort{}, d, time.Unix(0, 0))...)
	}
	if !extended {
		var lines []string
		for _, r := range got {
			lines = append(lines, r.Text)
			if r.Extended || r.Malformed || r.HasTime != w.stamped || w.stamped && r.Usec != w.usec {
				return fmt.Errorf("%+v", r)
			}
		}
		if strings.Join(lines, "\n") != w.text {
			return fmt.Errorf("decoded %.80q, want %.80q", lines, w.text)
		}
		return nil
	}
	if len(got) != 1 {
		return fmt.Errorf("decoded %d records", len(got))
	}
	r := got[0]
	var dict []string
	for _, kv := range r.Dict {
		dict = append(dict, kv.Key+"="+kv.Value)
	}
	if r.Text != w.text || !slices.Equal(dict, slices.Concat(w.dict, w.user)) || r.Facility<<3|r.Level != w.prio ||
		r.Seq != w.seq || r.Usec != w.usec || r.Cont != w.cont || r.Release+"," != w.release && w.release != "" ||
		!r.Extended || r.Malformed || r.Missing != 0 || r.Gap != 0 || r.Late || r.Restarted {
		return fmt.Errorf("decoded %+v", r)
	}
	return nil
}

// conformity sends records of each length and judges what was sent twice, by
// the rules and by decoding it.
type conformity struct {
	t    *testing.T
	opts Options
	dict []string
	link fakeLink
	tg   *Target
	rx   *ncrx.Receiver
	seq  uint64
}

func (c *conformity) record(text []byte) {
	c.t.Helper()
	// All the header's fields vary: facility and level, time and flag.
	w := ruled{
		prio: int(c.seq*37) % 256, seq: c.seq, usec: c.seq * 7919, cont: c.seq%3 == 1,
		text: string(text), dict: c.dict, user: c.opts.Userdata, stamped: c.opts.Time,
	}
	c.seq++
	if c.tg.cfg.Release {
		w.release = c.opts.Release + ","
	}
	r := &console.Record{Seq: w.seq, Time: int64(w.usec)*1000 + 321, Level: console.Level(w.prio & 7),
		Facility: uint8(w.prio >> 3), Cont: w.cont, N: copy(make([]byte, console.MaxText), text)}
	copy(r.Text[:], text)
	var dict []byte
	for _, kv := range w.dict {
		key, value, _ := strings.Cut(kv, "=")
		dict = console.AppendDict(dict, key, value)
	}
	r.NDict = copy(r.Dict[:], dict)

	c.link.sent = c.link.sent[:0]
	if !c.tg.Write(r) {
		c.t.Fatal("not written")
	}
	judge := w.basic
	if c.tg.cfg.Extended {
		judge = w.extended
	}
	if err := judge(c.link.sent); err != nil {
		c.t.Fatalf("record %d, %d bytes of text: %v", w.seq, len(text), err)
	}
	if err := w.decoded(c.rx, c.link.sent, c.tg.cfg.Extended); err != nil {
		c.t.Fatalf("record %d, %d bytes of text: %v", w.seq, len(text), err)
	}
}

func TestEveryLengthAndByteConformsInEveryFormat(t *testing.T) {
	step := 1
	if runtime.GOARCH == "arm" {
		step = 31 // the target is a hundred times slower
	}
	var every []byte // as a value in the dictionary: all but NUL
	for c := 1; c < 256; c++ {
		every = append(every, byte(c))
	}
	for _, format := range []string{"@/,@10.0.0.1/", "+@/,@10.0.0.1/", "+r@/,@10.0.0.1/"} {
		for _, user := range [][]string{nil, {"board=mx6ulevk", "run=42"}} {
			for _, dict := range [][]string{nil, {"SUBSYSTEM=net", "EVERY=" + string(every), "EMPTY="}} {
				for _, stamped := range []bool{true, false} {
					if format[0] != '@' && !stamped || format[0] == '@' && user != nil {
						continue // times are the basic format's, user data the extended's
					}
					name := fmt.Sprintf("%s user %t dict %t times %t", format, user != nil, dict != nil, stamped)
					t.Run(name, func(t *testing.T) {
						t.Parallel()
						c := &conformity{t: t, dict: dict, rx: ncrx.NewReceiver(),
							opts: Options{Time: stamped, Release: "7.2.0-gasp", Userdata: user}}
						c.tg = newTest(t, format, c.opts, &c.link)
						for b := range 256 {
							c.record([]byte{byte(b)})
						}
						text := make([]byte, console.MaxText)
						for n := 0; n <= console.MaxText; n += step {
							for i := range text[:n] {
								text[i] = byte(i + n)
							}
							c.record(text[:n])
							// Nothing is escaped, so the datagram's end falls on each place.
							for i := range text[:n] {
								text[i] = 'a' + byte(i%26)
							}
							c.record(text[:n])
						}
						c.record(text)
					})
				}
			}
		}
	}
}

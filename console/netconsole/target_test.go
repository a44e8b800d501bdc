package netconsole

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/gasp-go/gasp/console"
	"github.com/gasp-go/gasp/stack/netpoll"
)

// fakeLink stands in for netpoll; it fails whenever fail says so.
type fakeLink struct {
	sent     [][]byte
	fail     func() bool
	resolved bool
	panics   int
	discard  bool
}

func (l *fakeLink) SendDatagram(d *netpoll.Dest, p *netpoll.Datagram, n int) bool {
	if l.fail != nil && l.fail() {
		return false
	}
	if !l.discard {
		l.sent = append(l.sent, bytes.Clone(p.Payload()[:n]))
	}
	return true
}
func (l *fakeLink) Resolve(*netpoll.Dest) bool { return l.resolved }
func (l *fakeLink) Panic()                     { l.panics++ }

func newTest(t testing.TB, config string, opts Options, l sender) *Target {
	t.Helper()
	cfg, err := Parse(config)
	if err != nil {
		t.Fatal(err)
	}
	tg, err := newTarget(cfg, l, opts)
	if err != nil {
		t.Fatal(err)
	}
	return tg
}

// message is what a receiver makes of the extended format. It is written from
// the format's description and shares nothing with the sender.
type message struct {
	release string
	prefix  int
	seq     uint64
	usec    int64
	cont    bool
	text    []byte
	dict    []string
}

type receiver struct {
	header string
	body   []byte
	have   int
	total  int
}

// datagram takes one datagram and returns the message it completes.
func (rc *receiver) datagram(p []byte, release bool) (*message, error) {
	if len(p) > 1000 {
		return nil, fmt.Errorf("datagram of %d bytes", len(p))
	}
	head, body, ok := strings.Cut(string(p), ";")
	if !ok {
		return nil, fmt.Errorf("no header in %q", p)
	}
	if i := strings.Index(head, ",ncfrag="); i >= 0 {
		var off, total int
		if n, err := fmt.Sscanf(head[i:], ",ncfrag=%d/%d", &off, &total); n != 2 {
			return nil, err
		}
		head = head[:i]
		if off == 0 {
			*rc = receiver{header: head, body: make([]byte, total), total: total}
		}
		if head != rc.header || total != rc.total || off != rc.have || off+len(body) > total {
			return nil, fmt.Errorf("fragment %s,%d/%d after %s,%d/%d", head, off, total, rc.header, rc.have, rc.total)
		}
		rc.have += copy(rc.body[off:], body)
		if rc.have < total {
			return nil, nil
		}
		body = string(rc.body)
	}
	f := strings.Split(head, ",")
	m := &message{}
	if release {
		m.release, f = f[0], f[1:]
	}
	if len(f) != 4 || f[3] != "-" && f[3] != "c" {
		return nil, fmt.Errorf("header %q", head)
	}
	m.prefix, _ = strconv.Atoi(f[0])
	m.seq, _ = strconv.ParseUint(f[1], 10, 64)
	m.usec, _ = strconv.ParseInt(f[2], 10, 64)
	m.cont = f[3] == "c"
	if !strings.HasSuffix(body, "\n") {
		return nil, fmt.Errorf("body %q has no end", body)
	}
	lines := strings.Split(strings.TrimSuffix(body, "\n"), "\n")
	var err error
	if m.text, err = unescape(lines[0]); err != nil {
		return nil, err
	}
	for _, l := range lines[1:] {
		if !strings.HasPrefix(l, " ") {
			return nil, fmt.Errorf("dictionary line %q", l)
		}
		kv, err := unescape(l[1:])
		if err != nil {
			return nil, err
		}
		m.dict = append(m.dict, string(kv))
	}
	return m, nil
}

func unescape(s string) ([]byte, error) {
	var out []byte
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c < ' ' || c >= 127:
			return nil, fmt.Errorf("byte %#x was not escaped", c)
		case c != '\\':
			out = append(out, c)
		default:
			if i+3 >= len(s) || s[i+1] != 'x' {
				return nil, fmt.Errorf("escape %q", s[i:])
			}
			v, err := strconv.ParseUint(s[i+2:i+4], 16, 8)
			if err != nil {
				return nil, err
			}
			out = append(out, byte(v))
			i += 3
		}
	}
	return out, nil
}

// roundTrip sends r, over a link that fails as it pleases, and checks what
// arrives.
func roundTrip(t *testing.T, tg *Target, link *fakeLink, r *console.Record, user []string) {
	t.Helper()
	link.sent = nil
	for tries := 0; !tg.Write(r); tries++ {
		if tries > 1000 {
			t.Fatal("never written")
		}
	}
	var rc receiver
	var got *message
	for _, p := range link.sent {
		if got != nil {
			t.Fatal("more after the end")
		}
		var err error
		if got, err = rc.datagram(p, tg.cfg.Release); err != nil {
			t.Fatal(err)
		}
	}
	if got == nil {
		t.Fatalf("%d bytes of text: incomplete", r.N)
	}
	var dict []string
	if r.NDict > 0 {
		dict = strings.Split(string(r.Dictionary()), "\x00")
	}
	dict = append(dict, user...)
	if !bytes.Equal(got.text, r.Message()) || strings.Join(got.dict, "\x00") != strings.Join(dict, "\x00") ||
		got.seq != r.Seq || got.prefix != int(r.Facility)<<3|int(r.Level) || got.usec != r.Time/1000 || got.cont != r.Cont {
		t.Fatalf("%d bytes: got %+v", r.N, got)
	}
}

func TestAFailedSendIsTakenUpAtTheDatagramThatFailed(t *testing.T) {
	n := 0
	link := &fakeLink{fail: func() bool { n++; return n%4 != 0 }}
	ext := newTest(t, "+@/,@10.0.0.1/", Options{}, link)
	r := &console.Record{N: 2000}
	for i := range 20 {
		r.Seq = uint64(i)
		roundTrip(t, ext, link, r, nil)
	}
	if st := ext.Stats(); st.Refused != 3*st.Packets || st.Torn != 0 {
		t.Errorf("%+v", st)
	}
}

func TestARecordOverwrittenHalfwayDoesNotSpoilTheNext(t *testing.T) {
	left := 1
	link := &fakeLink{fail: func() bool { left--; return left < 0 }}
	first := &console.Record{N: console.MaxText}
	for i := range first.Text {
		first.Text[i] = 'x'
	}
	notice := &console.Record{Seq: 0, Lost: 1, N: 4}
	copy(notice.Text[:], "lost")
	for _, config := range []string{"@/,@10.0.0.1/", "+@/,@10.0.0.1/"} {
		link.sent, left = nil, 1
		tg := newTest(t, config, Options{}, link)
		if tg.Write(first) {
			t.Fatal("written")
		}
		left = 10
		if !tg.Write(notice) || tg.Stats().Torn != 1 {
			t.Fatalf("%+v", tg.Stats())
		}
		want := "\nlost\n"
		if tg.cfg.Extended {
			want = "0,0,0,-;lost\n"
		}
		if got := string(bytes.Join(link.sent[1:], nil)); got != want {
			t.Errorf("%q", got)
		}
	}
}

func TestOptionsThatCannotBeSentAreRefused(t *testing.T) {
	cfg, _ := Parse(linuxRelease)
	for _, o := range []Options{{}, {Release: "a,b"}, {Release: "a;b"}, {Release: strings.Repeat("x", 256)}, {Release: "1.0", Userdata: []string{"novalue"}}, {Release: "1.0", Userdata: []string{"a=b\nc"}}} {
		if _, err := newTarget(cfg, &fakeLink{}, o); err == nil {
			t.Errorf("%+v", o)
		}
	}
}

func TestWritingDoesNotAllocate(t *testing.T) {
	link := &fakeLink{discard: true}
	r := &console.Record{N: console.MaxText, NDict: 100}
	all := linuxOptions
	all.Key, all.Sysdata, all.Again = testKey, Sysdata{true, true, true, true}, true
	all.Read = func(seq uint64, r *console.Record) bool { r.Seq, r.N = seq, 100; return true }
	for i, config := range []string{linuxBasic, linuxExtended, linuxRelease, linuxRelease} {
		opts := linuxOptions
		if i == 3 {
			opts = all
		}
		tg := newTest(t, config, opts, link)
		if i == 3 {
			q, peer := []byte("ncrx0 1 2 3 99999"), peerOf(tg)
			if n := testing.AllocsPerRun(100, func() { r.Seq++; tg.Write(r); tg.Datagram(&peer, q); tg.Work() }); n != 0 {
				t.Errorf("answering: %v allocations", n)
			}
		}
		if n := testing.AllocsPerRun(100, func() { r.Seq++; tg.Write(r) }); n != 0 {
			t.Errorf("%s: %v allocations", config, n)
		}
	}
}

func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("text\n\x00\\"), []byte("K=v\x00L=\xff"), uint8(3))
	f.Add(bytes.Repeat([]byte{0xff}, 2048), bytes.Repeat([]byte("a\x00"), 512), uint8(1))
	f.Fuzz(func(t *testing.T, text, dict []byte, every uint8) {
		if len(dict) > 0 && dict[len(dict)-1] == 0 {
			return // AppendDict makes no empty last entry
		}
		n := uint8(0)
		link := &fakeLink{fail: func() bool { n++; return every > 1 && n%every == 0 }}
		r := &console.Record{}
		r.N, r.NDict = copy(r.Text[:], text), copy(r.Dict[:], dict)
		if r.NDict > 0 && r.Dict[r.NDict-1] == 0 {
			return
		}
		if escapedLen(r.Message())+escapedLen(r.Dictionary()) > maxBody-100 {
			return
		}
		roundTrip(t, newTest(t, "+@/,@10.0.0.1/", Options{}, link), link, r, nil)
	})
}

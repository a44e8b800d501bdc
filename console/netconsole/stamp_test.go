package netconsole

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand"
	"strings"
	"testing"

	"github.com/gasp-go/gasp/console"
)

var testKey = []byte("0123456789abcdef0123456789abcdef")

// assemble puts the datagrams of one record together: the header without
// ncfrag, and the body.
func assemble(t *testing.T, sent [][]byte) (head, body string) {
	t.Helper()
	for _, p := range sent {
		h, b, _ := strings.Cut(string(p), ";")
		head, _, _ = strings.Cut(h, ",ncfrag=")
		body += b
	}
	return head, body
}

func escapedLen(p []byte) int {
	n := 0
	for _, c := range p {
		if n++; c < 0x20 || c >= 0x7f || c == '\\' {
			n += 3
		}
	}
	return n
}

// written returns the datagrams of one record.
func written(t *testing.T, tg *Target, link *fakeLink, r *console.Record) [][]byte {
	t.Helper()
	link.sent = nil
	if !tg.Write(r) {
		t.Fatal("not written")
	}
	return link.sent
}

func textRecord(seq uint64, text string) *console.Record {
	r := &console.Record{Seq: seq, Time: int64(seq) * 1e6, Level: console.Info}
	r.N = copy(r.Text[:], text)
	return r
}

func TestSysdataFollowsUserdata(t *testing.T) {
	link := &fakeLink{}
	tg := newTest(t, "+@/,@10.0.0.1/", Options{Release: "1.2.3", Userdata: []string{"a=b", "c="}, Sysdata: Sysdata{true, true, true, true}}, link)
	for i := range 3 {
		r := textRecord(uint64(i)*5, "x")
		r.Thread = 7
		if i == 2 {
			r.Thread = 0 // an interrupt
		}
		want := fmt.Sprintf("x\n a=b\n c=\n cpu=0\n taskname=%s\n release=1.2.3\n msgid=%d\n", []string{"T7", "T7", "C0"}[i], i+1)
		if _, body := assemble(t, written(t, tg, link, r)); body != want {
			t.Errorf("%q, want %q", body, want)
		}
	}
}

func TestUserdataHasLinuxsLimits(t *testing.T) {
	cfg, _ := Parse("+@/,@10.0.0.1/")
	ok := []string{strings.Repeat("k", MaxUserdataKey) + "=" + strings.Repeat("v", MaxUserdataValue)}
	many := make([]string, MaxUserdataItems)
	for i := range many {
		many[i] = fmt.Sprintf("k%d=v", i)
	}
	for _, u := range [][]string{ok, many, {"a="}, {"a=b=c"}} {
		if _, err := newTarget(cfg, &fakeLink{}, Options{Userdata: u}); err != nil {
			t.Errorf("%d entries: %v", len(u), err)
		}
	}
	long := make([]string, 17)
	for i := range long {
		long[i] = fmt.Sprintf("%053d=%0200d", i, i)
	}
	for _, u := range [][]string{{ok[0] + "v"}, {"k" + ok[0]}, append(many, "x=y"), long, {"=v"}, {"k"}, {"k=a\nb"}, {"k k=v"}, {"k/k=v"}} {
		if _, err := newTarget(cfg, &fakeLink{}, Options{Userdata: u}); err == nil {
			t.Errorf("%.60q taken", u)
		}
	}
}

// signed checks a record's last two lines, as a receiver does.
func signed(t *testing.T, head, body string, boot [16]byte) {
	t.Helper()
	i := strings.LastIndex(body, " HMAC=")
	if i < 0 {
		t.Fatalf("no HMAC in %q", body)
	}
	m := hmac.New(sha256.New, testKey)
	m.Write([]byte(head + ";" + body[:i]))
	if want := " HMAC=" + hex.EncodeToString(m.Sum(nil)[:16]) + "\n"; body[i:] != want {
		t.Fatalf("%q, want %q", body[i:], want)
	}
	if want := "\n BOOTID=" + hex.EncodeToString(boot[:]) + "\n"; !strings.HasSuffix(body[:i], want) {
		t.Fatalf("%q does not end with %q", body[:i], want)
	}
}

func TestRecordsOfEveryLengthAreSigned(t *testing.T) {
	rnd := rand.New(rand.NewSource(1))
	boot := [16]byte{1, 0xab, 15: 0xff}
	for _, config := range []string{linuxExtended, linuxRelease} {
		o := linuxOptions
		o.Key, o.BootID = testKey, boot
		link := &fakeLink{}
		tg := newTest(t, config, o, link)
		for n := 0; n <= console.MaxText; n += 1 + n/50 {
			r := &console.Record{Seq: uint64(n), Time: rnd.Int63(), Level: 3, N: n}
			rnd.Read(r.Text[:n])
			r.NDict = copy(r.Dict[:], console.AppendDict(nil, "K", "v"))
			head, body := assemble(t, written(t, tg, link, r))
			signed(t, head, body, boot)
		}
	}
}

// A record that just fits one datagram, or just does not, for what is behind its text.
func TestWhatIsBehindAShortTextFillsADatagramAndNoMore(t *testing.T) {
	for _, key := range [][]byte{nil, testKey} {
		for fill := 790; fill <= 1010; fill++ {
			var user []string
			for left := fill; left > 0; {
				n := min(left, 200) // of a line, with its space and newline
				if left-n < 8 && left != n {
					n = left / 2
				}
				user, left = append(user, "k="+strings.Repeat("v", n-4)), left-n
			}
			link := &fakeLink{}
			tg := newTest(t, "+@/,@10.0.0.1/", Options{Key: key, Userdata: user}, link)
			for _, text := range []string{"", "\t", "\t\t\t\t\t\t\t\t", "plain", "twenty-four bytes of text\t"} {
				r := textRecord(1, text)
				sent := written(t, tg, link, r)
				for _, p := range sent {
					if len(p) > 1000 {
						t.Fatalf("a datagram of %d bytes", len(p))
					}
				}
				head, body := assemble(t, sent)
				want := escapedByRule(text) + "\n " + strings.Join(user, "\n ") + "\n"
				if key != nil {
					signed(t, head, body, [16]byte{})
					body = body[:len(body)-authLen]
				}
				if body != want {
					t.Fatalf("%d bytes behind %q: %q", fill, text, body)
				}
				r.Seq++
				link.discard = true
				if n := testing.AllocsPerRun(1, func() { r.Seq++; tg.Write(r) }); n != 0 {
					t.Fatalf("%d bytes behind %q: %v allocations", fill, text, n)
				}
				link.discard = false
			}
		}
	}
}

// A text that leaves no room for a dictionary, nor for the line that says so.
func TestADictionaryBehindATextThatFillsTheRoom(t *testing.T) {
	for _, key := range [][]byte{nil, testKey} {
		for _, most := range []int{250, 2048} { // a datagram of them escaped, a record
			for n := most - 40; n <= most; n++ {
				link := &fakeLink{}
				tg := newTest(t, "+@/,@10.0.0.1/", Options{Key: key}, link)
				r := &console.Record{Seq: 1, N: n}
				copy(r.Text[:], bytes.Repeat([]byte{0xff}, n))
				r.NDict = copy(r.Dict[:], "A=b\x00C=d")
				sent := written(t, tg, link, r)
				for _, p := range sent {
					if len(p) > 1000 {
						t.Fatalf("a datagram of %d bytes", len(p))
					}
				}
				head, body := assemble(t, sent)
				if key != nil {
					signed(t, head, body, [16]byte{})
					body = body[:len(body)-authLen]
				}
				text, rest, _ := strings.Cut(body, "\n")
				kept := len(text) / 4
				ok := text == strings.Repeat(`\xff`, kept) && len(body) <= maxBody
				switch cut := n - kept; rest {
				case " A=b\n C=d\n":
					ok = ok && cut == 0
				case fmt.Sprintf(" A=b\n TRUNCATED=%d\n", len("C=d")):
					ok = ok && cut == 0
				case fmt.Sprintf(" TRUNCATED=%d\n", cut+len("A=b C=d")):
				default:
					ok = false
				}
				if !ok {
					t.Fatalf("%d bytes: %d of them, %q", n, kept, rest)
				}
				link.discard = true
				if n := testing.AllocsPerRun(1, func() { r.Seq++; tg.Write(r) }); n != 0 {
					t.Fatalf("%d bytes: %v allocations", r.N, n)
				}
			}
		}
	}
}

func TestAKeyThatIsTooShortOrLongIsRefused(t *testing.T) {
	cfg, _ := Parse("+@/,@10.0.0.1/")
	for _, n := range []int{1, 15, 65} {
		if _, err := newTarget(cfg, &fakeLink{}, Options{Key: make([]byte, n)}); err == nil {
			t.Errorf("%d bytes taken", n)
		}
	}
	if _, err := newTarget(Config{RemoteIP: cfg.RemoteIP, RemotePort: 1, LocalPort: 1}, &fakeLink{}, Options{Key: testKey}); err == nil {
		t.Error("a key for the basic format")
	}
}

func TestWhatReceiversDoNotTakeIsCutAndMarked(t *testing.T) {
	dict := func(n int) []byte {
		var d []byte
		for i := range n {
			d = console.AppendDict(d, fmt.Sprintf("K%d", i), strings.Repeat("\xfe", 60))
		}
		return d
	}
	for _, tt := range []struct {
		text  int
		dict  []byte
		lines int // of the dictionary that remain
	}{
		{2048, nil, 0},
		{2048, dict(1), 0},
		{2047, nil, 0},
		{2000, dict(3), 0},
		{1900, dict(3), 2},
		{1000, dict(15), 15},
		{1200, dict(15), 13},
	} {
		for _, key := range [][]byte{nil, testKey} {
			link := &fakeLink{}
			tg := newTest(t, "+@/,@10.0.0.1/", Options{Key: key, Userdata: []string{"u=1"}}, link)
			r := &console.Record{N: tt.text, NDict: copy(make([]byte, 1024), tt.dict)}
			for i := range r.N {
				r.Text[i] = 0xff
			}
			copy(r.Dict[:], tt.dict)
			head, body := assemble(t, written(t, tg, link, r))
			if key != nil {
				signed(t, head, body, [16]byte{})
			}
			lines := strings.Split(body, "\n")
			text, kept, cut := len(lines[0])/4, 0, 0
			bytesKept := 0
			for _, l := range lines[1:] {
				if strings.HasPrefix(l, " K") {
					kept++
					bytesKept += len(l) - 1 - 60*3 + 1
				}
				fmt.Sscanf(l, " TRUNCATED=%d", &cut)
			}
			bytesKept = min(bytesKept, r.NDict)
			if want := r.N - text + r.NDict - bytesKept; cut != want || cut > 0 != (tg.Stats().Truncated == 1) {
				t.Errorf("%d bytes of text, %d of %d dictionary: TRUNCATED=%d, want %d, %+v", text, bytesKept, r.NDict, cut, want, tg.Stats())
			}
			if key == nil && kept != tt.lines || kept > 0 && text != r.N || !strings.Contains(body, "\n u=1\n") {
				t.Errorf("text %d of %d, %d lines of the dictionary, want %d", text, r.N, kept, tt.lines)
			}
			if len(body) > 8191 || cut > 0 && len(body) < 8191-300 {
				t.Errorf("%d bytes", len(body))
			}
			if strings.Trim(lines[0], `\xf`) != "" || len(lines[0])%4 != 0 {
				t.Errorf("cut inside an escape: %q", lines[0][len(lines[0])-8:])
			}
		}
	}
}

func BenchmarkLine(b *testing.B) {
	for _, bb := range []struct {
		name, config string
		opts         Options
	}{
		{"basic", "@/,@10.0.0.1/", Options{Time: true}},
		{"extended", "+@/,@10.0.0.1/", Options{}},
		{"signed", "+@/,@10.0.0.1/", Options{Key: testKey}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			tg := newTest(b, bb.config, bb.opts, &fakeLink{discard: true})
			r := textRecord(1, strings.Repeat("a line ", 11))
			for b.Loop() {
				r.Seq++
				tg.Write(r)
			}
		})
	}
}

func TestTheBodyIsMadeAsItsDescriptionSays(t *testing.T) {
	for c := range 256 {
		in := bytes.Repeat([]byte{byte(c)}, 3)
		out, n := console.AppendEscaped(nil, in, 100)
		want := escapedByRule(string(in))
		if string(out) != want || n != 3 {
			t.Errorf("%#x: %q", c, out)
		}
		for room := range len(want) {
			out, n := console.AppendEscaped(nil, in, room)
			if len(out) > room || !strings.HasPrefix(want, string(out)) || len(out) != n*len(want)/3 || len(out)+len(want)/3 <= room {
				t.Errorf("%#x in %d bytes: %q, %d", c, room, out, n)
			}
		}
	}
}

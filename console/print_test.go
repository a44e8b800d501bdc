package console

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"
)

func record(text string, ns int64) *Record {
	r := &Record{Time: ns}
	r.N = copy(r.Text[:], text)
	return r
}

func TestLinesAreFormattedAsLinuxDoes(t *testing.T) {
	for _, tt := range []struct {
		text string
		ns   int64
		want string
	}{
		{"sysrq: Trigger a crash", 10197432000, "[   10.197432] sysrq: Trigger a crash\n"},
		{"two\nlines \x01 bin \xc3\xa9 utf\x08ack", 9296499999, "[    9.296499] two\n[    9.296499] lines \x01 bin \xc3\xa9 utf\x08ack\n"},
		{"", 0, "[    0.000000] \n"},
		{"a\n", 1000, "[    0.000001] a\n[    0.000001] \n"},
		{"day", 86400e9, "[86400.000000] day\n"},
		{"late", 123456789e9 + 1e3, "[123456789.000001] late\n"},
		{"end", 1<<63 - 1, "[9223372036.854775] end\n"},
		{"before", -1, "[    0.000000] before\n"},
	} {
		if got := string(AppendLine(nil, record(tt.text, tt.ns), true)); got != tt.want {
			t.Errorf("%q", got)
		}
		r := record(tt.text, tt.ns)
		for size := 1; size < 50; size++ {
			var l Line
			var got []byte
			buf := make([]byte, size)
			l.Begin(r, true)
			for n := l.Fill(r, buf); n > 0; n = l.Fill(r, buf) {
				if n < size && len(got)+n != len(tt.want) {
					t.Errorf("%d bytes where there was room for %d", n, size)
				}
				got = append(got, buf[:n]...)
			}
			if string(got) != tt.want {
				t.Errorf("in pieces of %d: %q", size, got)
			}
		}
	}
	if got := string(AppendLine(nil, record("x\ny", 5), false)); got != "x\ny\n" {
		t.Errorf("without time: %q", got)
	}
}

// port is a UART with room for so many bytes; -1: always.
type port struct {
	out  []byte
	room int
	fail int // refuse so many times before each byte
	n    int
}

func (p *port) TryWrite(b byte) bool {
	if p.n++; p.fail > 0 && p.n%(p.fail+1) != 0 || p.room == 0 {
		return false
	}
	if p.room > 0 {
		p.room--
		p.out = append(p.out, b)
	}
	return true
}

func TestASerialConsoleGoesOnWhereItStopped(t *testing.T) {
	for room := 1; room < 20; room++ {
		var l klog
		u := &port{}
		register(t, &l, NewSerial(u, true, nil), Debug)
		l.emit(Info, 0, []byte("one\nmore"), nil)
		l.emit(Info, 0, nil, nil)
		l.emit(Info, 0, []byte("two"), nil)
		for range 100 {
			u.room = room
			l.flush(flushBudget)
		}
		const ts = "[    0.000000] "
		if want := ts + "one\r\n" + ts + "more\r\n" + ts + "\r\n" + ts + "two\r\n"; string(u.out) != want {
			t.Errorf("room %d: %q", room, u.out)
		}
	}
}

func TestASerialConsoleClosesALineWhoseRestIsGone(t *testing.T) {
	u := &port{room: 3}
	s := NewSerial(u, false, nil)
	if s.Write(record("abcdefgh", 0)) {
		t.Fatal("done with three of ten bytes")
	}
	u.room = 100
	next := record("next", 0)
	next.Seq = 9
	if !s.Write(next) || string(u.out) != "abcd\r\nnext\r\n" {
		t.Errorf("%q", u.out)
	}
}

func TestInAPanicASerialConsoleWaitsWithinABound(t *testing.T) {
	u := &port{room: 100, fail: 50}
	s := NewSerial(u, false, nil)
	s.Panic()
	if !s.Write(record("slow", 0)) || string(u.out) != "slow\r\n" {
		t.Errorf("%q", u.out)
	}
	now := int64(0)
	dead := NewSerial(&port{}, false, func() int64 { now += 1e6; return now })
	dead.Panic()
	if dead.Write(record("x", 0)) || now > 2*serialWait {
		t.Errorf("dead port: %d ns", now)
	}
	still := NewSerial(&port{}, false, func() int64 { return 0 })
	still.Panic()
	if still.Write(record("x", 0)) {
		t.Error("dead port and clock: wrote")
	}
}

func TestSlogAttributesAreTextAndDictionary(t *testing.T) {
	var level Level
	var text, dict string
	h := NewHandler(&HandlerOptions{Level: slog.LevelDebug, Facility: FacUser}).(*handler)
	h.log = func(l Level, f uint8, x, d []byte) {
		level, text, dict = l, string(x), string(d)
		if f != FacUser {
			t.Errorf("facility %d", f)
		}
	}
	log := slog.New(h).With("dev", "eth0").WithGroup("net").With("mtu", 1500)
	log.Warn("link is down", "err", errors.New("no carrier"), slog.Group("phy", "id", 7), "at", time.Unix(0, 0).UTC(), "", "")
	if level != Warning {
		t.Error(level)
	}
	if want := `link is down dev=eth0 net.mtu=1500 net.err="no carrier" net.phy.id=7 net.at=1970-01-01T00:00:00Z net.=""`; text != want {
		t.Errorf("%s", text)
	}
	if want := "dev=eth0|net.mtu=1500|net.err=no carrier|net.phy.id=7|net.at=1970-01-01T00:00:00Z|net.="; strings.ReplaceAll(dict, "\x00", "|") != want {
		t.Errorf("%q", dict)
	}
	for sl, want := range map[slog.Level]Level{-4: Debug, -1: Debug, 0: Info, 2: Notice, 4: Warning, 8: Err, 12: Crit} {
		if slog.New(h).Log(context.Background(), sl, "x"); level != want {
			t.Errorf("%v became %v", sl, level)
		}
	}
	if NewHandler(nil).Enabled(context.Background(), slog.LevelDebug) {
		t.Error("debug is on by default")
	}
}

func TestGoroutinesLogAndReadAtTheSameTime(t *testing.T) {
	const writers, each = 4, 200
	done := make(chan bool)
	start := std.ring.state().next
	reg, err := Register(&screen{}, Debug)
	if err != nil {
		t.Fatal(err)
	}
	defer reg.Unregister()
	for range writers {
		go func() {
			log := slog.New(NewHandler(nil))
			for i := range each {
				log.Info("concurrent", "i", i)
			}
			done <- true
		}()
	}
	var r Record
	n, seq := 0, start
	for finished := 0; finished < writers || n < writers*each; {
		select {
		case <-done:
			finished++
		default:
		}
		if ok, _ := Read(seq, &r); ok {
			n++
			seq = r.Seq + 1
		}
	}
	if st := reg.Stats(); st.Written+st.Pending < writers*each {
		t.Errorf("%+v", st)
	}
	if ok, lost := Read(seq, &r); ok || lost != 0 {
		t.Error("more than was written")
	}
}

func TestNumbersAreWrittenInDecimal(t *testing.T) {
	for i := range 64 {
		for _, v := range []uint64{1<<i - 1, 1 << i, 1<<i + 1, 12345678901234567890 >> i, 1e9 << i, uint64(1e18)/(1<<i) + 1} {
			if got, want := string(AppendUint([]byte("x"), v)), "x"+strconv.FormatUint(v, 10); got != want {
				t.Errorf("%q, want %q", got, want)
			}
		}
	}
	if got := string(AppendUint(nil, 1<<64-1)); got != "18446744073709551615" {
		t.Error(got)
	}
}

package ncrx_test

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gasp-go/gasp/internal/ncrx"
)

var (
	start = time.Unix(1000, 0)
	linux = netip.MustParseAddr("10.77.0.2") // in the captures
	peer  = netip.MustParseAddrPort("10.77.0.2:6665")
)

func feed(r *ncrx.Receiver, now time.Time, datagrams ...string) []ncrx.Record {
	var out []ncrx.Record
	for _, d := range datagrams {
		out = append(out, r.Datagram(peer, []byte(d), now)...)
	}
	return out
}

func counted(prefix string, n int) string {
	var b strings.Builder
	b.WriteString(prefix)
	for i := range n {
		fmt.Fprintf(&b, " %04d", i)
	}
	return b.String() + " 0"
}

func texts(rs []ncrx.Record) []string {
	out := []string{}
	for _, r := range rs {
		out = append(out, r.Text)
	}
	return out
}

var panicTexts = []string{
	"sysrq: Trigger a crash",
	"Kernel panic - not syncing: sysrq triggered crash",
	"CPU: 0 UID: 0 PID: 1 Comm: sh Not tainted 6.12.107+deb13-armmp #1  Debian 6.12.107-1",
	"Hardware name: Freescale i.MX6 Ultralite (Device Tree)",
	"Call trace: ",
	" unwind_backtrace from show_stack+0x18/0x1c",
	" show_stack from dump_stack_lvl+0x54/0x68",
	" dump_stack_lvl from panic+0x114/0x380",
	" panic from sysrq_reset_seq_param_set+0x0/0x90",
	"---[ end Kernel panic - not syncing: sysrq triggered crash ]---",
}

func TestLinuxPanicsAreReadInEveryFormat(t *testing.T) {
	other := slices.Clone(panicTexts)
	other[2] = strings.Replace(other[2], "PID: 1 ", "PID: 170 ", 1)
	for _, tt := range []struct {
		name    string
		capture string
		port    uint16
		want    []string
		seq     uint64
		usec    uint64 // of the first
	}{
		{"basic", panicCapture, 6666, panicTexts, 0, 10197432},
		{"extended", panicCapture, 6667, panicTexts, 243, 10197432},
		{"with release", panicCapture, 6668, panicTexts, 243, 10197432},
		{"basic, module parameter", modparamCapture, 6666, other, 0, 8618909},
		{"extended, module parameter", modparamCapture, 6667, other, 234, 8618909},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := replay(t, tt.capture, tt.port)
			if !slices.Equal(texts(got), tt.want) {
				t.Fatalf("got %q", texts(got))
			}
			if got[0].Usec != tt.usec || !got[0].HasTime {
				t.Errorf("time %d", got[0].Usec)
			}
			for i, r := range got {
				if r.Extended && (r.Seq != tt.seq+uint64(i) || r.Gap != 0 || r.Missing != 0 || r.Level < 0) {
					t.Errorf("%+v", r)
				}
			}
		})
	}
}

func TestFragmentsOfLinuxAreJoinedInEveryFormat(t *testing.T) {
	control := "two\nlines \x01 bin \xc3\xa9 utf\x08ack"
	dict := "with-dict\n SUBSYSTEM=net\n DEVICE=n2"
	probe := "platform regulator-can-3v3: deferred probe pending: reg-fixed-voltage: can't get GPIO"
	user := []ncrx.KV{{Key: "board", Value: "mcimx6ul-evk"}, {Key: "run", Value: "42"}}
	device := []ncrx.KV{{Key: "SUBSYSTEM", Value: "platform"}, {Key: "DEVICE", Value: "+platform:regulator-can-3v3"}}
	long, short := counted("long line:", 200), counted("short", 118)

	for _, tt := range []struct {
		port    uint16
		release string
		user    []ncrx.KV
	}{{6667, "", nil}, {6668, "6.12.107+deb13-armmp", user}} {
		got := replay(t, fragmentsCapture, tt.port)
		record := func(prio int, seq, usec, gap uint64, text string, dict []ncrx.KV) ncrx.Record {
			return ncrx.Record{
				From: netip.AddrPortFrom(linux, tt.port), Extended: true,
				Release: tt.release, Level: prio & 7, Facility: prio >> 3, Seq: seq, HasTime: true, Usec: usec,
				Text: text, Gap: gap, Dict: dict,
			}
		}
		want := []ncrx.Record{
			record(12, 243, 9238818, 0, long, tt.user),
			record(12, 244, 9283541, 0, short, tt.user),
			record(13, 245, 9296499, 0, control, tt.user),
			record(11, 246, 9301696, 0, dict, tt.user),
			record(4, 248, 14365065, 1, probe, slices.Concat(device, tt.user)),
		}
		if len(got) != len(want) {
			t.Fatalf("port %d: %d records", tt.port, len(got))
		}
		for i := range want {
			if got[i].Time.Unix() == 0 || i > 0 && got[i].Time.Before(got[i-1].Time) {
				t.Errorf("record %d is of %v", i, got[i].Time)
			}
			got[i].Time = time.Time{}
			if !reflect.DeepEqual(got[i], want[i]) {
				t.Errorf("port %d:\n got %+v\nwant %+v", tt.port, got[i], want[i])
			}
		}
	}

	got := replay(t, fragmentsCapture, 6666)
	want := []string{long, short, "two", "lines \x01 bin \xc3\xa9 utf\x08ack", "with-dict", " SUBSYSTEM=net", " DEVICE=n2", probe}
	if !slices.Equal(texts(got), want) {
		t.Errorf("basic: %q", texts(got))
	}
	for i, usec := range []uint64{9238818, 9283541, 9296499, 9296499, 9301696} {
		if got[i].Usec != usec {
			t.Errorf("basic: record %d has time %d, want %d", i, got[i].Usec, usec)
		}
	}
}

func TestFragmentsMayComeInAnyOrderTwiceAndOverlapping(t *testing.T) {
	const h = "6,1,100,-,ncfrag="
	for _, tt := range []struct {
		name string
		in   []string
		dups uint64
	}{
		{"in order", []string{h + "0/6;abc", h + "3/6;def"}, 0},
		{"backwards", []string{h + "3/6;def", h + "0/6;abc"}, 0},
		{"twice", []string{h + "0/6;abc", h + "0/6;abc", h + "3/6;def", h + "3/6;def"}, 2},
		{"overlapping, the first stays", []string{h + "0/6;abcd", h + "2/6;XXef"}, 0},
		{"inside another", []string{h + "0/6;abcde", h + "1/6;XX", h + "5/6;f"}, 1},
		{"one is all", []string{h + "0/6;abcdef"}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := ncrx.NewReceiver()
			got := feed(r, start, tt.in...)
			if len(got) != 1 || got[0].Text != "abcdef" || got[0].Missing != 0 {
				t.Errorf("got %+v", got)
			}
			if s := r.Stats(); s.Duplicates != tt.dups || s.Incomplete != 0 {
				t.Errorf("stats %+v", s)
			}
		})
	}
}

func TestRecordsOfTwoSendersDoNotMix(t *testing.T) {
	r := ncrx.NewReceiver()
	a, b := peer, netip.MustParseAddrPort("10.77.0.3:6665")
	r.Datagram(a, []byte("6,1,100,-,ncfrag=0/2;a"), start)
	r.Datagram(b, []byte("6,1,100,-,ncfrag=0/2;x"), start)
	got := r.Datagram(b, []byte("6,1,100,-,ncfrag=1/2;y"), start)
	got = append(got, r.Datagram(a, []byte("6,1,100,-,ncfrag=1/2;b"), start)...)
	if !slices.Equal(texts(got), []string{"xy", "ab"}) || got[0].From != b || got[1].From != a {
		t.Errorf("got %+v", got)
	}
}

func TestWhatIsMissingOfARecordIsMarkedWhenItsTimeIsOver(t *testing.T) {
	r := ncrx.NewReceiver()
	if got := feed(r, start, "6,1,100,-,ncfrag=2/8;cd", "6,2,200,-;next"); len(got) != 1 {
		t.Fatalf("got %+v", got)
	}
	if got := r.Tick(start.Add(2 * time.Second)); len(got) != 0 {
		t.Errorf("too early: %+v", got)
	}
	got := r.Tick(start.Add(4 * time.Second))
	if len(got) != 1 || got[0].Text != "[... 2 bytes missing ...]cd[... 4 bytes missing ...]" || got[0].Missing != 6 || got[0].Seq != 1 {
		t.Errorf("got %+v", got)
	}
	// What comes after that is no second record.
	if got := feed(r, start.Add(4*time.Second), "6,3,300,-;x"); len(got) != 1 || got[0].Gap != 0 {
		t.Errorf("got %+v", got)
	}
}

func TestBasicLinesCutByThePacketSizeAreJoined(t *testing.T) {
	r := ncrx.NewReceiver()
	full := "[    1.000000] " + strings.Repeat("x", 985)
	if got := feed(r, start, full); len(got) != 0 {
		t.Fatalf("got %+v", got)
	}
	got := feed(r, start, "yz\n")
	if len(got) != 1 || got[0].Text != full[15:]+"yz" || got[0].Level != -1 || got[0].Extended {
		t.Errorf("got %+v", got)
	}
	// Its rest is lost: a new record begins.
	got = feed(r, start, full, "[    2.000000] new\n")
	if len(got) != 2 || got[1].Text != "new" || got[1].Usec != 2e6 {
		t.Errorf("got %+v", got)
	}
	// Its rest does not come.
	feed(r, start, full)
	if got := r.Tick(start.Add(2 * time.Second)); len(got) != 1 || len(got[0].Text) != 985 {
		t.Errorf("got %+v", got)
	}
	// Text without time, without newline, of more lines.
	got = feed(r, start, "bare", "a\nb\n\nc\n")
	if !slices.Equal(texts(got), []string{"bare", "a", "b", "", "c"}) || got[0].HasTime {
		t.Errorf("got %+v", got)
	}
}

func TestMalformedDatagramsAreCountedAndGivenAsText(t *testing.T) {
	r := ncrx.NewReceiver()
	const d = "6,1,100,-,ncfrag=5/4;x"
	got := feed(r, start, d)
	if len(got) != 1 || !got[0].Malformed || got[0].Text != d || got[0].Level != -1 || r.Stats().Malformed != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestMemoryIsBoundedWhateverIsSent(t *testing.T) {
	r := ncrx.NewReceiver()
	records := 0
	for i := range 5000 {
		from := netip.AddrPortFrom(peer.Addr(), uint16(i%1000))
		d := fmt.Sprintf("6,%d,100,-,ncfrag=0/32768;x", i)
		records += len(r.Datagram(from, []byte(d), start))
		r.Datagram(from, []byte(strings.Repeat("y", 1000)), start)
	}
	s := r.Stats()
	if s.Evicted < 4000 {
		t.Errorf("stats %+v", s)
	}
	// Nothing is forgotten silently, whole or not.
	for _, rec := range r.Flush(start) {
		if rec.Extended {
			records++
		}
	}
	if records < 5000 {
		t.Errorf("%d records of 5000", records)
	}
}

func TestARecordInTooManyPiecesStaysBounded(t *testing.T) {
	r := ncrx.NewReceiver()
	for i := range 1000 {
		feed(r, start, fmt.Sprintf("6,1,100,-,ncfrag=%d/2000;x", 2*i))
	}
	feed(r, start, "6,1,100,-,ncfrag=0/2000;"+strings.Repeat("y", 2000))
	got := r.Flush(start)
	if len(got) != 1 || got[0].Missing == 0 || r.Stats().Malformed == 0 {
		t.Errorf("got %d records, stats %+v", len(got), r.Stats())
	}
}

package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gasp-go/gasp/internal/ncrx"
)

// startListening receives on loopback. stop ends it and returns the records.
func startListening(t *testing.T) (to *net.UDPConn, stop func() []ncrx.Record) {
	t.Helper()
	n, err := listenNetconsole(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	to, err = net.DialUDP("udp", nil, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(n.port())})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { to.Close() })
	ctx, cancel := context.WithCancel(context.Background())
	var records []ncrx.Record
	var done sync.WaitGroup
	done.Go(func() {
		if err := n.serve(ctx, func(r *ncrx.Record) { records = append(records, *r) }); err != nil {
			t.Error(err)
		}
	})
	return to, func() []ncrx.Record {
		cancel()
		done.Wait()
		return records
	}
}

// Once in some tens of rounds the end falls between two reads.
func TestWhatArrivedBeforeTheEndIsDelivered(t *testing.T) {
	for range 40 {
		to, stop := startListening(t)
		const n = 200
		for i := range n {
			fmt.Fprintf(to, "6,%d,%d,-;record %d\n", i, i, i)
		}
		fmt.Fprintf(to, "6,%d,9,-,ncfrag=0/10;begin", n)
		got := stop()
		if len(got) != n+1 || got[n-1].Text != "record 199" || got[n].Missing != 5 {
			t.Fatalf("%d records, the last %+v", len(got), got[len(got)-1])
		}
	}
}

func TestAnIncompleteRecordIsDeliveredWhileNothingElseComes(t *testing.T) {
	n, err := listenNetconsole(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	to, err := net.Dial("udp", n.conn.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	fmt.Fprint(to, strings.Repeat("x", 1000)) // a line whose end does not come
	ctx, cancel := context.WithCancel(bound(t))
	err = n.serve(ctx, func(r *ncrx.Record) { cancel() })
	if err != nil || ctx.Err() != context.Canceled {
		t.Errorf("%v, %v", err, ctx.Err())
	}
}

func TestRecordsArePrintedForPeopleAndAsJSON(t *testing.T) {
	r := &ncrx.Record{
		From: netip.MustParseAddrPort("10.0.0.1:6665"), Time: time.Unix(0, 0).UTC(), Extended: true, Level: 3, Facility: 1,
		Seq: 8, HasTime: true, Usec: 1500000, Text: "two\nlines\x1b", Gap: 1, Dict: []ncrx.KV{{Key: "K", Value: "v"}},
	}
	const head = "00:00:00.000 10.0.0.1:6665 "
	want := head + "-- record 7 has not come: lost, or not meant for netconsole --\n" +
		head + "err    [    1.500000] two\n" + head + `err    [    1.500000] lines\x1b` + "\n" +
		head + "err                   K=v\n"
	if got := string(recordText(r)); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	r.Auth, r.Repeated, r.Gap = ncrx.Unsigned, true, 0
	if got := string(recordText(r)); !strings.HasPrefix(got, head+"err    unsigned again [    1.500000] two\n") {
		t.Errorf("got %s", got)
	}
	r.Auth, r.Repeated, r.Gap = ncrx.Authentic, false, 1
	if got := string(recordText(&ncrx.Record{From: r.From, Level: -1, Text: "t"})); got != "--:--:--.--- 10.0.0.1:6665 -      t\n" {
		t.Errorf("without a time: %s", got)
	}

	// Of what only machines want people see nothing.
	old := &ncrx.Record{From: r.From, Time: r.Time, Level: 6, Text: "[previous] [    9.000000] end", Dict: []ncrx.KV{
		{Key: "PREVIOUS_LIFE", Value: "1"}, {Key: "SEQ", Value: "5"}, {Key: "USEC", Value: "9000000"}, {Key: "FACILITY", Value: "1"},
		{Key: "K", Value: "v"}, {Key: "BOOTID", Value: "0"}, {Key: "HMAC", Value: "0"}}}
	if got, want := string(recordText(old)), head+"info   [previous] [    9.000000] end\n"+head+"info   K=v\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}

	line := recordJSON(r)
	var got map[string]any
	if err := json.Unmarshal(line, &got); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]any{"text": "two\nlines\x1b", "from": "10.0.0.1:6665", "seq": 8.0, "usec": 1.5e6, "gap": 1.0, "level": 3.0,
		"auth": "authentic", "raw": nil} {
		if got[key] != want {
			t.Errorf("%s is %v, want %v", key, got[key], want)
		}
	}
	if strings.Count(string(line), "\n") != 1 {
		t.Errorf("not one line: %q", line)
	}
	r.Text = "\xff"
	if line := recordJSON(r); !strings.Contains(string(line), `"raw":"/w=="`) {
		t.Errorf("%s", line)
	}
}

// runTool runs a command and returns what it printed.
func runTool(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs lockedBuffer
	status = (&tool{&out, &errs}).main(bound(t), args)
	return status, out.String(), errs.String()
}

// The texts in testdata/linux were not made by this program: another decoder,
// written from the formats' description, printed them from the same captures.
func TestCapturesOfLinuxAreDecodedExactly(t *testing.T) {
	utc(t)
	texts, err := filepath.Glob("testdata/linux/*.txt")
	if err != nil || len(texts) != 8 {
		t.Fatalf("%d texts, %v", len(texts), err)
	}
	for _, text := range texts {
		name := strings.TrimSuffix(filepath.Base(text), ".txt")
		i := strings.LastIndex(name, "-")
		capture, port := "../../internal/ncrx/testdata/"+name[:i]+".pcap", name[i+1:]
		want, err := os.ReadFile(text)
		if err != nil {
			t.Fatal(err)
		}
		status, out, errs := runTool(t, "listen", "-pcap", capture, "-p", port)
		if status != exitOK || out != string(want) {
			t.Errorf("%s: status %d, %s; got\n%swant\n%s", text, status, errs, out, want)
		}
		// JSON says the same.
		status, out, errs = runTool(t, "listen", "-json", "-pcap", capture, "-p", port)
		var again strings.Builder
		for line := range strings.Lines(out) {
			var j jsonRecord
			if err := json.Unmarshal([]byte(line), &j); err != nil {
				t.Fatal(err)
			}
			r := ncrx.Record{Time: j.Time.UTC(), From: netip.MustParseAddrPort(j.From), Level: j.Level, Seq: j.Seq,
				Text: j.Text, Dict: j.Dict, Gap: j.Gap, HasTime: j.Usec != nil, Usec: *j.Usec}
			again.Write(recordText(&r))
		}
		if status != exitOK || again.String() != string(want) || !strings.Contains(errs, `{"counters":{"datagrams":`) {
			t.Errorf("%s: status %d, %s; JSON\n%s", text, status, errs, out)
		}
	}
}

// utc has times printed as of no place.
func utc(t *testing.T) {
	local := time.Local
	time.Local = time.UTC
	t.Cleanup(func() { time.Local = local })
}

func TestACaptureThatCannotBeReadIsAnError(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	whole, err := os.ReadFile("../../internal/ncrx/testdata/panic-modparam.pcap")
	if err != nil {
		t.Fatal(err)
	}
	head, cooked, ethernet := mergecap(t)
	for _, tt := range []struct{ path, want string }{
		{file("ng", "\x0a\x0d\x0d\x0a\x1c\x00\x00\x00\x4d\x3c\x2b\x1a"), "a block is cut"},
		{file("ng-cut", string(head)+string(ethernet[:len(ethernet)-1])), "10 records, 0 missing numbers\ngasp listen: pcap: bad file: a block is cut"},
		{file("ng-cooked", string(head)+string(cooked)), "left out: 3 of link type 113\n0 datagrams, 0 records, 0 missing numbers\ngasp listen: no frame of Ethernet"},
		{file("text", "no capture, but long enough for one"), "magic"},
		{file("cut", string(whole[:len(whole)-1])), "cut"},
		{filepath.Join(dir, "none"), "no such file"},
	} {
		if status, _, errs := runTool(t, "listen", "-pcap", tt.path); status != exitFailed || !strings.Contains(errs, tt.want) {
			t.Errorf("%s: %d, %s", tt.path, status, errs)
		}
	}
	// Another port than those that there are.
	status, _, errs := runTool(t, "listen", "-p", "7", "-pcap", "../../internal/ncrx/testdata/panic-modparam.pcap")
	if status != exitOK || !strings.Contains(errs, "there are datagrams to 6666 6667 (-p)") {
		t.Errorf("%d, %s", status, errs)
	}
}

func TestListenRefusesFlagsThatMakeNoSense(t *testing.T) {
	for _, args := range [][]string{
		{"-p", "65536"}, {"-bind", "host"}, {"x"}, {"-ack", "-pcap", "-"}, {"-pcap", "-", "-bind", "all"}, {"-resend", "5"}, {"-ack", "-resend", "4097"},
		{"-strict"}, {"-key", "/nonexistent"}, {"-key", ""}, {"-key", "listen_test.go"}, {"-key", "00ff"}, {"-dir-size", "5"},
		{"-dir", "x", "-dir-size", "0"}, {"-dir", "x", "-dir-files", "0"},
	} {
		if status, _, errs := runTool(t, append([]string{"listen"}, args...)...); status != exitUsage {
			t.Errorf("%q: %d, %s", args, status, errs)
		}
	}
}

func TestAKeyIsDigitsOrAFileWithThem(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte("00ff7a00ff7a00ff7a00ff7a00ff7a00ff7a\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"00ff7a00ff7a00ff7a00ff7a00ff7a00ff7a", "00FF7A00FF7A00FF7A00FF7A00FF7A00FF7A", path} {
		if key, err := readKey(s); err != nil || string(key) != strings.Repeat("\x00\xffz", 6) {
			t.Errorf("%s: %q, %v", s, key, err)
		}
	}
}

func TestEachSenderHasAFileAndFilesAreBounded(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "[log")
	f, err := newSenderFiles(dir, false, 100, 3)
	if err != nil {
		t.Fatal(err)
	}
	var warned []string
	f.warn = func(s string) { warned = append(warned, s) }
	say := func(from, text string) {
		t.Helper()
		if err := f.write(&ncrx.Record{From: netip.AddrPortFrom(netip.MustParseAddr(from), 6665)}, []byte(text+"\n")); err != nil {
			t.Fatal(err)
		}
	}
	long := strings.Repeat("x", 60)
	say("10.0.0.1", "a")
	say("10.0.0.1", "b")
	say("fe80::1%../../x y", long+"1")
	say("fe80::1%../../x y", long+"2")
	say("fe80::1%../../x y", long+"3")
	say("10.0.0.3", strings.Repeat("y", 500)) // longer than a file: alone in it
	say("10.0.0.4", "no room")
	say("10.0.0.5", "no room")
	say("10.0.0.1", "c")
	got := map[string]string{}
	names, _ := filepath.Glob(filepath.Join(filepath.Dir(dir), "*", "*"))
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		rel, _ := filepath.Rel(dir, name)
		got[rel] = string(b)
	}
	want := map[string]string{
		"10.0.0.1.log": "a\nb\nc\n", "10.0.0.3.log": strings.Repeat("y", 500) + "\n",
		"fe80::1_.._.._x_y.log": long + "3\n", "fe80::1_.._.._x_y.log.1": long + "2\n",
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if len(warned) != 1 || !strings.Contains(warned[0], "10.0.0.4") {
		t.Errorf("warned %q", warned)
	}
	// Files of an earlier run count, and are gone on with.
	f, err = newSenderFiles(dir, false, 100, 3)
	if err != nil {
		t.Fatal(err)
	}
	say("10.0.0.4", "no room")
	say("10.0.0.1", "d")
	if b, _ := os.ReadFile(filepath.Join(dir, "10.0.0.1.log")); string(b) != "a\nb\nc\nd\n" {
		t.Errorf("%q", b)
	}
	// A link does not lead out of the directory.
	outside := filepath.Join(t.TempDir(), "outside")
	os.Remove(filepath.Join(dir, "10.0.0.1.log"))
	if err := os.Symlink(outside, filepath.Join(dir, "10.0.0.1.log")); err != nil {
		t.Fatal(err)
	}
	if err := f.write(&ncrx.Record{From: netip.MustParseAddrPort("10.0.0.1:1")}, []byte("x")); err == nil {
		t.Error("a link was followed")
	}
}

// A sender that answers: the whole of the command, over loopback.
func TestWhatTheNetworkLostIsAskedForAndWrittenInOrder(t *testing.T) {
	dir := t.TempDir()
	keyFile, secret := filepath.Join(dir, "key"), []byte("sixteen bytes ok")
	if err := os.WriteFile(keyFile, fmt.Appendf(nil, "%x", secret), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(bound(t))
	var out, errs lockedBuffer
	status := make(chan int)
	go func() {
		status <- (&tool{&out, &errs}).main(ctx, []string{"listen", "-p", "0", "-ack", "-key", keyFile, "-strict", "-json", "-dir", filepath.Join(dir, "log")})
	}()
	var to string
	for to == "" {
		if ctx.Err() != nil {
			t.Fatal(errs.String())
		}
		time.Sleep(time.Millisecond)
		if line, rest, ok := strings.Cut(errs.String(), "\n"); ok && rest == "" {
			to = strings.TrimPrefix(line, "listening at ")
		}
	}
	conn, err := net.Dial("udp", to)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	send := func(n int) {
		body := fmt.Sprintf("6,%d,%d,-;record %d\n BOOTID=00112233445566778899aabbccddeeff\n", n, n, n)
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(body))
		fmt.Fprintf(conn, "%s HMAC=%x\n", body, mac.Sum(nil)[:16])
	}
	// Records 0 to 4 were sent before anybody listened, 6 is lost.
	send(5)
	send(7)
	fmt.Fprint(conn, "6,8,8,-;not signed\n")
	buf := make([]byte, 2000)
	for acked := false; !acked; {
		conn.SetReadDeadline(time.Now().Add(time.Minute))
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		switch msg := string(buf[:n]); msg {
		case "ncrx-resend 0":
			for i := range 6 {
				send(i)
			}
		case "ncrx5 6":
			send(6)
		case "ncrx7":
			acked = true
		default:
			t.Logf("%q", msg)
		}
	}
	cancel()
	if s := <-status; s != exitOK || out.String() != "" {
		t.Errorf("status %d, %s%s", s, out.String(), errs.String())
	}
	b, err := os.ReadFile(filepath.Join(dir, "log", "127.0.0.1.json"))
	if err != nil {
		t.Fatal(err)
	}
	next := uint64(0)
	for line := range strings.Lines(string(b)) {
		var j jsonRecord
		if err := json.Unmarshal([]byte(line), &j); err != nil || j.Seq != next || j.Auth != "authentic" || j.Gap != 0 || j.Late {
			t.Errorf("%s, %v", line, err)
		}
		next++
	}
	if next != 8 || !strings.Contains(errs.String(), `"dropped":1`) {
		t.Errorf("%d records, %s", next, errs.String())
	}
}

func TestCountersArePrintedOnSIGUSR1(t *testing.T) {
	ctx, cancel := context.WithCancel(bound(t))
	defer cancel()
	var out, errs lockedBuffer
	done := make(chan int)
	go func() { done <- (&tool{&out, &errs}).main(ctx, []string{"listen", "-p", "0"}) }()
	for !strings.Contains(errs.String(), "listening at") {
		if ctx.Err() != nil {
			t.Fatal(errs.String())
		}
		time.Sleep(time.Millisecond)
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	for !strings.Contains(errs.String(), "0 datagrams, 0 records") {
		if ctx.Err() != nil {
			t.Fatal(errs.String())
		}
		time.Sleep(time.Millisecond)
	}
	cancel()
	if s := <-done; s != exitOK || strings.Count(errs.String(), "0 datagrams") != 2 {
		t.Errorf("%d, %s", s, errs.String())
	}
}

// FuzzPrintable: nothing that came over the wire reaches a terminal as more
// than text.
func FuzzPrintable(f *testing.F) {
	for _, s := range []string{"text\t", "\x1b[2J", "\xc3\xa9", "\xc2\x9b31m", "\xff", "\u202e"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p := printable(s)
		if !utf8.ValidString(p) || printable(p) != p {
			t.Errorf("%q becomes %q", s, p)
		}
		for _, r := range p {
			if r != '\t' && unicode.IsControl(r) {
				t.Errorf("%q becomes %q", s, p)
			}
		}
	})
}

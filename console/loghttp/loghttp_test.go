package loghttp

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unsafe"

	"github.com/gasp-go/gasp/console"
	"github.com/gasp-go/gasp/console/ramoops"
)

// The log of this test binary is package console's own.
func logged(t *testing.T) (first uint64) {
	t.Helper()
	first = console.NextSeq()
	console.LogDict(console.Info, console.FacKern, []byte("eth0: link up"), console.AppendDict(nil, "SUBSYSTEM", "net"))
	console.LogDict(console.Err, console.FacUser, []byte("bad\x01\\byte\xff"), console.AppendDict(console.AppendDict(nil, "A", "1\n"), "B", ""))
	console.LogDict(console.Debug, console.FacDaemon, []byte("two\nlines"), nil)
	return first
}

func get(t *testing.T, h http.Handler, url string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", url, nil))
	return w.Code, w.Body.String()
}

func itoa(n uint64) string { return string(console.AppendUint(nil, n)) }

func TestDmesgSelectsAndFormats(t *testing.T) {
	n := logged(t)
	for query, want := range map[string]string{
		"":                      "[    0.000000] eth0: link up\n[    0.000000] bad\x01\\byte\xff\n[    0.000000] two\n[    0.000000] lines\n",
		"level=err":             "[    0.000000] bad\x01\\byte\xff\n",
		"level=info%2b":         "[    0.000000] eth0: link up\n[    0.000000] bad\x01\\byte\xff\n",
		"level=7,3":             "[    0.000000] bad\x01\\byte\xff\n[    0.000000] two\n[    0.000000] lines\n",
		"facility=kern,daemon":  "[    0.000000] eth0: link up\n[    0.000000] two\n[    0.000000] lines\n",
		"facility=1&level=info": "",
		"since=1.5":             "",
		"format=kmsg": "6," + itoa(n) + ",0,-;eth0: link up\n SUBSYSTEM=net\n" +
			"11," + itoa(n+1) + ",0,-;bad\\x01\\x5cbyte\\xff\n A=1\\x0a\n B=\n31," + itoa(n+2) + ",0,-;two\\x0alines\n",
		"format=json&level=info": `{"seq":` + itoa(n) + `,"usec":0,"level":"info","facility":"kern","text":"eth0: link up","dict":{"SUBSYSTEM":"net"}}` + "\n",
	} {
		code, got := get(t, Dmesg(), "/dmesg?seq="+itoa(n)+"&"+query)
		if code != 200 || got != want {
			t.Errorf("%s: %d %q, want %q", query, code, got, want)
		}
	}
	for _, bad := range []string{"level=loud", "level=8", "level=", "facility=x", "facility=256", "seq=-1", "since=-3", "since=x", "since=NaN", "follow=maybe", "format=xml", "tail=3"} {
		if code, _ := get(t, Dmesg(), "/dmesg?"+bad); (code != 400) != (bad == "level=") {
			t.Errorf("%s: %d", bad, code)
		}
	}
	w := httptest.NewRecorder()
	Dmesg().ServeHTTP(w, httptest.NewRequest("POST", "/dmesg", nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Error(w.Code)
	}
}

func TestDmesgTellsWhatTheRingLost(t *testing.T) {
	read := dmesg{next: func() uint64 { return 13 }, read: func(seq uint64, r *console.Record) (bool, uint64) {
		if seq > 12 {
			return false, 0
		}
		*r = console.Record{Seq: max(seq, 10), Time: 5e9, Level: console.Info}
		r.N = copy(r.Text[:], "here")
		return true, r.Seq - seq
	}}
	if _, got := get(t, read, "/dmesg?format=kmsg&seq=3"); got != "4,9,5000000,-;** 7 printk messages dropped **\n"+
		"6,10,5000000,-;here\n6,11,5000000,-;here\n6,12,5000000,-;here\n" {
		t.Errorf("%q", got)
	}
	var e struct{ Seq, Lost uint64 }
	_, got := get(t, read, "/dmesg?format=json")
	if line, _, _ := strings.Cut(got, "\n"); json.Unmarshal([]byte(line), &e) != nil || e.Lost != 10 || e.Seq != 9 {
		t.Errorf("%q", got)
	}
}

// A program that logs as fast as its log is read, and nothing of what is asked for.
func TestDmesgEndsThoughTheLogDoesNot(t *testing.T) {
	reads := 0
	endless := dmesg{next: func() uint64 { return 10 }, read: func(seq uint64, r *console.Record) (bool, uint64) {
		reads++
		*r = console.Record{Seq: seq, Level: console.Debug}
		return reads < 1_000_000, 0
	}}
	if _, got := get(t, endless, "/dmesg?level=err"); got != "" || reads != 10 {
		t.Errorf("%q after %d reads", got, reads)
	}
	reads = 0
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // the reader has left
	endless.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/dmesg?level=err&follow", nil).WithContext(ctx))
	if reads > 1000 {
		t.Errorf("%d reads for nobody", reads)
	}
}

func TestDmesgFollowsUntilTheReaderLeaves(t *testing.T) {
	n := console.NextSeq()
	ended := make(chan bool)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		Dmesg().ServeHTTP(w, r)
	}))
	defer srv.Close()
	console.Log(console.Info, []byte("before"))
	resp, err := http.Get(srv.URL + "/?follow&format=kmsg&seq=" + itoa(n))
	if err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(resp.Body)
	for i, text := range []string{"before", "after", "later"} {
		if i > 0 {
			console.Log(console.Info, []byte(text))
		}
		if line, err := in.ReadString('\n'); err != nil || line != "6,"+itoa(n+uint64(i))+",0,-;"+text+"\n" {
			t.Fatalf("%q %v", line, err)
		}
	}
	resp.Body.Close()
	<-ended
}

func TestPstoreListsServesAndErases(t *testing.T) {
	words := make([]uint64, 8<<10)
	mem := unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), 64<<10)
	first, err := ramoops.Open(mem, ramoops.Config{})
	if err != nil {
		t.Fatal(err)
	}
	rec := &console.Record{N: 5}
	copy(rec.Text[:], "alive")
	first.Write(rec)
	first.Panic()
	rec.Seq, rec.N = 1, copy(rec.Text[:], "dying")
	first.Write(rec)
	second, err := ramoops.Open(mem, ramoops.Config{})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/pstore/", Pstore(second))
	do := func(method, path string, code int, body string) {
		t.Helper()
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(method, path, nil))
		if w.Code != code || body != "" && w.Body.String() != body {
			t.Errorf("%s %s: %d %q", method, path, w.Code, w.Body.String())
		}
	}
	do("GET", "/pstore/", 200, "dmesg-ramoops-0\nconsole-ramoops-0\n")
	do("GET", "/pstore/console-ramoops-0", 200, "[    0.000000] alive\n[    0.000000] dying\n")
	do("GET", "/pstore/dmesg-ramoops-0", 200, "Panic#1 Part1\n<0>[    0.000000] dying\n")
	do("GET", "/pstore/console-ramoops-1", 404, "")
	do("PUT", "/pstore/console-ramoops-0", 405, "")
	do("DELETE", "/pstore/", 405, "")
	do("DELETE", "/pstore/dmesg-ramoops-0", 204, "")
	do("DELETE", "/pstore/dmesg-ramoops-0", 404, "")
	do("GET", "/pstore/", 200, "console-ramoops-0\n")
	if code, body := get(t, Pstore(nil), "/pstore/"); code != 200 || body != "" {
		t.Errorf("no store: %d %q", code, body)
	}
}

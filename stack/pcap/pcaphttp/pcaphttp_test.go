package pcaphttp

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gasp-go/gasp/stack/netdev"
	"github.com/gasp-go/gasp/stack/pcap"
)

// null is a driver that does nothing.
type null struct{}

func (null) Open() error                                        { return nil }
func (null) Stop() error                                        { return nil }
func (null) StartXmit([][]byte, netdev.TxFlags) netdev.TxStatus { return netdev.TxOK }
func (null) PollController()                                    {}
func (null) PollRx(int, func([]byte)) int                       { return 0 }
func (null) TxIdle() bool                                       { return true }
func (null) Seize() error                                       { return nil }

type server struct {
	t   *testing.T
	url string
	rec *pcap.Recorder
}

func newServer(t *testing.T) *server {
	dev := netdev.New("eth0", [6]byte{2}, 1500, null{}, netdev.NewSoftnet(func() {}))
	dev.SetReceive(func(_ []byte, _ netdev.RxFlags) {})
	boot := time.Now()
	now := func() int64 { return int64(time.Since(boot)) }
	s := &server{t: t, rec: pcap.NewRecorder(dev, now)}
	h := httptest.NewServer(Handler(now, s.rec))
	t.Cleanup(h.Close)
	s.url = h.URL
	return s
}

func (s *server) receive(lengths ...int) {
	for _, n := range lengths {
		s.rec.Device().Receive(make([]byte, n), 0)
	}
}

// do makes a request and returns the answer's status and body.
func (s *server) do(method, query string) (int, string, http.Header) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+"/?"+query, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, string(body), resp.Trailer
}

// lengths reads a file strictly and returns the lengths of the frames, and of
// what is there of them.
func (s *server) lengths(file string) (whole, there []int) {
	s.t.Helper()
	r, err := pcap.NewReader(strings.NewReader(file))
	if err != nil {
		s.t.Fatal(err)
	}
	for last := time.Now().Add(-time.Minute); ; {
		at, n, data, err := r.Next()
		if err == io.EOF {
			return whole, there
		}
		if err != nil {
			s.t.Fatal(err)
		}
		if at.Before(last) || at.After(time.Now().Add(time.Minute)) {
			s.t.Errorf("a frame of %v after %v", at, last)
		}
		last, whole, there = at, append(whole, n), append(there, len(data))
	}
}

func equal(a []int, b ...int) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func TestRecordingIsSwitchedOnDumpedAndSwitchedOff(t *testing.T) {
	s := newServer(t)
	if code, body, _ := s.do("GET", ""); code != 400 || !strings.Contains(body, "record=on") {
		t.Errorf("a dump of nothing: %d %s", code, body)
	}
	s.receive(60)
	if code, body, _ := s.do("POST", "record=on&ring=4096&dev=eth0"); code != 200 || body != "eth0: recording on\n" {
		t.Errorf("%d %s", code, body)
	}
	s.receive(61, 1000, 62)
	for range 2 {
		code, body, trailer := s.do("GET", "snaplen=100")
		whole, there := s.lengths(body)
		if code != 200 || !equal(whole, 61, 1000, 62) || !equal(there, 61, 100, 62) || trailer.Get("Pcap-Lost") != "0" {
			t.Errorf("%d: %v, of which %v; %v", code, whole, there, trailer)
		}
	}
	if code, _, _ := s.do("POST", "record=off"); code != 200 || s.rec.Stats().Recording {
		t.Errorf("%d, %+v", code, s.rec.Stats())
	}
}

func TestCaptureEndsWithItsCountAndLeavesNothingOn(t *testing.T) {
	s := newServer(t)
	var over sync.WaitGroup
	quit := make(chan struct{})
	over.Go(func() {
		for { // until the capture has begun and ended
			select {
			case <-quit:
				return
			case <-time.After(time.Millisecond):
				s.receive(70, 80)
			}
		}
	})
	code, body, _ := s.do("GET", "count=5&filter=not+arp")
	close(quit)
	over.Wait()
	if whole, _ := s.lengths(body); code != 200 || len(whole) != 5 {
		t.Errorf("%d: %v", code, whole)
	}
	if s.rec.Stats().Recording {
		t.Error("the recorder is still on")
	}
}

func TestCaptureEndsWithItsTimeOrItsClient(t *testing.T) {
	s := newServer(t)
	code, body, _ := s.do("GET", "seconds=1")
	if whole, _ := s.lengths(body); code != 200 || len(whole) != 0 {
		t.Errorf("%d: %v", code, whole)
	}
	resp, err := http.Get(s.url + "/?count=1000")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pcap.NewReader(resp.Body); err != nil { // the header comes at once
		t.Error(err)
	}
	resp.Body.Close()
	for s.rec.Stats().Recording { // until it notices; else the test times out
		time.Sleep(time.Millisecond)
	}
}

func TestBadRequestsAreExplained(t *testing.T) {
	s := newServer(t)
	for request, want := range map[string]string{
		"GET count=0":                    "count",
		"GET count=x":                    "count",
		"GET seconds=1e9":                "seconds",
		"GET snaplen=-1&count=1":         "snaplen",
		"GET filter=bogus&count=1":       "bogus",
		"GET dev=eth9&count=1":           "eth9",
		"GET cuont=1":                    "cuont",
		"GET count=1&ring=5000":          "POST",
		"GET record=on":                  "POST",
		"POST ":                          "record=on",
		"POST record=maybe":              "maybe",
		"POST record=on&ring=5":          "ring of 5 bytes",
		"POST record=on&snaplen=5":       "snaplen 5",
		"POST record=on&count=5":         "count",
		"POST record=on&ring=9999999999": "ring",
	} {
		method, query, _ := strings.Cut(request, " ")
		if code, body, _ := s.do(method, query); code != 400 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", request, code, body)
		}
	}
	if code, _, _ := s.do("DELETE", ""); code != http.StatusMethodNotAllowed {
		t.Errorf("DELETE: %d", code)
	}
	if s.rec.Stats().Recording {
		t.Error("a refused request switched it on")
	}
}

// FuzzQuery has any query parsed.
func FuzzQuery(f *testing.F) {
	for _, q := range []string{"", "dev=eth0&count=5&seconds=7&snaplen=64&filter=udp+port+53", "record=on&ring=65536", "count=-1", "%zz", "a;b", "dev=eth1"} {
		f.Add(q)
	}
	dev := netdev.New("eth0", [6]byte{2}, 1500, null{}, netdev.NewSoftnet(func() {}))
	h := &handler{recorders: []*pcap.Recorder{pcap.NewRecorder(dev, func() int64 { return 0 })}}
	f.Fuzz(func(t *testing.T, raw string) {
		q, err := h.parse(&http.Request{URL: &url.URL{RawQuery: raw}})
		if err == nil && (q.recorder == nil || q.count < 0 || q.seconds < 0 || q.seconds > maxSeconds ||
			q.snaplen < 0 || q.snaplen > pcap.MaxSnap || q.ring < 0 || q.ring > pcap.MaxRing) {
			t.Errorf("%q: %+v", raw, q)
		}
	})
}

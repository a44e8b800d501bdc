package systest

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/gasp-go/gasp/stack/pcap"
)

// captured reads a pcap file strictly and returns its frames.
func captured(t *testing.T, file string) (frames [][]byte) {
	t.Helper()
	r, err := pcap.NewReader(strings.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	var last time.Time
	for {
		at, n, data, err := r.Next()
		if err == io.EOF {
			return frames
		}
		if err != nil {
			t.Fatal(err)
		}
		if at.Before(last) || at.Year() < 2026 || n != len(data) {
			t.Errorf("frame %d of %v: %d bytes of %d, after one of %v", len(frames), at, len(data), n, last)
		}
		last = at
		frames = append(frames, bytes.Clone(data))
	}
}

// tcpdump reads a pcap file and returns what it says of each frame.
func tcpdump(t *testing.T, file string) []string {
	t.Helper()
	path, err := exec.LookPath("tcpdump")
	if err != nil {
		if os.Getenv("GASP_REQUIRE_QEMU") == "1" && os.Getuid() == 0 {
			t.Fatal(err) // "make deps" installs it
		}
		t.Skip(err)
	}
	cmd := exec.CommandContext(t.Context(), path, "-n", "-vv", "-r", "-")
	cmd.Stdin = strings.NewReader(file)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &complaints)
	}
	return strings.Split(string(out), "\n")
}

func TestFramesAreCapturedAsTheyWereOnTheWire(t *testing.T) {
	t.Parallel()
	g, w := bootWire(t, "gasp.pcap=64k "+staticIP)
	g.line("http: listening")
	w.reachable()
	get := func(query string) string {
		t.Helper()
		body, err := w.fetch("GET", "/debug/pcap"+query)
		if err != nil {
			t.Fatal(err)
		}
		return body
	}
	from := w.mark()
	request := w.to4(ping(peerIP, guestIP, 0x7777, 4711, pattern(1200)))
	w.ask(request, from, "an echo reply", echoes(peerIP, guestIP, 0x7777, 4711, pattern(1200)))
	w.udpEcho([]byte("what was said"))
	file := get("")
	var requests, replies, download int
	frames := captured(t, file)
	for _, f := range frames {
		p, err := dissect(f)
		if err != nil {
			t.Errorf("%v in %v", err, p)
		}
		switch {
		case bytes.Equal(f, request):
			requests++
		case echoes(peerIP, guestIP, 0x7777, 4711, pattern(1200))(p):
			replies++
		case p.proto == protoTCP:
			download++
		}
	}
	if requests == 0 || replies != requests || download != 0 {
		t.Errorf("of %d frames %d requests, %d replies, %d of the download", len(frames), requests, replies, download)
	}
	t.Run("tcpdump reads it", func(t *testing.T) {
		lines := strings.Join(tcpdump(t, file), "\n")
		for _, want := range []string{
			"10.77.0.1 > 10.77.0.2: ICMP echo request, id 30583, seq 4711, length 1208",
			"10.77.0.2 > 10.77.0.1: ICMP echo reply, id 30583, seq 4711, length 1208",
			"who-has 10.77.0.2",
			"10.77.0.2.7 > 10.77.0.1.40007: [udp sum ok]",
		} {
			if !strings.Contains(lines, want) {
				t.Errorf("no %q in\n%s", want, lines)
			}
		}
	})
	if f := get("?filter=icmp"); len(captured(t, f)) == 0 || len(captured(t, f)) >= len(frames) {
		t.Errorf("%d of %d frames are ICMP", len(captured(t, f)), len(frames))
	}
	if _, err := w.fetch("GET", "/debug/pcap?filter=bogus"); err == nil || !strings.Contains(err.Error(), "bogus") {
		t.Errorf("a bad filter: %v", err)
	}
	if _, err := w.fetch("POST", "/debug/pcap?record=off"); err != nil {
		t.Error(err)
	}
	if _, err := w.fetch("GET", "/debug/pcap"); err == nil {
		t.Error("a dump of a recording that is off")
	}
	// Frames to come, with nobody recording before or after.
	done := make(chan string, 1)
	go func() {
		defer close(done)
		body, err := w.fetch("GET", "/debug/pcap?count=2&filter=udp+port+7")
		if err != nil {
			t.Error(err)
		}
		done <- body
	}()
	for {
		w.udpEcho([]byte("more"))
		select {
		case body := <-done:
			if n := len(captured(t, body)); n != 2 {
				t.Errorf("%d frames", n)
			}
			g.unharmed()
			return
		default:
		}
	}
}

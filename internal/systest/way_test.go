package systest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gasp-go/gasp/internal/qemu"
)

// Ports of the firmware's services.
const (
	portEcho    = 7
	portDiscard = 9
	portChargen = 19
	portHTTP    = 80
)

// way connects to a port of the guest. network is tcp or udp.
type way func(network string, port int) (net.Conn, error)

// bootUser boots on QEMU's user network, with all services forwarded, and
// returns once HTTP is served.
func bootUser(t *testing.T, o qemu.Options) (*guest, way) {
	t.Helper()
	o.Net = qemu.NetUser
	o.Forwards = append(o.Forwards, []qemu.Forward{
		{Proto: "tcp", Guest: portEcho}, {Proto: "tcp", Guest: portDiscard}, {Proto: "tcp", Guest: portChargen},
		{Proto: "tcp", Guest: portHTTP},
		{Proto: "udp", Guest: portEcho}, {Proto: "udp", Guest: portDiscard}, {Proto: "udp", Guest: portChargen},
	}...)
	g := boot(t, o)
	to := forwarded(g.machine)
	g.serving(to)
	return g, to
}

// forwarded is the way through QEMU's port forwards.
func forwarded(m *qemu.Machine) way {
	return func(network string, port int) (net.Conn, error) {
		for _, f := range m.Forwards() {
			if f.Proto == network && int(f.Guest) == port {
				return net.DialTimeout(network, f.Addr(), patience)
			}
		}
		return nil, fmt.Errorf("no forward for %s port %d", network, port)
	}
}

// serving waits until HTTP is served. A connection that QEMU forwards too early
// hangs for seconds, so the first attempts are given up soon.
func (g *guest) serving(to way) {
	g.t.Helper()
	limit := 200 * time.Millisecond
	g.retry("waiting for HTTP", func() error {
		_, err := fetchWithin(to, limit, http.MethodGet, "/")
		limit = min(2*limit, patience)
		return err
	})
}

// connect opens a connection that ends with the test and whose reads and
// writes are bounded.
func connect(t *testing.T, to way, network string, port int) net.Conn {
	t.Helper()
	c, err := to(network, port)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c
}

// fetch makes one HTTP request on a connection of its own.
func fetch(to way, method, path string) ([]byte, error) {
	return fetchWithin(to, patience, method, path)
}

func fetchWithin(to way, limit time.Duration, method, path string) ([]byte, error) {
	tr := &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(context.Context, string, string) (net.Conn, error) { return to("tcp", portHTTP) },
	}
	client := http.Client{Transport: tr, Timeout: limit}
	req, err := http.NewRequest(method, "http://guest"+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, bytes.TrimSpace(body))
	}
	return body, err
}

// get fetches a page.
func get(t *testing.T, to way, path string) string {
	t.Helper()
	body, err := fetch(to, http.MethodGet, path)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// getStats fetches and parses the counters.
func getStats(t *testing.T, to way) stats {
	t.Helper()
	return parseStats(t, get(t, to, "/stats.json"))
}

func parseStats(t *testing.T, text string) stats {
	t.Helper()
	var s stats
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		t.Fatalf("stats.json: %v\n%s", err, text)
	}
	if len(s.Interfaces) == 0 {
		t.Fatalf("stats.json: no interface\n%s", text)
	}
	return s
}

// exchange sends a datagram to a UDP port until it is answered, for datagrams
// may be lost, and returns what accept says of the answer.
func exchange(to way, port int, send []byte, accept func([]byte) error) error {
	c, err := to("udp", port)
	if err != nil {
		return err
	}
	defer c.Close()
	buf := make([]byte, 64<<10)
	end := time.Now().Add(patience)
	for {
		if _, err := c.Write(send); err != nil && !errors.Is(err, syscall.ECONNREFUSED) {
			return err
		}
		c.SetReadDeadline(time.Now().Add(time.Second))
		n, err := c.Read(buf)
		switch {
		case err == nil:
			return accept(buf[:n])
		case time.Now().After(end):
			return err
		case !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, os.ErrDeadlineExceeded):
			return err
		}
	}
}

// exactly accepts what was sent.
func exactly(want []byte) func([]byte) error {
	return func(got []byte) error {
		if !bytes.Equal(got, want) {
			return fmt.Errorf("%d bytes came back wrong, %d were sent", len(got), len(want))
		}
		return nil
	}
}

// pattern returns n bytes that do not repeat soon.
func pattern(n int) []byte {
	b := make([]byte, n)
	x := uint32(n) | 1
	for i := range b {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		b[i] = byte(x)
	}
	return b
}

// splitLines splits text into lines.
func splitLines(text string) []string {
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

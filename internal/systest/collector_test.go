package systest

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gasp-go/gasp/internal/ncrx"
)

// collector makes records of the datagrams of netconsole and keeps them.
type collector struct {
	mu      sync.Mutex
	rx      *ncrx.Receiver
	records []ncrx.Record
	sizes   []int // of the datagrams
	changed chan struct{}
}

func newCollector() *collector {
	return &collector{rx: ncrx.NewReceiver(), changed: make(chan struct{})}
}

func (c *collector) datagram(from netip.AddrPort, data []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sizes = append(c.sizes, len(data))
	c.records = append(c.records, c.rx.Datagram(from, data, time.Now())...)
	close(c.changed)
	c.changed = make(chan struct{})
}

// collectHost listens at a port of the host's loopback interface, where QEMU's
// user network delivers what is sent to 10.0.2.2.
func collectHost(t *testing.T) (*collector, int) {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	c, done := newCollector(), make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 64<<10)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			c.datagram(from, buf[:n])
		}
	}()
	t.Cleanup(func() {
		conn.Close()
		<-done
	})
	return c, conn.LocalAddr().(*net.UDPAddr).Port
}

// collect takes what the guest sends to a port of ours. There is one such port
// a wire.
func (w *wire) collect(port uint16) *collector {
	c := newCollector()
	w.on(func(p packet) {
		if p.proto == protoUDP && !p.frag && p.to == netip.AddrPortFrom(peerIP, port) {
			c.datagram(p.from, p.data)
		}
	})
	return c
}

// all returns the records so far.
func (c *collector) all() []ncrx.Record {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.records)
}

// lines returns the lines of the records so far. What the basic format puts in
// front of each line of a record is cut off, as untimed does.
func (c *collector) lines() []string { return linesOf(c.all()) }

func linesOf(records []ncrx.Record) []string {
	var lines []string
	for _, r := range records {
		lines = append(lines, strings.Split(r.Text, "\n")...)
	}
	return lines
}

// await waits until enough accepts the records.
func (c *collector) await(g *guest, what string, enough func([]ncrx.Record) bool) []ncrx.Record {
	g.t.Helper()
	records, err := c.until(g, what, enough)
	if err != nil {
		g.t.Fatalf("%v; the last lines:\n%s", err, strings.Join(last(linesOf(records), 20), "\n"))
	}
	return records
}

// until waits until enough accepts the records. With an error it returns those there
// are.
func (c *collector) until(g *guest, what string, enough func([]ncrx.Record) bool) ([]ncrx.Record, error) {
	ctx, cancel := g.whileItGoesOn(func() int { return len(c.all()) })
	defer cancel()
	for {
		c.mu.Lock()
		records, changed := slices.Clone(c.records), c.changed
		c.mu.Unlock()
		if enough(records) {
			return records, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return records, fmt.Errorf("waiting for %s over netconsole: %w; %d records", what, context.Cause(ctx), len(records))
		}
	}
}

// awaitLine waits for a line that contains text.
func (c *collector) awaitLine(g *guest, text string) []ncrx.Record {
	g.t.Helper()
	return c.await(g, text, haveLine(text))
}

// haveLine accepts records with a line that contains text.
func haveLine(text string) func([]ncrx.Record) bool {
	return func(rs []ncrx.Record) bool {
		return slices.ContainsFunc(linesOf(rs), func(l string) bool { return strings.Contains(l, text) })
	}
}

func last(lines []string, n int) []string { return lines[max(0, len(lines)-n):] }

// sameAsSerial waits until netconsole has as many lines as the serial console
// has now, and compares them, without times.
func (c *collector) sameAsSerial(g *guest) []ncrx.Record {
	g.t.Helper()
	serial := untimed(g.serial.Lines())
	records := c.await(g, "the serial console's last line", func(rs []ncrx.Record) bool {
		return len(linesOf(rs)) >= len(serial)
	})
	diffLines(g.t, serial, linesOf(records))
	return records
}

// diffLines compares the lines of the serial console with the first as many of
// netconsole.
func diffLines(t *testing.T, serial, nc []string) {
	t.Helper()
	for i, l := range serial {
		if i >= len(nc) || nc[i] != l {
			t.Errorf("line %d of the serial console is %q; netconsole has there:\n%s", i, l,
				strings.Join(nc[min(i, len(nc)):min(i+5, len(nc))], "\n"))
			return
		}
	}
}

// unbroken fails the test if anything is missing between the records.
func unbroken(t *testing.T, records []ncrx.Record) {
	t.Helper()
	for i, r := range records {
		if !r.Extended || r.Gap != 0 || r.Late || r.Restarted || r.Malformed || r.Missing != 0 ||
			i > 0 && r.Seq != records[i-1].Seq+1 {
			t.Errorf("record %d: %+v", i, r)
		}
	}
}

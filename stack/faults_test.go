package stack

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"

	"github.com/gasp-go/gasp/stack/netem"
	"github.com/gasp-go/gasp/stack/pcap"
)

// TestTCPDeliversOverABadWire moves data both ways at once over wires with each
// fault and with all of them, and has every frame accounted for. The capture on
// one side sees what was done to the frames, as it sits below.
func TestTCPDeliversOverABadWire(t *testing.T) {
	for _, config := range []string{
		"loss=2%;seed=1",
		"duplicate=10%;seed=2",
		"corrupt=2%;seed=3",
		"delay=2ms,jitter=1ms;seed=4",
		"delay=2ms,reorder=30%;seed=5",
		"loss=1%,duplicate=2%,corrupt=1%,delay=1ms,reorder=20%;seed=6",
	} {
		t.Run(config, func(t *testing.T) {
			t.Parallel()
			testBadWire(t, config)
		})
	}
}

func testBadWire(t *testing.T, config string) {
	cfg, err := netem.Parse(config)
	if err != nil {
		t.Fatal(err)
	}
	a, b := pair(t)
	start := time.Now()
	faults := netem.New(a.port.dev, func() int64 { return int64(time.Since(start)) })
	record := pcap.NewRecorder(a.port.dev, func() int64 { return int64(time.Since(start)) })
	if err := record.Start(pcap.MinRing, pcap.MinSnap); err != nil {
		t.Fatal(err)
	}
	l, err := b.ListenTCP("tcp", ":9")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	data := make([]byte, 512<<10)
	rng := rand.NewChaCha8([32]byte{})
	_, _ = rng.Read(data)
	type result struct {
		data []byte
		err  error
	}
	results := make(chan result, 2)
	exchange := func(c *gonet.TCPConn) {
		go func() {
			if _, err := c.Write(data); err != nil {
				t.Error(err)
			}
			if err := c.CloseWrite(); err != nil {
				t.Error(err)
			}
		}()
		all, err := io.ReadAll(c)
		results <- result{all, err}
	}
	go func() {
		c, err := l.Accept()
		if err != nil {
			t.Error(err)
			results <- result{}
			return
		}
		exchange(c.(*gonet.TCPConn))
	}()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	// The faults begin with the connection, and so after ARP, whose packets
	// have no checksum.
	c, err := a.DialTCP(ctx, "tcp", "10.0.0.2:9")
	if err != nil {
		t.Fatal(err)
	}
	if err := faults.Set(cfg); err != nil {
		t.Fatal(err)
	}
	go exchange(c)
	for range 2 {
		if r := <-results; r.err != nil || !bytes.Equal(r.data, data) {
			t.Errorf("%d bytes arrived, %v", len(r.data), r.err)
		}
	}
	if err := faults.Set(netem.Config{}); err != nil {
		t.Fatal(err)
	}
	rx, tx := faults.Stats()
	for _, s := range []netem.Stats{rx, tx} {
		if s.Frames+s.Duplicate != s.Passed+s.Loss+s.Limit+s.Refused+s.Flushed || s.Queued != 0 {
			t.Errorf("does not add up: %+v", s)
		}
		if cfg.Rx.Loss > 0 && s.Loss == 0 || cfg.Rx.Duplicate > 0 && s.Duplicate == 0 || cfg.Rx.Corrupt > 0 && s.Corrupt == 0 ||
			cfg.Rx.Delay > 0 && s.Delayed == 0 || cfg.Rx.Reorder > 0 && s.Reorder == 0 {
			t.Errorf("nothing happened: %+v", s)
		}
	}
	if s := record.Stats(); s.Frames < rx.Frames+tx.Passed {
		t.Errorf("captured %d, of %d received and %d sent", s.Frames, rx.Frames, tx.Passed)
	}
}

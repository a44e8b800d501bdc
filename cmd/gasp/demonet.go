package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// Pauses between attempts to reach a guest that boots, bounds of the first
// and of the longest attempt, and how long one datagram may be under way.
const (
	retry     = 50 * time.Millisecond
	firstTry  = 250 * time.Millisecond
	longTry   = 8 * time.Second
	echoReply = time.Second
)

// serves waits for the network and uses every service of the firmware.
func (d *demo) serves(ctx context.Context, started time.Time) error {
	var page []byte
	err := d.step(ctx, "waiting for the network", demoNetwork, func(ctx context.Context) (err error) {
		page, err = getRetrying(ctx, d.httpAt+"/")
		return err
	})
	if err != nil {
		return err
	}
	d.p.note(fmt.Sprintf("GET /: %d bytes, %d ms after QEMU was started", len(page), time.Since(started).Milliseconds()))

	err = d.step(ctx, "GET /stats.json", demoStep, func(ctx context.Context) error {
		body, err := get(ctx, d.httpAt+"/stats.json")
		if err != nil {
			return err
		}
		var counters map[string]any
		if err := json.Unmarshal(body, &counters); err != nil {
			return err
		}
		if len(counters) == 0 {
			return errors.New("an empty object")
		}
		d.p.note(fmt.Sprintf("GET /stats.json: %d bytes", len(body)))
		return nil
	})
	if err != nil {
		return err
	}

	// More than one segment, and a datagram near the MTU.
	err = d.step(ctx, "TCP echo", demoStep, func(ctx context.Context) error {
		return echoTCP(ctx, d.echoTCP, bytes.Repeat([]byte("gasp over TCP. "), 1000))
	})
	if err != nil {
		return err
	}
	d.p.note("TCP echo: 15000 bytes")
	err = d.step(ctx, "UDP echo", demoStep, func(ctx context.Context) error {
		return echoUDP(ctx, d.echoUDP, bytes.Repeat([]byte("gasp over UDP. "), 90))
	})
	if err != nil {
		return err
	}
	d.p.note("UDP echo: 1350 bytes")
	return nil
}

// client keeps no connections: QEMU accepts them before the guest does.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

func getRetrying(ctx context.Context, url string) ([]byte, error) {
	// Each attempt has its own bound, since QEMU's side of a connection stays
	// open when the guest does not take it. The bound grows, so that a slow
	// guest is reached too.
	for bound := firstTry; ; bound = min(2*bound, longTry) {
		try, cancel := context.WithTimeout(ctx, bound)
		body, err := get(try, url)
		cancel()
		if err == nil {
			return body, nil
		}
		select {
		case <-time.After(retry):
		case <-ctx.Done():
			return nil, err
		}
	}
}

// maxPage bounds what is read of a page.
const maxPage = 16 << 20

func get(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	return do(req)
}

func do(req *http.Request) ([]byte, error) {
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxPage))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", resp.Status, bytes.TrimSpace(body))
	}
	return body, nil
}

// postDie asks the firmware to panic. It may be dead before its answer is out;
// only an answer that says no is an error.
func postDie(ctx context.Context, base string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/die?how=panic", nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 1024))
		return fmt.Errorf("%s: %s", resp.Status, bytes.TrimSpace(body))
	}
	return nil
}

// echoTCP sends data to an echo service and reads as much back.
func echoTCP(ctx context.Context, addr string, data []byte) error {
	var dialer net.Dialer
	c, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })()
	// Written beside the reading: an echo that is behind stops reading.
	go c.Write(data)
	got := make([]byte, len(data))
	if n, err := io.ReadFull(c, got); err != nil {
		return fmt.Errorf("after %d of %d bytes: %w", n, len(data), err)
	}
	if !bytes.Equal(got, data) {
		return errors.New("what came back is not what was sent")
	}
	return nil
}

// echoUDP sends data to an echo service until it comes back: a datagram may be
// lost.
func echoUDP(ctx context.Context, addr string, data []byte) error {
	var dialer net.Dialer
	c, err := dialer.DialContext(ctx, "udp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	got := make([]byte, len(data)+1)
	for {
		if _, err := c.Write(data); err != nil && ctx.Err() != nil {
			return err
		}
		c.SetReadDeadline(time.Now().Add(echoReply))
		n, err := c.Read(got)
		if err == nil {
			if !bytes.Equal(got[:n], data) {
				return errors.New("what came back is not what was sent")
			}
			return nil
		}
		if ctx.Err() != nil {
			return err
		}
	}
}

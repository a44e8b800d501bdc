// Package sntp asks an NTP server for the time: a simple client as RFC 4330
// describes it, one exchange at a time, no discipline of the clock.
package sntp

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"time"
)

// Size of a packet without extensions, and the offset of fields in it (RFC
// 4330, section 4).
const (
	packetSize = 48
	offStratum = 1
	offOrigin  = 24
	offReceive = 32
	offSend    = 40

	leapUnknown = 3
	version     = 4
	modeClient  = 3
	modeServer  = 4

	// epoch is 1970 in NTP's seconds since 1900, which wrap in 2036.
	epoch = 2_208_988_800
)

var (
	errShort = errors.New("sntp: answer too short")
	errOther = errors.New("sntp: answer to another request")
)

// Answer is what a server said.
type Answer struct {
	Time    time.Time     // the server's, at the moment the answer came in
	Delay   time.Duration // of the network, both ways
	Stratum int
}

// Query asks server ("host" or "host:port") once. now is a monotonic clock,
// such as the time since boot. It returns when ctx ends at the latest.
func Query(ctx context.Context, server string, now func() time.Duration) (Answer, error) {
	if _, _, err := net.SplitHostPort(server); err != nil {
		server = net.JoinHostPort(server, "123")
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, "udp", server)
	if err != nil {
		return Answer{}, err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })()

	// The origin time stamp comes back in the answer and nothing else is made
	// of it: a random one tells answers from forgeries (RFC 4330, section 3).
	var cookie [8]byte
	rand.Read(cookie[:])
	req := make([]byte, packetSize)
	req[0] = version<<3 | modeClient
	copy(req[offSend:], cookie[:])
	sent := now()
	if _, err := c.Write(req); err != nil {
		return Answer{}, err
	}
	buf := make([]byte, 512)
	for {
		n, err := c.Read(buf)
		if err != nil {
			if ctx.Err() != nil {
				err = ctx.Err()
			}
			return Answer{}, err
		}
		a, err := Parse(buf[:n], cookie, now()-sent)
		if err == errOther || err == errShort {
			continue // the right one may still come
		}
		return a, err
	}
}

// Parse reads a server's answer to the request that carried cookie, which took
// took to come.
func Parse(p []byte, cookie [8]byte, took time.Duration) (Answer, error) {
	if len(p) < packetSize {
		return Answer{}, errShort
	}
	if [8]byte(p[offOrigin:]) != cookie {
		return Answer{}, errOther
	}
	leap, mode := p[0]>>6, p[0]&7
	stratum := int(p[offStratum])
	switch {
	case mode != modeServer:
		return Answer{}, fmt.Errorf("sntp: answer of mode %d", mode)
	case stratum == 0:
		return Answer{}, fmt.Errorf("sntp: the server refuses: %q", p[12:16])
	case leap == leapUnknown || stratum > 15:
		return Answer{}, errors.New("sntp: the server is not synchronised")
	}
	received, sent := stamp(p[offReceive:]), stamp(p[offSend:])
	if received.IsZero() || sent.IsZero() || sent.Before(received) {
		return Answer{}, errors.New("sntp: time stamps make no sense")
	}
	delay := max(took-sent.Sub(received), 0)
	return Answer{Time: sent.Add(delay / 2), Delay: delay, Stratum: stratum}, nil
}

// stamp reads an NTP time stamp; the zero Time if it is not set. Seconds with the
// top bit clear are those after 2036 (RFC 4330, section 3).
func stamp(p []byte) time.Time {
	sec, frac := binary.BigEndian.Uint32(p), binary.BigEndian.Uint32(p[4:])
	if sec == 0 && frac == 0 {
		return time.Time{}
	}
	s := int64(sec) - epoch
	if sec>>31 == 0 {
		s += 1 << 32
	}
	return time.Unix(s, int64(uint64(frac)*1e9>>32))
}

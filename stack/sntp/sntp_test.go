package sntp

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"testing"
	"time"
)

var cookie = [8]byte{1, 2, 3, 4, 5, 6, 7, 8}

func put(p []byte, t time.Time) {
	binary.BigEndian.PutUint32(p, uint32(t.Unix()+epoch))
	binary.BigEndian.PutUint32(p[4:], uint32(uint64(t.Nanosecond())<<32/1e9))
}

// answer is a good one: received at t, sent 10 ms later.
func answer(t time.Time) []byte {
	p := make([]byte, packetSize)
	p[0], p[offStratum] = version<<3|modeServer, 2
	copy(p[offOrigin:], cookie[:])
	put(p[offReceive:], t)
	put(p[offSend:], t.Add(10*time.Millisecond))
	return p
}

func TestTheAnswersTimeIsMovedByHalfTheDelay(t *testing.T) {
	for _, at := range []time.Time{
		time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC),
		time.Date(2036, 2, 7, 6, 28, 15, 0, time.UTC), // the last second of era 0
		time.Date(2036, 2, 7, 6, 28, 17, 0, time.UTC), // era 1
		time.Date(2050, 1, 1, 0, 0, 0, 0, time.UTC),
	} {
		a, err := Parse(answer(at), cookie, 50*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		want := at.Add(10*time.Millisecond + 20*time.Millisecond)
		if d := a.Time.Sub(want).Abs(); d > time.Microsecond || (a.Delay-40*time.Millisecond).Abs() > time.Microsecond || a.Stratum != 2 {
			t.Errorf("%v: %+v, want %v", at, a, want)
		}
	}
}

func TestBadAnswersAreErrors(t *testing.T) {
	good := answer(time.Unix(1_800_000_000, 0))
	for name, spoil := range map[string]func(p []byte) []byte{
		"short":           func(p []byte) []byte { return p[:packetSize-1] },
		"empty":           func(p []byte) []byte { return nil },
		"another's":       func(p []byte) []byte { p[offOrigin]++; return p },
		"a client's":      func(p []byte) []byte { p[0] = version<<3 | modeClient; return p },
		"kiss of death":   func(p []byte) []byte { p[offStratum] = 0; return p },
		"not synchronous": func(p []byte) []byte { p[0] |= leapUnknown << 6; return p },
		"stratum 16":      func(p []byte) []byte { p[offStratum] = 16; return p },
		"no time":         func(p []byte) []byte { clear(p[offSend:]); return p },
		"backwards":       func(p []byte) []byte { put(p[offSend:], time.Unix(1_799_999_999, 0)); return p },
	} {
		if a, err := Parse(spoil(append([]byte(nil), good...)), cookie, 0); err == nil {
			t.Errorf("%s: %+v", name, a)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(answer(time.Unix(1_800_000_000, 0)))
	f.Fuzz(func(t *testing.T, p []byte) {
		a, err := Parse(p, cookie, time.Second)
		if err == nil && (a.Delay < 0 || a.Delay > time.Second || a.Stratum < 1) {
			t.Errorf("%+v", a)
		}
	})
}

func TestQueryIgnoresWhatIsNotItsAnswer(t *testing.T) {
	srv, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	want := time.Unix(1_800_000_000, 0)
	go func() {
		buf := make([]byte, 100)
		n, from, err := srv.ReadFrom(buf)
		if err != nil || n != packetSize {
			return
		}
		srv.WriteTo([]byte("noise"), from)
		srv.WriteTo(answer(want), from) // a forgery: not its cookie
		p := answer(want)
		copy(p[offOrigin:], buf[offSend:offSend+8])
		srv.WriteTo(p, from)
	}()
	now := func() time.Duration { return 0 }
	a, err := Query(t.Context(), srv.LocalAddr().String(), now)
	if err != nil || a.Time.Sub(want).Abs() > time.Second {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestQueryEndsWithItsContext(t *testing.T) {
	srv, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := Query(ctx, srv.LocalAddr().String(), func() time.Duration { return 0 }); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

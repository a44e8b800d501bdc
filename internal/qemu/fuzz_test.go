package qemu

import "testing"

// FuzzForward: what is understood is understood the same when it is written.
func FuzzForward(f *testing.F) {
	for _, s := range []string{"tcp::8080-:80", "udp:127.0.0.1:0-:53", "tcp:::1:80-:80", "tcp::1-10.0.2.15:80", "tcp::+1-:80"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		fwd, err := ParseForward(s)
		if err != nil {
			return
		}
		again, err := ParseForward(fwd.String())
		if err != nil || again.Addr() != fwd.Addr() || again.Guest != fwd.Guest || again.Proto != fwd.Proto {
			t.Errorf("%q: %+v, and then %+v, %v", s, fwd, again, err)
		}
	})
}

func FuzzMemory(f *testing.F) {
	for _, s := range []string{"128M", "1G", "64", "0", "-1M", "99999999999G"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := ParseMemory(s); err == nil && (n == 0 || n > 1<<32) {
			t.Errorf("%q is %d", s, n)
		}
	})
}

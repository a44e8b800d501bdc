package stack

import (
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
)

func TestOurClockIsGVisors(t *testing.T) {
	for _, ns := range []int64{0, 1, 999_999_999, 1 << 40} {
		c := clock{now: func() int64 { return ns }}
		if got, want := c.NowMonotonic(), (tcpip.MonotonicTime{}).Add(time.Duration(ns)); got != want {
			t.Errorf("%d ns: %v, gVisor's is %v", ns, got, want)
		}
	}
}

package stack

import (
	"bytes"
	"io"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

// connected returns both ends of a connection from a to b, and b's endpoint.
func connected(t *testing.T, a, b *node) (from, to io.ReadWriteCloser, ep *tcp.Endpoint) {
	t.Helper()
	l, err := b.ListenTCP("tcp", ":9")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := a.DialTCP(t.Context(), "tcp", "10.0.0.2:9")
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range b.gv.RegisteredEndpoints() {
		if e, ok := e.(*tcp.Endpoint); ok && e.EndpointState() == tcp.StateEstablished {
			ep = e
		}
	}
	if ep == nil {
		t.Fatal("no endpoint")
	}
	t.Cleanup(func() { c.Close(); s.Close() })
	return c, s, ep
}

// What comes while somebody has the endpoint's lock, for whatever reason, is
// processed when he lets go.
func TestASegmentForALockedEndpointWaitsForItsLock(t *testing.T) {
	for name, lock := range map[string]struct{ lock, unlock func(*tcp.Endpoint) }{
		"a user":  {(*tcp.Endpoint).LockUser, (*tcp.Endpoint).UnlockUser},
		"a timer": {(*tcp.Endpoint).StopWork, (*tcp.Endpoint).ResumeWork},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := pair(t)
			from, to, ep := connected(t, a, b)
			before := b.Stats()
			lock.lock(ep)
			if _, err := from.Write([]byte("for later")); err != nil {
				t.Fatal(err)
			}
			for i := 0; b.Stats().TCP.InSegs == before.TCP.InSegs; i++ {
				if i == 10_000 {
					t.Fatal("it does not arrive")
				}
				time.Sleep(time.Millisecond)
			}
			if n := b.Stats().Link.TCPDirect - before.Link.TCPDirect; n != 0 {
				t.Errorf("%d segments were processed without the lock", n)
			}
			lock.unlock(ep)
			got := make([]byte, 9)
			if _, err := io.ReadFull(to, got); err != nil || !bytes.Equal(got, []byte("for later")) {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

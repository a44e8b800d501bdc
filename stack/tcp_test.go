package stack

import (
	"bytes"
	"io"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// connected returns both ends of a connection from a to b, and b's endpoint.
func connected(t *testing.T, a, b *node, port string) (from, to io.ReadWriteCloser, ep *tcp.Endpoint) {
	t.Helper()
	l, err := b.ListenTCP("tcp", ":"+port)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := a.DialTCP(t.Context(), "tcp", "10.0.0.2:"+port)
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
			from, to, ep := connected(t, a, b, "9")
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

// A peer that resets its connection while the other end sends harms nobody else.
func TestAConnectionThatIsResetHarmsNoOther(t *testing.T) {
	a, b := pair(t)
	other, echo, _ := connected(t, a, b, "7")
	from, to, _ := connected(t, a, b, "9")
	go io.Copy(echo, echo)
	sent := make(chan error)
	go func() {
		for {
			if _, err := to.Write(bytes.Repeat([]byte("all work and no play "), 100)); err != nil {
				sent <- err
				return
			}
		}
	}()
	if _, err := io.ReadFull(from, make([]byte, 74)); err != nil {
		t.Fatal(err)
	}
	for _, e := range a.gv.RegisteredEndpoints() {
		if e, ok := e.(*tcp.Endpoint); ok && e.Readiness(waiter.EventIn) != 0 {
			e.Abort()
		}
	}
	select {
	case <-sent:
	case <-time.After(10 * time.Second):
		t.Fatal("the reset is not noticed")
	}
	want := bytes.Repeat([]byte("x"), 10000)
	go other.Write(want)
	got := make([]byte, len(want))
	if _, err := io.ReadFull(other, got); err != nil || !bytes.Equal(got, want) {
		t.Error(err)
	}
}

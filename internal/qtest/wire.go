package qtest

import (
	"fmt"
	"net"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// Wire is the other end of a port's cable.
type Wire struct {
	t    testing.TB
	n    int
	here string
	qemu string
	conn *net.UnixConn
	over atomic.Bool // the test is
}

func newWire(t testing.TB, dir string, n int) *Wire {
	w := &Wire{t: t, n: n,
		here: filepath.Join(dir, fmt.Sprintf("wire%d", n)),
		qemu: filepath.Join(dir, fmt.Sprintf("nic%d", n))}
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: w.here, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	c.SetReadBuffer(1 << 22)
	w.conn = c
	t.Cleanup(func() { w.over.Store(true); c.Close() })
	return w
}

func (w *Wire) args() []string {
	return []string{
		"-netdev", fmt.Sprintf("dgram,id=n%d,local.type=unix,local.path=%s,remote.type=unix,remote.path=%s", w.n, w.qemu, w.here),
		"-net", fmt.Sprintf("nic,netdev=n%d", w.n),
	}
}

// Send puts a frame, without FCS, on the wire. QEMU takes frames in order, when
// the device has a place for them; Send waits once about ten are under way. It
// may be called from any goroutine.
func (w *Wire) Send(frame []byte) {
	w.t.Helper()
	w.conn.SetWriteDeadline(time.Now().Add(10 * time.Second))
	if _, err := w.conn.WriteToUnix(frame, &net.UnixAddr{Name: w.qemu, Net: "unixgram"}); err != nil && !w.over.Load() {
		w.t.Errorf("wire: %v", err)
	}
}

// Receive takes the next frame the port sent. It returns nil if none comes
// within the timeout.
func (w *Wire) Receive(timeout time.Duration) []byte {
	buf := make([]byte, 1<<16)
	w.conn.SetReadDeadline(time.Now().Add(timeout))
	n, err := w.conn.Read(buf)
	if err != nil {
		return nil
	}
	return buf[:n]
}

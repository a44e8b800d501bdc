package systest

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// testServices is what the services promise, whatever the wire. bulk is how
// many bytes are sent over a TCP connection, many how many connections there
// are at the same time.
func testServices(t *testing.T, to way, bulk, many int) {
	t.Run("TCP echo returns every byte", func(t *testing.T) { testTCPEcho(t, to, bulk) })
	t.Run("TCP discard takes everything and ends when we do", func(t *testing.T) { testTCPDiscard(t, to, bulk) })
	t.Run("TCP chargen sends its pattern as fast as it is read", func(t *testing.T) { testTCPChargen(t, to) })
	t.Run("a connection that is reset harms no other", func(t *testing.T) { testReset(t, to) })
	t.Run("many connections at the same time are all served", func(t *testing.T) { testManyConnections(t, to, many) })
	t.Run("UDP chargen answers with a line", func(t *testing.T) {
		if err := exchange(to, portChargen, []byte("x"), exactly([]byte(chargenLine(0)))); err != nil {
			t.Error(err)
		}
	})
}

// echo sends data, half-closes, and compares what comes back to the end.
func echo(c net.Conn, data []byte) error {
	sent := make(chan error, 1)
	go func() {
		_, err := c.Write(data)
		if err == nil {
			err = c.(*net.TCPConn).CloseWrite()
		}
		sent <- err
	}()
	h := sha256.New()
	n, err := io.Copy(h, c)
	if err == nil {
		err = <-sent
	}
	if want := sha256.Sum256(data); err == nil && !bytes.Equal(h.Sum(nil), want[:]) {
		err = fmt.Errorf("%d bytes came back, %d were sent, and they differ", n, len(data))
	}
	return err
}

func testTCPEcho(t *testing.T, to way, bulk int) {
	for _, n := range []int{0, 1, 1460, bulk} {
		if err := echo(connect(t, to, "tcp", portEcho), pattern(n)); err != nil {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func testTCPDiscard(t *testing.T, to way, bulk int) {
	c := connect(t, to, "tcp", portDiscard)
	if _, err := c.Write(pattern(bulk)); err != nil {
		t.Fatal(err)
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(c); len(b) > 0 || err != nil {
		t.Errorf("%d bytes, %v", len(b), err)
	}
}

// chargenLine is line i of RFC 864, of all printable characters.
func chargenLine(i int) string {
	var b strings.Builder
	for j := range 72 {
		b.WriteByte(byte(' ' + (i+j)%95))
	}
	return b.String() + "\r\n"
}

// testTCPChargen reads little: every line is a segment of its own.
func testTCPChargen(t *testing.T, to way) {
	c := connect(t, to, "tcp", portChargen)
	buf := make([]byte, 74)
	for i := range 2000 {
		if _, err := io.ReadFull(c, buf); err != nil {
			t.Fatalf("line %d: %v", i, err)
		}
		if string(buf) != chargenLine(i) {
			t.Fatalf("line %d is %q", i, buf)
		}
	}
}

func testReset(t *testing.T, to way) {
	other := connect(t, to, "tcp", portEcho)
	c := connect(t, to, "tcp", portChargen)
	if _, err := io.ReadFull(c, make([]byte, 74)); err != nil {
		t.Fatal(err)
	}
	c.(*net.TCPConn).SetLinger(0)
	c.Close()
	if err := echo(other, pattern(10000)); err != nil {
		t.Error(err)
	}
}

func testManyConnections(t *testing.T, to way, many int) {
	var all sync.WaitGroup
	for i := range many {
		c := connect(t, to, "tcp", portEcho)
		all.Go(func() {
			if err := echo(c, pattern(20000+i)); err != nil {
				t.Errorf("connection %d: %v", i, err)
			}
		})
	}
	all.Wait()
}

// testUDPEcho sends datagrams of these sizes.
func testUDPEcho(t *testing.T, to way, sizes ...int) {
	for _, n := range sizes {
		if err := exchange(to, portEcho, pattern(n), exactly(pattern(n))); err != nil {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

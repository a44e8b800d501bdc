//go:build arm && (mx6ulevk || sabrelite)

package sockets_test

import (
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/gasp-go/gasp/board/kernel"
)

// net's File and FileConn: copies of a socket's descriptor.

func TestAConnectionLivesAsLongAsOneCopyOfIt(t *testing.T) {
	for _, lo := range loopbacks {
		t.Run(lo.name, func(t *testing.T) {
			c, err := net.Dial("tcp", serveTCP(t, lo.host, echo))
			if err != nil {
				t.Fatal(err)
			}
			f, err := c.(*net.TCPConn).File()
			if err != nil {
				t.Fatal(err)
			}
			want := c.LocalAddr().String() + c.RemoteAddr().String()
			c.Close()
			two, err := net.FileConn(f)
			if err != nil {
				t.Fatal(err)
			}
			f.Close()
			if got := two.LocalAddr().String() + two.RemoteAddr().String(); got != want {
				t.Errorf("addresses %s, want %s", got, want)
			}
			two.SetDeadline(time.Now().Add(20 * time.Second))
			fmt.Fprint(two, "copied")
			two.(*net.TCPConn).CloseWrite()
			if got, err := io.ReadAll(two); err != nil || string(got) != "copied" {
				t.Errorf("%q, %v", got, err)
			}
			two.Close()
		})
	}
}

func TestAFileOfAConnectionReadsAndWrites(t *testing.T) {
	c, err := net.Dial("tcp", serveTCP(t, "127.0.0.1", echo))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	f, err := c.(*net.TCPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	f.Fd()
	go func() {
		time.Sleep(20 * time.Millisecond)
		io.WriteString(f, "by the file")
	}()
	buf := make([]byte, 11)
	if _, err := io.ReadFull(f, buf); err != nil || string(buf) != "by the file" {
		t.Errorf("%q, %v", buf, err)
	}
}

func TestAListenerGoesOnInItsCopy(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	two, err := net.FileListener(f)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	defer two.Close()
	go func() {
		if c, err := net.Dial("tcp", two.Addr().String()); err == nil {
			fmt.Fprint(c, "hello")
			c.Close()
		}
	}()
	two.(*net.TCPListener).SetDeadline(time.Now().Add(20 * time.Second))
	c, err := two.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(c); err != nil || string(got) != "hello" {
		t.Errorf("%q, %v", got, err)
	}
	c.Close()
}

func TestAPacketConnGoesOnInItsCopy(t *testing.T) {
	before := kernel.SocketStat().InUse
	p, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f, err := p.(*net.UDPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	two, err := net.FilePacketConn(f)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	p.SetDeadline(time.Now().Add(20 * time.Second))
	two.SetDeadline(time.Now().Add(20 * time.Second))
	// What is sent by one is received by the other: it is one socket.
	if _, err := p.WriteTo([]byte("to myself"), two.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 20)
	if n, from, err := two.ReadFrom(buf); err != nil || string(buf[:n]) != "to myself" || from.String() != p.LocalAddr().String() {
		t.Errorf("%q from %v, %v", buf[:n], from, err)
	}
	p.Close()
	two.Close()
	settled(t, before)
}

// settled waits until no more sockets are in use than before: the last ones may
// still be closing.
func settled(t *testing.T, before uint64) {
	t.Helper()
	for range 3000 {
		if kernel.SocketStat().InUse <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d sockets in use, %d before", kernel.SocketStat().InUse, before)
}

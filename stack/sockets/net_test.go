//go:build arm && (mx6ulevk || sabrelite)

package sockets_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/gasp-go/gasp"
	"github.com/gasp-go/gasp/board/kernel"
)

// These tests use the standard library's net as it is, on the firmware's own
// stack, over its loopback interface ("gasp test -image").

func TestMain(m *testing.M) {
	gasp.Start()
	os.Exit(m.Run())
}

var loopbacks = []struct{ name, host string }{{"IPv4", "127.0.0.1"}, {"IPv6", "::1"}}

// serveTCP runs fn for each connection to a new listener and returns its address.
func serveTCP(t *testing.T, host string, fn func(net.Conn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				fn(c)
			}()
		}
	}()
	return ln.Addr().String()
}

func echo(c net.Conn) { io.Copy(c, c) }

func TestTCPCarriesEveryByteBothWays(t *testing.T) {
	for _, lo := range loopbacks {
		t.Run(lo.name, func(t *testing.T) {
			addr := serveTCP(t, lo.host, echo)
			c, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if c.RemoteAddr().String() != addr || c.LocalAddr().(*net.TCPAddr).Port == 0 {
				t.Errorf("%v to %v, want %v", c.LocalAddr(), c.RemoteAddr(), addr)
			}
			data := make([]byte, 500_000)
			rand.Read(data)
			go func() {
				c.Write(data)
				c.(*net.TCPConn).CloseWrite()
			}()
			got, err := io.ReadAll(c)
			if err != nil || sha256.Sum256(got) != sha256.Sum256(data) {
				t.Errorf("%d of %d bytes, %v", len(got), len(data), err)
			}
		})
	}
}

func TestUDPKeepsDatagramsApart(t *testing.T) {
	for _, lo := range loopbacks {
		t.Run(lo.name, func(t *testing.T) {
			a, err := net.ListenPacket("udp", net.JoinHostPort(lo.host, "0"))
			if err != nil {
				t.Fatal(err)
			}
			defer a.Close()
			b, err := net.Dial("udp", a.LocalAddr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			buf := make([]byte, 70_000)
			for _, n := range []int{0, 1, 2, 3, 100, 1472, 1473, 9000, 65_000} {
				out := bytes.Repeat([]byte{byte(n)}, n)
				if _, err := b.Write(out); err != nil {
					t.Fatalf("%d bytes: %v", n, err)
				}
				m, from, err := a.ReadFrom(buf)
				if err != nil || !bytes.Equal(buf[:m], out) || from.String() != b.LocalAddr().String() {
					t.Fatalf("sent %d from %v, got %d from %v, %v", n, b.LocalAddr(), m, from, err)
				}
				if _, err := a.WriteTo(out, from); err != nil {
					t.Fatal(err)
				}
				if m, err = b.Read(buf); err != nil || m != n {
					t.Fatalf("answer of %d: %d, %v", n, m, err)
				}
			}
		})
	}
}

func TestALongDatagramIsCutNotSpilled(t *testing.T) {
	a, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	for _, s := range []string{"0123456789", "next"} {
		if _, err := a.WriteTo([]byte(s), a.LocalAddr()); err != nil {
			t.Fatal(err)
		}
	}
	small := make([]byte, 4)
	for _, want := range []string{"0123", "next"} {
		n, _, flags, _, err := a.ReadMsgUDP(small, nil)
		if err != nil || string(small[:n]) != want {
			t.Errorf("%q, %v, want %q", small[:n], err, want)
		}
		if cut := flags&syscall.MSG_TRUNC != 0; cut != (want == "0123") {
			t.Errorf("%q: MSG_TRUNC %v", want, cut)
		}
	}
}

func TestErrorsAreLinuxs(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	if _, err := net.Listen("tcp", addr); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("a second listener: %v", err)
	}
	ln.Close()
	if _, err := net.Dial("tcp", addr); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("nobody listens: %v", err)
	}
	if _, err := net.Listen("tcp", "203.0.113.1:0"); !errors.Is(err, syscall.EADDRNOTAVAIL) {
		t.Errorf("somebody else's address: %v", err)
	}
	if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("accept on a closed listener: %v", err)
	}
}

func TestDeadlinesEndCalls(t *testing.T) {
	block := make(chan bool)
	defer close(block)
	addr := serveTCP(t, "127.0.0.1", func(c net.Conn) { <-block })
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read: %v", err)
	}
	c.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
	for err == nil {
		_, err = c.Write(make([]byte, 100_000)) // nobody reads
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("write: %v", err)
	}
}

func TestClosingEndsARead(t *testing.T) {
	addr := serveTCP(t, "127.0.0.1", echo)
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		_, err := c.Read(make([]byte, 1))
		done <- err
	}()
	time.Sleep(10 * time.Millisecond)
	c.Close()
	if err := <-done; !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

func TestAResetIsECONNRESET(t *testing.T) {
	addr := serveTCP(t, "127.0.0.1", func(c net.Conn) {
		c.Read(make([]byte, 1)) // else the reset may come before Dial is done, and be its error
		c.(*net.TCPConn).SetLinger(0)
	})
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(c); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%v, want ECONNRESET", err)
	}
}

func TestHTTPClientAndServer(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body) // all of it first: HTTP/1 may not answer before
		if err != nil {
			t.Error(err)
		}
		w.Write(body)
	})}
	go srv.Serve(ln)
	defer srv.Close()
	for _, n := range []int{0, 1, 100_000} {
		body := bytes.Repeat([]byte("x"), n)
		r, err := http.Post("http://"+ln.Addr().String(), "text/plain", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil || !bytes.Equal(got, body) {
			t.Errorf("%d of %d bytes, %v", len(got), n, err)
		}
	}
}

func TestTLS(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, _ := x509.ParseCertificate(der)
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	addr := serveTCP(t, "127.0.0.1", func(c net.Conn) {
		echo(tls.Server(c, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}))
	})
	c, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: roots, ServerName: "localhost"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "secret")
	buf := make([]byte, 6)
	if _, err := io.ReadFull(c, buf); err != nil || string(buf) != "secret" {
		t.Errorf("%q, %v", buf, err)
	}
}

func TestTheResolverKnowsLocalhost(t *testing.T) {
	ips, err := net.DefaultResolver.LookupHost(context.Background(), "localhost")
	if err != nil || len(ips) == 0 {
		t.Errorf("%v, %v", ips, err)
	}
}

func TestOptionsAreTaken(t *testing.T) {
	addr := serveTCP(t, "127.0.0.1", echo)
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	c := nc.(*net.TCPConn)
	for name, err := range map[string]error{
		"nodelay":      c.SetNoDelay(false),
		"keepalive":    c.SetKeepAlive(true),
		"keepaliveCfg": c.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: time.Minute, Interval: 5 * time.Second, Count: 3}),
		"rcvbuf":       c.SetReadBuffer(32 << 10),
		"sndbuf":       c.SetWriteBuffer(32 << 10),
		"linger":       c.SetLinger(3),
	} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSocketsOfNoKnownKindAreRefused(t *testing.T) {
	for _, c := range []struct {
		domain, typ, proto int
		want               error
	}{
		{syscall.AF_UNIX, syscall.SOCK_STREAM, 0, syscall.EAFNOSUPPORT},
		{syscall.AF_INET, syscall.SOCK_RAW, 1, syscall.ESOCKTNOSUPPORT},
		{syscall.AF_INET, syscall.SOCK_STREAM, 17, syscall.EPROTONOSUPPORT},
		{-1, -1, -1, syscall.EAFNOSUPPORT},
	} {
		if fd, err := syscall.Socket(c.domain, c.typ, c.proto); err != c.want {
			t.Errorf("socket(%d, %d, %d) = %d, %v, want %v", c.domain, c.typ, c.proto, fd, err, c.want)
		}
	}
}

func BenchmarkUDPEcho(b *testing.B) {
	s, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	go func() {
		buf := make([]byte, 2000)
		for {
			n, from, err := s.ReadFrom(buf)
			if err != nil {
				return
			}
			s.WriteTo(buf[:n], from)
		}
	}()
	c, err := net.Dial("udp4", s.LocalAddr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	buf := make([]byte, 64)
	for b.Loop() {
		c.Write(buf)
		if _, err := c.Read(buf); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTCPConnect(b *testing.B) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	idle, start := kernel.CPUStat().Idle, kernel.Nanotime()
	for b.Loop() {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
	busy := kernel.Nanotime() - start - (kernel.CPUStat().Idle - idle)
	b.ReportMetric(float64(busy)/float64(b.N), "busy-ns/op")
}

func BenchmarkTCPThroughput(b *testing.B) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			io.Copy(io.Discard, c)
			c.Close()
		}
	}()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	buf := make([]byte, 32<<10)
	b.SetBytes(int64(len(buf)))
	for b.Loop() {
		if _, err := c.Write(buf); err != nil {
			b.Fatal(err)
		}
	}
}

//go:build arm

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// patience bounds every wait for a datagram.
const patience = 30 * time.Second

// datagrams serves what is to be done with UDP sockets. Each answers with "ok" or
// what went wrong.
func datagrams() {
	serve("/udp/echo", udpEcho)
	serve("/udp/refused", udpRefused)
	serve("/udp/options", udpOptions)
	serve("/udp/group", udpGroup)
	serve("/udp/broadcast", udpBroadcast)
	serve("/udp/share", udpShare)
	serve("/udp/stream", udpStream)
	serve("/tcp/bulk", tcpBulk)
}

func serve(path string, fn func(r *http.Request) (string, error)) {
	http.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
		s, err := fn(r)
		if err != nil {
			s = err.Error()
			var e syscall.Errno
			if errors.As(err, &e) {
				s = fmt.Sprintf("errno %d", int(e))
			}
		}
		fmt.Fprint(w, s)
	})
}

func number(r *http.Request, name string) int {
	n, _ := strconv.Atoi(r.FormValue(name))
	return n
}

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i * 7)
	}
	return b
}

// udpEcho sends size bytes to an echo server, n times in a row, the first of them
// until it is answered, and wants them back.
func udpEcho(r *http.Request) (string, error) {
	c, err := net.Dial("udp", r.FormValue("addr"))
	if err != nil {
		return "", err
	}
	defer c.Close()
	out, in := pattern(number(r, "size")), make([]byte, 70_000)
	end := time.Now().Add(patience)
	for got := 0; got < number(r, "n"); {
		if time.Now().After(end) {
			return "", errors.New("no answer")
		}
		if _, err := c.Write(out); err != nil {
			return "", err
		}
		c.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
		n, err := c.Read(in)
		var t net.Error
		if errors.As(err, &t) && t.Timeout() {
			continue
		}
		if err != nil {
			return "", err
		}
		if !bytes.Equal(in[:n], out) {
			return "", fmt.Errorf("%d bytes came back, and not the right ones", n)
		}
		got++
	}
	return "ok", nil
}

// udpRefused sends until a read tells an error.
func udpRefused(r *http.Request) (string, error) {
	c, err := net.Dial("udp", r.FormValue("addr"))
	if err != nil {
		return "", err
	}
	defer c.Close()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if _, err := c.Write([]byte("x")); err != nil {
			return "", err
		}
		c.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
		_, err := c.Read(make([]byte, 1))
		if t := net.Error(nil); errors.As(err, &t) && t.Timeout() {
			continue
		}
		return "", err
	}
	return "no error", nil
}

// udpOptions sends n datagrams with a TTL and a TOS.
func udpOptions(r *http.Request) (string, error) {
	c, err := net.Dial("udp", r.FormValue("addr"))
	if err != nil {
		return "", err
	}
	defer c.Close()
	level, ttl, tos := syscall.IPPROTO_IP, syscall.IP_TTL, syscall.IP_TOS
	if r.FormValue("v") == "6" {
		level, ttl, tos = syscall.IPPROTO_IPV6, syscall.IPV6_UNICAST_HOPS, syscall.IPV6_TCLASS
	}
	for i := range number(r, "n") {
		if i == 3 { // from there on; those before may have gone another way
			raw, err := c.(*net.UDPConn).SyscallConn()
			if err != nil {
				return "", err
			}
			var e1, e2 error
			raw.Control(func(fd uintptr) {
				e1 = syscall.SetsockoptInt(int(fd), level, ttl, number(r, "ttl"))
				e2 = syscall.SetsockoptInt(int(fd), level, tos, number(r, "tos"))
			})
			if err := errors.Join(e1, e2); err != nil {
				return "", err
			}
		}
		if _, err := fmt.Fprint(c, i); err != nil {
			return "", err
		}
		time.Sleep(20 * time.Millisecond)
	}
	return "ok", nil
}

// udpGroup joins a group and returns the first datagram to it.
func udpGroup(r *http.Request) (string, error) {
	a, err := net.ResolveUDPAddr("udp", r.FormValue("addr"))
	if err != nil {
		return "", err
	}
	network := "udp4"
	if a.IP.To4() == nil {
		network = "udp6"
	}
	ifi, err := net.InterfaceByName("eth0")
	if err != nil {
		ifi = nil
	}
	c, err := net.ListenMulticastUDP(network, ifi, a)
	if err != nil {
		return "", err
	}
	defer c.Close()
	c.SetReadDeadline(time.Now().Add(patience))
	buf := make([]byte, 2000)
	n, err := c.Read(buf)
	return string(buf[:n]), err
}

// udpBroadcast sends text to a broadcast address.
func udpBroadcast(r *http.Request) (string, error) {
	c, err := net.Dial("udp4", r.FormValue("addr"))
	if err != nil {
		return "", err
	}
	defer c.Close()
	_, err = fmt.Fprint(c, r.FormValue("text"))
	return "ok", err
}

// udpShare binds two sockets to a port with SO_REUSEPORT and counts what each
// gets, until the datagram "end" has come.
func udpShare(r *http.Request) (string, error) {
	lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) (err error) {
		const soReusePort = 15
		raw.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, soReusePort, 1) })
		return err
	}}
	var socks [2]net.PacketConn
	for i := range socks {
		c, err := lc.ListenPacket(context.Background(), "udp", r.FormValue("addr"))
		if err != nil {
			return "", err
		}
		defer c.Close()
		c.SetReadDeadline(time.Now().Add(patience))
		socks[i] = c
	}
	var counts [2]int
	var all sync.WaitGroup
	for i, c := range socks {
		all.Go(func() {
			buf := make([]byte, 100)
			for {
				n, from, err := c.ReadFrom(buf)
				if err != nil {
					return
				}
				if string(buf[:n]) == "end" {
					for _, c := range socks {
						c.SetReadDeadline(time.Now())
					}
					return
				}
				counts[i]++
				c.WriteTo(buf[:n], from)
			}
		})
	}
	all.Wait()
	return fmt.Sprintf("%d %d", counts[0], counts[1]), nil
}

// udpStream sends a datagram each ms, for that many ms, on goroutines of its own.
func udpStream(r *http.Request) (string, error) {
	c, err := net.Dial("udp", r.FormValue("addr"))
	if err != nil {
		return "", err
	}
	end := time.Now().Add(time.Duration(number(r, "ms")) * time.Millisecond)
	go func() {
		defer c.Close()
		for i := 0; time.Now().Before(end); i++ {
			fmt.Fprint(c, i)
			time.Sleep(time.Millisecond)
		}
	}()
	return "ok", nil
}

// tcpBulk sends size bytes to an echo server and wants them back.
func tcpBulk(r *http.Request) (string, error) {
	c, err := net.Dial("tcp", r.FormValue("addr"))
	if err != nil {
		return "", err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(4 * patience))
	out := pattern(number(r, "size"))
	go func() {
		c.Write(out)
		c.(*net.TCPConn).CloseWrite()
	}()
	in, buf := 0, make([]byte, 16<<10)
	for {
		n, err := c.Read(buf)
		if n > 0 && (in+n > len(out) || !bytes.Equal(buf[:n], out[in:in+n])) {
			return "", fmt.Errorf("wrong bytes from %d on", in)
		}
		if in += n; err != nil {
			return fmt.Sprint(in), nil
		}
	}
}

//go:build linux

// Package sockprobe makes socket calls, right and wrong, and tells their errors.
// Linux on the host says what they should be; the target must say the same.
package sockprobe

import (
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"
)

// Linux is what Probe returns on Linux.
//
//go:embed linux.txt
var Linux string

var loopback = [4]byte{127, 0, 0, 1}

type probe struct {
	lines []string
	open  []int
}

// say notes the error of a call.
func (p *probe) say(what string, err error) {
	e := "ok"
	var n syscall.Errno
	if errors.As(err, &n) {
		e = fmt.Sprint(int(n))
	} else if err != nil {
		e = err.Error()
	}
	p.lines = append(p.lines, what+": "+e)
}

func (p *probe) socket(family, typ int) int {
	fd, err := syscall.Socket(family, typ|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		p.say("socket", err)
	}
	p.open = append(p.open, fd)
	syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &syscall.Timeval{Sec: 5})
	return fd
}

func (p *probe) port(fd int) int {
	a, err := syscall.Getsockname(fd)
	if err != nil {
		p.say("getsockname", err)
		return 0
	}
	switch a := a.(type) {
	case *syscall.SockaddrInet4:
		return a.Port
	case *syscall.SockaddrInet6:
		return a.Port
	}
	return 0
}

func at(port int) *syscall.SockaddrInet4 { return &syscall.SockaddrInet4{Port: port, Addr: loopback} }

// Probe makes the calls and returns a line for each. A port that it expects to be
// closed is one that it had itself.
func Probe() string {
	p := &probe{}
	p.unconnected()
	p.stream()
	p.datagram()
	p.options()
	p.groups()
	p.backlog()
	for _, fd := range p.open {
		syscall.Close(fd)
	}
	return strings.Join(p.lines, "\n") + "\n"
}

func (p *probe) unconnected() {
	s := p.socket(syscall.AF_INET, syscall.SOCK_STREAM)
	buf := make([]byte, 16)
	_, err := syscall.Read(s, buf)
	p.say("read, not connected", err)
	_, err = syscall.Getpeername(s)
	p.say("getpeername, not connected", err)
	p.say("shutdown, not connected", syscall.Shutdown(s, syscall.SHUT_RDWR))
	_, _, err = syscall.Accept(s)
	p.say("accept, not listening", err)
	p.say("bind to an address that is not ours", syscall.Bind(s, &syscall.SockaddrInet4{Addr: [4]byte{192, 0, 2, 1}}))
	p.say("shutdown, how 3", syscall.Shutdown(s, 3))
	p.say("bind", syscall.Bind(s, at(0)))
	p.say("bind again", syscall.Bind(s, at(0)))
	o := p.socket(syscall.AF_INET, syscall.SOCK_STREAM)
	p.say("bind to a port in use", syscall.Bind(o, at(p.port(s))))
	_, err = syscall.GetsockoptInt(s, syscall.SOL_SOCKET, 9999)
	p.say("unknown option", err)
	_, err = syscall.GetsockoptInt(s, 9999, 1)
	p.say("unknown level", err)
	p.say("connect to a closed port", syscall.Connect(o, at(p.port(s))))
	p.say("connect to another family", syscall.Connect(o, &syscall.SockaddrInet6{Port: 1, Addr: [16]byte{15: 1}}))
	_, err = syscall.Socket(syscall.AF_INET, syscall.SOCK_SEQPACKET, 0)
	p.say("SOCK_SEQPACKET", err)
	_, err = syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, syscall.IPPROTO_UDP)
	p.say("stream of UDP", err)
	_, err = syscall.Socket(77, syscall.SOCK_STREAM, 0)
	p.say("family 77", err)
}

func (p *probe) stream() {
	ln := p.socket(syscall.AF_INET, syscall.SOCK_STREAM)
	p.say("bind", syscall.Bind(ln, at(0)))
	p.say("listen", syscall.Listen(ln, 8))
	p.say("listen again", syscall.Listen(ln, 8))
	p.say("connect of a listener", syscall.Connect(ln, at(p.port(ln))))
	_, err := syscall.Read(ln, make([]byte, 1))
	p.say("read of a listener", err)
	c := p.socket(syscall.AF_INET, syscall.SOCK_STREAM)
	p.say("connect", syscall.Connect(c, at(p.port(ln))))
	p.say("connect, connected", syscall.Connect(c, at(p.port(ln))))
	p.say("listen, connected", syscall.Listen(c, 8))
	a, _, err := syscall.Accept(ln)
	p.say("accept", err)
	_, err = syscall.Write(c, []byte("x"))
	p.say("write", err)
	_, err = syscall.Read(a, make([]byte, 1))
	p.say("read", err)
	syscall.SetNonblock(a, true)
	_, err = syscall.Read(a, make([]byte, 1))
	p.say("read of nothing", err)
	p.say("shutdown to write", syscall.Shutdown(c, syscall.SHUT_WR))
	_, err = syscall.Write(c, []byte("x"))
	p.say("write after it", err)
	syscall.SetNonblock(a, false)
	n, err := syscall.Read(a, make([]byte, 1))
	p.say(fmt.Sprintf("read of the end, %d", n), err)
	p.say("linger", syscall.SetsockoptLinger(a, syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1}))
	syscall.Close(a)
	_, err = syscall.Read(c, make([]byte, 1))
	p.say("read, reset by the peer", err)
}

func (p *probe) datagram() {
	s := p.socket(syscall.AF_INET, syscall.SOCK_DGRAM)
	_, err := syscall.Write(s, []byte("x"))
	p.say("datagram without an address", err)
	p.say("datagram too long", syscall.Sendto(s, make([]byte, 65508), 0, at(9)))
	p.say("listen, datagrams", syscall.Listen(s, 1))
	_, _, err = syscall.Accept(s)
	p.say("accept, datagrams", err)
	closed := p.socket(syscall.AF_INET, syscall.SOCK_DGRAM)
	p.say("bind", syscall.Bind(closed, at(0)))
	port := p.port(closed)
	o := p.socket(syscall.AF_INET, syscall.SOCK_DGRAM)
	p.say("bind to a port in use", syscall.Bind(o, at(port)))
	syscall.Close(closed)
	p.say("connect", syscall.Connect(s, at(port)))
	_, err = syscall.Write(s, []byte("x"))
	p.say("datagram to a closed port", err)
	time.Sleep(100 * time.Millisecond)
	_, err = syscall.Read(s, make([]byte, 1))
	p.say("read after it", err)
	p.say("disconnect", disconnect(s))
	_, err = syscall.Getpeername(s)
	p.say("getpeername after it", err)
	six := p.socket(syscall.AF_INET6, syscall.SOCK_DGRAM)
	p.say("IPv6 only", syscall.SetsockoptInt(six, syscall.IPPROTO_IPV6, syscall.IPV6_V6ONLY, 1))
	p.say("IPv6 bind", syscall.Bind(six, &syscall.SockaddrInet6{Addr: [16]byte{15: 1}}))
	p.say("IPv6 only, bound", syscall.SetsockoptInt(six, syscall.IPPROTO_IPV6, syscall.IPV6_V6ONLY, 0))
}

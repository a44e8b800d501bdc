//go:build linux

package sockprobe

import (
	"fmt"
	"syscall"
	"time"
	"unsafe"
)

const soReusePort = 15

// set notes what comes of setting an option, and what it is then.
func (p *probe) set(what string, fd, level, name, value int) {
	p.say(fmt.Sprintf("set %s to %d", what, value), syscall.SetsockoptInt(fd, level, name, value))
	p.get(what, fd, level, name)
}

func (p *probe) get(what string, fd, level, name int) {
	v, err := syscall.GetsockoptInt(fd, level, name)
	if err != nil {
		v = -1
	}
	p.say(fmt.Sprintf("%s is %d", what, v), err)
}

func (p *probe) options() {
	const sol, tcp, ip = syscall.SOL_SOCKET, syscall.IPPROTO_TCP, syscall.IPPROTO_IP
	s := p.socket(syscall.AF_INET, syscall.SOCK_STREAM)
	u := p.socket(syscall.AF_INET, syscall.SOCK_DGRAM)
	six := p.socket(syscall.AF_INET6, syscall.SOCK_DGRAM)
	for _, o := range []struct {
		what            string
		fd, level, name int
		values          []int
	}{
		{"keepalive", s, sol, syscall.SO_KEEPALIVE, []int{1, 7, 0}},
		{"keepalive's idle", s, tcp, syscall.TCP_KEEPIDLE, []int{30, 32767, 0, -1, 32768}},
		{"keepalive's interval", s, tcp, syscall.TCP_KEEPINTVL, []int{5, 0, 32768}},
		{"keepalive's count", s, tcp, syscall.TCP_KEEPCNT, []int{3, 127, 0, 128}},
		{"no delay", s, tcp, syscall.TCP_NODELAY, []int{1, 0, 5}},
		{"receive buffer", s, sol, syscall.SO_RCVBUF, []int{8192, 20000}},
		{"send buffer", s, sol, syscall.SO_SNDBUF, []int{8192, 20000}},
		{"reuse of addresses", s, sol, syscall.SO_REUSEADDR, []int{1, 2, 0}},
		{"reuse of ports", s, sol, soReusePort, []int{1, 0}},
		{"broadcast", u, sol, syscall.SO_BROADCAST, []int{1, 3, 0}},
		{"TOS of a stream", s, ip, syscall.IP_TOS, []int{0x48, 0x4b}},
		{"TOS", u, ip, syscall.IP_TOS, []int{0x48, 0x4b, 0x1ff}},
		{"TTL", u, ip, syscall.IP_TTL, []int{1, 255, 0, 256, -1}},
		{"TTL to groups", u, ip, syscall.IP_MULTICAST_TTL, []int{5, 0, 255, 256, -1}},
		{"loop to groups", u, ip, syscall.IP_MULTICAST_LOOP, []int{0, 1}},
		{"hop limit", six, syscall.IPPROTO_IPV6, syscall.IPV6_UNICAST_HOPS, []int{1, 255, 256, -1, -2}},
		{"IPv6 alone", six, syscall.IPPROTO_IPV6, syscall.IPV6_V6ONLY, []int{1, 0}},
		{"type", s, sol, syscall.SO_TYPE, nil},
		{"type of datagrams", u, sol, syscall.SO_TYPE, nil},
		{"accepts connections", s, sol, syscall.SO_ACCEPTCONN, nil},
		{"error", s, sol, syscall.SO_ERROR, nil},
		{"no delay of datagrams", u, tcp, syscall.TCP_NODELAY, nil},
	} {
		if o.what != "receive buffer" && o.what != "send buffer" { // as the administrator wishes
			p.get(o.what, o.fd, o.level, o.name)
		}
		for _, v := range o.values {
			p.set(o.what, o.fd, o.level, o.name, v)
		}
	}
	short := uint16(1)
	_, _, e := syscall.Syscall6(syscall.SYS_SETSOCKOPT, uintptr(s), sol, syscall.SO_KEEPALIVE, uintptr(unsafe.Pointer(&short)), 2, 0)
	p.say("an option of two bytes", e)
	p.say("linger of 4 bytes", syscall.SetsockoptInt(s, sol, syscall.SO_LINGER, 1))
}

func (p *probe) groups() {
	u := p.socket(syscall.AF_INET, syscall.SOCK_DGRAM)
	p.say("bind", syscall.Bind(u, &syscall.SockaddrInet4{Addr: [4]byte{}}))
	m := func(group [4]byte) *syscall.IPMreq { return &syscall.IPMreq{Multiaddr: group, Interface: loopback} }
	join := func(what string, name int, group [4]byte) {
		p.say(what, syscall.SetsockoptIPMreq(u, syscall.IPPROTO_IP, name, m(group)))
	}
	join("leave a group that was not joined", syscall.IP_DROP_MEMBERSHIP, [4]byte{239, 1, 2, 3})
	join("join", syscall.IP_ADD_MEMBERSHIP, [4]byte{239, 1, 2, 3})
	join("join again", syscall.IP_ADD_MEMBERSHIP, [4]byte{239, 1, 2, 3})
	join("join what is no group", syscall.IP_ADD_MEMBERSHIP, [4]byte{192, 0, 2, 1})
	join("leave", syscall.IP_DROP_MEMBERSHIP, [4]byte{239, 1, 2, 3})
	join("leave again", syscall.IP_DROP_MEMBERSHIP, [4]byte{239, 1, 2, 3})
	p.say("join at nobody's address", syscall.SetsockoptIPMreq(u, syscall.IPPROTO_IP, syscall.IP_ADD_MEMBERSHIP,
		&syscall.IPMreq{Multiaddr: [4]byte{239, 1, 2, 3}, Interface: [4]byte{192, 0, 2, 77}}))
	p.say("join with too little", syscall.SetsockoptInt(u, syscall.IPPROTO_IP, syscall.IP_ADD_MEMBERSHIP, 1))
	p.say("broadcast without leave to", syscall.Sendto(u, []byte("x"), 0, &syscall.SockaddrInet4{Port: 9, Addr: [4]byte{255, 255, 255, 255}}))
}

// backlog has more connections come than a listener's queue has room for. Those
// that got in come out in order, and none that did not.
func (p *probe) backlog() {
	ln := p.socket(syscall.AF_INET, syscall.SOCK_STREAM)
	p.say("bind", syscall.Bind(ln, at(0)))
	p.say("listen with room for one", syscall.Listen(ln, 1))
	syscall.SetNonblock(ln, true)
	for range 2 {
		c := p.socket(syscall.AF_INET, syscall.SOCK_STREAM)
		p.say("connect", syscall.Connect(c, at(p.port(ln))))
		time.Sleep(20 * time.Millisecond)
	}
	c := p.socket(syscall.AF_INET, syscall.SOCK_STREAM)
	syscall.SetNonblock(c, true)
	p.say("connect to a full queue", syscall.Connect(c, at(p.port(ln))))
	time.Sleep(100 * time.Millisecond)
	p.say("once more", syscall.Connect(c, at(p.port(ln))))
	for range 2 {
		a, _, err := syscall.Accept(ln)
		p.say("accept", err)
		syscall.Close(a)
	}
	_, _, err := syscall.Accept(ln)
	p.say("accept of none", err)
}

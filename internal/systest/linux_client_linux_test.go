package systest

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// listenUDP opens a socket in the namespace that ends with the test and whose
// reads are bounded.
func (n *namespace) listenUDP(t *testing.T, network, addr string) (c *net.UDPConn) {
	t.Helper()
	var err error
	n.do(func() {
		var p net.PacketConn
		if p, err = net.ListenPacket(network, addr); err == nil {
			c = p.(*net.UDPConn)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(3 * patience))
	return c
}

// serveEcho serves echo over TCP and UDP on a port of all addresses.
func (n *namespace) serveEcho(t *testing.T, port int) {
	t.Helper()
	u := n.listenUDP(t, "udp", fmt.Sprint(":", port))
	u.SetDeadline(time.Time{})
	go func() {
		buf := make([]byte, 70_000)
		for {
			m, from, err := u.ReadFrom(buf)
			if err != nil {
				return
			}
			u.WriteTo(buf[:m], from)
		}
	}()
	var ln net.Listener
	var err error
	n.do(func() { ln, err = net.Listen("tcp", fmt.Sprint(":", port)) })
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
				io.Copy(c, c)
				c.Close()
			}()
		}
	}()
}

// linkLocal is Linux's own link-local address, with the guest's zone for it.
func (n *namespace) linkLocal(t *testing.T, g *guest) netip.Addr {
	t.Helper()
	var a netip.Addr
	g.retry("Linux's link-local address", func() error {
		out, err := n.ip("-6", "-o", "addr", "show", "dev", tapName, "scope", "link", "-tentative")
		f := strings.Fields(out)
		if err != nil || len(f) < 4 {
			return fmt.Errorf("%q, %v", out, err)
		}
		p, err := netip.ParsePrefix(f[3])
		a = p.Addr().WithZone("eth0")
		return err
	})
	return a
}

// tap is the namespace's end of the wire.
func (n *namespace) tap(t *testing.T) (i *net.Interface) {
	t.Helper()
	var err error
	n.do(func() { i, err = net.InterfaceByName(tapName) })
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// run has the client do something and returns what it says.
func run(t *testing.T, to way, path string, args ...any) string {
	t.Helper()
	q := url.Values{}
	for i := 0; i < len(args); i += 2 {
		q.Set(args[i].(string), fmt.Sprint(args[i+1]))
	}
	b, err := fetchWithin(to, 4*patience, "GET", path+"?"+q.Encode())
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func TestTheFirmwareIsAClientOfLinux(t *testing.T) {
	t.Parallel()
	n := newNamespace(t)
	if out, err := n.ip("route", "add", "224.0.0.0/4", "dev", tapName); err != nil {
		t.Fatal(out, err)
	}
	g := n.bootImage(buildClient(t), staticIP)
	to := n.way()
	n.serveEcho(t, 7007)
	peers := []struct {
		name string
		addr netip.Addr
		most int // bytes of a datagram in one frame
	}{{"IPv4", peerIP, 1472}, {"IPv6", n.linkLocal(t, g), 1452}}
	for i, p := range peers {
		at := func(port int) string { return netip.AddrPortFrom(p.addr, uint16(port)).String() }
		t.Run(p.name, func(t *testing.T) {
			t.Run("TCP in bulk, there and back", func(t *testing.T) {
				if got := run(t, to, "/tcp/bulk", "addr", at(7007), "size", 4<<20); got != fmt.Sprint(4<<20) {
					t.Error(got)
				}
			})
			t.Run("UDP echo", func(t *testing.T) {
				for _, size := range []int{0, 1, 511, p.most, p.most + 1, 9000, 65507} {
					if got := run(t, to, "/udp/echo", "addr", at(7007), "size", size, "n", 5); got != "ok" {
						t.Errorf("%d bytes: %s", size, got)
					}
				}
			})
			t.Run("a closed port", func(t *testing.T) {
				if got := run(t, to, "/udp/refused", "addr", at(4242)); got != "errno 111" {
					t.Error(got)
				}
			})
			t.Run("hops and traffic class", func(t *testing.T) { n.testOptions(t, to, at, 4+2*i) })
		})
	}
	for _, group := range []string{"239.1.2.3", "ff02::4:7474"} {
		t.Run("group "+group, func(t *testing.T) { n.testGroup(t, to, netip.MustParseAddr(group)) })
	}
	t.Run("broadcasts", func(t *testing.T) {
		c := n.listenUDP(t, "udp4", ":7011")
		for _, addr := range []string{"255.255.255.255:7011", "10.77.0.255:7011"} {
			if got := run(t, to, "/udp/broadcast", "addr", addr, "text", addr); got != "ok" {
				t.Errorf("%s: %s", addr, got)
				continue
			}
			buf := make([]byte, 100)
			if m, from, err := c.ReadFrom(buf); err != nil || string(buf[:m]) != addr {
				t.Errorf("%s: %q from %v, %v", addr, buf[:m], from, err)
			}
		}
	})
	t.Run("two sockets share a port", func(t *testing.T) { n.testShare(t, g, to) })
	t.Run("a neighbour's new MAC address", func(t *testing.T) { n.testNewMAC(t, g, to) })
	if bad := n.checksumErrors(); len(bad) > 0 {
		t.Errorf("Linux received wrong checksums: %q", bad)
	}
	g.unharmed()
}

// testOptions looks at the datagrams' headers as Linux tells them.
func (n *namespace) testOptions(t *testing.T, to way, at func(int) string, v int) {
	const count, ttl, tos = 8, 7, 0x48
	c := n.listenUDP(t, fmt.Sprint("udp", v), ":7010")
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		level, a, b := unix.IPPROTO_IP, unix.IP_RECVTTL, unix.IP_RECVTOS
		if v == 6 {
			level, a, b = unix.IPPROTO_IPV6, unix.IPV6_RECVHOPLIMIT, unix.IPV6_RECVTCLASS
		}
		for _, o := range []int{a, b} {
			if err := unix.SetsockoptInt(int(fd), level, o, 1); err != nil {
				t.Error(err)
			}
		}
	})
	if got := run(t, to, "/udp/options", "addr", at(7010), "v", v, "n", count, "ttl", ttl, "tos", tos); got != "ok" {
		t.Fatal(got)
	}
	buf, oob := make([]byte, 100), make([]byte, 200)
	for last := ""; last != fmt.Sprint(count-1); {
		m, o, _, _, err := c.ReadMsgUDP(buf, oob)
		if err != nil {
			t.Fatal(err)
		}
		last = string(buf[:m])
		want := map[bool][2]byte{true: {ttl, tos}, false: {64, 0}}[last >= "3"]
		msgs, err := unix.ParseSocketControlMessage(oob[:o])
		if err != nil || len(msgs) != 2 {
			t.Fatal(msgs, err)
		}
		for _, m := range msgs {
			i := 0
			if m.Header.Type == unix.IP_TOS || m.Header.Type == unix.IPV6_TCLASS {
				i = 1
			}
			if m.Data[0] != want[i] {
				t.Errorf("datagram %s: type %d is %d, want %d", last, m.Header.Type, m.Data[0], want[i])
			}
		}
	}
}

// testGroup has the firmware join a group, and waits for it to tell the routers.
func (n *namespace) testGroup(t *testing.T, to way, group netip.Addr) {
	const igmp, mld = 2, 143
	tap := n.tap(t)
	joined := n.packets(t, func(p []byte) bool {
		own := string(p[6:12]) == string(tap.HardwareAddr)
		return !own && strings.Contains(string(p), string(group.AsSlice())) &&
			(be.Uint16(p[12:]) == typeIPv4 && p[14+9] == igmp || be.Uint16(p[12:]) == typeIPv6 && p[14+48] == mld)
	})
	result := make(chan string, 1)
	go func() { result <- run(t, to, "/udp/group", "addr", netip.AddrPortFrom(group, 7012)) }()
	network, zone := "udp4", ""
	if group.Is6() {
		network, zone = "udp6", strconv.Itoa(tap.Index)
	}
	c := n.listenUDP(t, network, ":0")
	dst := net.UDPAddrFromAddrPort(netip.AddrPortFrom(group.WithZone(zone), 7012))
	for {
		if _, err := c.WriteTo([]byte("to all"), dst); err != nil {
			t.Fatal(err)
		}
		select {
		case got := <-result:
			if got != "to all" {
				t.Error(got)
			}
			select {
			case <-joined:
			case <-time.After(patience):
				t.Error("no report of a member")
			}
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// packets tells when a frame that matches has crossed the tap device; short ones
// are filled up to 100 bytes.
func (n *namespace) packets(t *testing.T, match func([]byte) bool) <-chan bool {
	t.Helper()
	var fd int
	var err error
	n.do(func() { fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0x0300) })
	if err != nil {
		t.Fatal(err)
	}
	unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 1})
	found := make(chan bool, 1)
	go func() {
		defer unix.Close(fd)
		buf := make([]byte, 2000)
		for t.Context().Err() == nil {
			m, _, err := unix.Recvfrom(fd, buf, 0)
			if err != nil {
				continue
			}
			clear(buf[m:])
			if match(buf[:max(m, 100)]) {
				found <- true
				return
			}
		}
	}()
	return found
}

// testShare sends from many ports to two sockets of one.
func (n *namespace) testShare(t *testing.T, g *guest, to way) {
	result := make(chan string, 1)
	go func() { result <- run(t, to, "/udp/share", "addr", ":7013") }()
	const senders = 32
	for i := range senders {
		c := connect(t, to, "udp", 7013)
		g.retry("an answer", func() error {
			c.SetDeadline(time.Now().Add(time.Second))
			fmt.Fprint(c, i)
			buf := make([]byte, 10)
			m, err := c.Read(buf)
			if err == nil && string(buf[:m]) != fmt.Sprint(i) {
				err = fmt.Errorf("%q", buf[:m])
			}
			return err
		})
	}
	c := connect(t, to, "udp", 7013)
	for {
		fmt.Fprint(c, "end")
		select {
		case got := <-result:
			var a, b int
			if k, err := fmt.Sscan(got, &a, &b); k != 2 || err != nil || a == 0 || b == 0 || a+b < senders {
				t.Errorf("they got %s of %d", got, senders)
			}
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// testNewMAC changes Linux's MAC address while it is sent to.
func (n *namespace) testNewMAC(t *testing.T, g *guest, to way) {
	c := n.listenUDP(t, "udp4", ":7014")
	if got := run(t, to, "/udp/stream", "addr", "10.77.0.1:7014", "ms", 40_000); got != "ok" {
		t.Fatal(got)
	}
	buf := make([]byte, 20)
	read := func(what string, count int) {
		for range count {
			if _, err := c.Read(buf); err != nil {
				t.Fatalf("%s: %v", what, err)
			}
		}
	}
	read("before", 100)
	if out, err := n.ip("link", "set", "dev", tapName, "address", "02:00:00:00:77:99"); err != nil {
		t.Fatal(out, err)
	}
	for { // what was on its way
		c.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		if _, err := c.Read(buf); err != nil {
			break
		}
	}
	n.ip("neigh", "flush", "dev", tapName) // so that it asks, and is heard with the new one
	n.pinger(t).ping(g, 56)
	c.SetReadDeadline(time.Now().Add(25 * time.Second))
	read("afterwards", 100)
}

package qemu

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Forward is a port of the host whose traffic goes to a port of the guest, in
// user networking.
type Forward struct {
	Proto string     // "tcp" or "udp"
	Host  netip.Addr // address to listen at; not valid: 127.0.0.1
	Port  uint16     // port to listen at; 0: Start picks a free one
	Guest uint16     // port of the guest
}

// ParseForward parses QEMU's syntax PROTO:[HOSTADDR]:HOSTPORT-[GUESTADDR]:GUESTPORT.
// Unlike QEMU it takes a missing host address for 127.0.0.1, not for every
// interface. The guest's address cannot be chosen.
func ParseForward(s string) (Forward, error) {
	bad := func(why string) (Forward, error) {
		return Forward{}, fmt.Errorf("bad forward %q: %s (want tcp|udp:[hostaddr]:hostport-:guestport)", s, why)
	}
	var f Forward
	proto, rest, ok := strings.Cut(s, ":")
	if !ok || proto != "tcp" && proto != "udp" {
		return bad("protocol is not tcp or udp")
	}
	f.Proto = proto
	host, guest, ok := strings.Cut(rest, "-")
	if !ok {
		return bad("no guest port")
	}
	addr, port, ok := strings.Cut(host, ":")
	if !ok {
		return bad("no host port")
	}
	if addr != "" {
		a, err := netip.ParseAddr(addr)
		if err != nil || !a.Is4() {
			return bad("host address is not IPv4")
		}
		f.Host = a
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return bad("host port is not a number below 65536")
	}
	f.Port = uint16(n)
	gport, ok := strings.CutPrefix(guest, ":")
	if !ok {
		return bad("a guest address cannot be given")
	}
	n, err = strconv.ParseUint(gport, 10, 16)
	if err != nil || n == 0 {
		return bad("guest port is not a number from 1 to 65535")
	}
	f.Guest = uint16(n)
	return f, nil
}

// Addr returns the host's side as HOST:PORT.
func (f Forward) Addr() string {
	return net.JoinHostPort(f.host().String(), strconv.Itoa(int(f.Port)))
}

func (f Forward) host() netip.Addr {
	if f.Host.IsValid() {
		return f.Host
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, 1})
}

// String returns the forward in QEMU's syntax.
func (f Forward) String() string {
	return fmt.Sprintf("%s:%s:%d-:%d", f.Proto, f.host(), f.Port, f.Guest)
}

// resolve returns fs with every port 0 replaced by one that was free a moment
// ago. Somebody else may take it before QEMU does; Start then tries again.
func resolve(fs []Forward) ([]Forward, error) {
	out := make([]Forward, len(fs))
	for i, f := range fs {
		out[i] = f
		if f.Port != 0 {
			continue
		}
		port, err := freePort(f)
		if err != nil {
			return nil, err
		}
		out[i].Port = port
	}
	return out, nil
}

func freePort(f Forward) (uint16, error) {
	at := net.JoinHostPort(f.host().String(), "0")
	if f.Proto == "udp" {
		c, err := net.ListenPacket("udp4", at)
		if err != nil {
			return 0, err
		}
		defer c.Close()
		return c.LocalAddr().(*net.UDPAddr).AddrPort().Port(), nil
	}
	l, err := net.Listen("tcp4", at)
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).AddrPort().Port(), nil
}

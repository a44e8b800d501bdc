//go:build arm

package sockets

import (
	"encoding/binary"

	"github.com/gasp-go/gasp/board/kernel"
	"github.com/gasp-go/gasp/stack"
)

// Datagrams past gVisor: what stack.UDPSocket and stack.SendUDP offer, joined to
// the kernel's sockets. gVisor's endpoint has the same addresses and does what
// is not plain: see stack's early.go.

// direct makes datagrams of a bound socket go past gVisor, as its addresses and
// options now are.
func (c *conn) direct() {
	if c.tcp {
		return
	}
	c.indirect()
	local, err := c.ep.GetLocalAddress()
	if err != nil || local.Port == 0 {
		return
	}
	u := &stack.UDPSocket{Port: local.Port, V4: true, Receive: c.receiveEarly}
	if c.inet6 {
		u.V4 = !c.ep.SocketOptions().GetV6Only()
		u.V6 = true
	}
	a := c.sockaddr(local)
	u.Local = ip16(a.B[:])
	if peer, err := c.ep.GetRemoteAddress(); err == nil {
		a := c.sockaddr(peer)
		u.Peer, u.PeerPort = ip16(a.B[:]), peer.Port
	}
	c.early = u
	c.svc.stack.AddUDP(u)
	kernel.SocketDirect(c.id, !c.special)
}

// indirect undoes direct.
func (c *conn) indirect() {
	if c.early != nil {
		c.svc.stack.RemoveUDP(c.early)
		c.early = nil
		kernel.SocketDirect(c.id, false)
	}
}

// optionSet keeps a socket whose datagrams need other headers than stack.SendUDP
// makes away from there.
func (c *conn) optionSet(level, name uint32) {
	switch {
	case level == solIP && (name == ipTOS || name == ipTTL),
		level == solIPv6 && (name == ipv6UnicastHops || name == ipv6TClass):
		c.special = true
	case level == solIPv6 && name == ipv6V6Only:
	default:
		return
	}
	if c.early != nil {
		c.direct()
	}
}

// receiveEarly puts a datagram into the socket's ring. While gVisor holds some
// that came before, for want of room, there is none for this one either.
func (c *conn) receiveEarly(payload []byte, from *[16]byte, port uint16) stack.UDPVerdict {
	switch {
	case c.ep == nil || c.closing || c.news.Load():
		return stack.NotNow
	case c.behind:
		return stack.Full
	}
	var a kernel.SockAddr
	binary.BigEndian.PutUint16(a.B[2:], port)
	if c.inet6 {
		a.N, a.B[0] = 28, afInet6
		copy(a.B[8:], from[:])
		if from[0] == 0xfe && from[1]&0xc0 == 0x80 {
			binary.LittleEndian.PutUint32(a.B[24:], stack.Scope)
		}
	} else {
		a.N, a.B[0] = 16, afInet
		copy(a.B[4:], from[12:])
	}
	if !kernel.SocketReceived(c.id, payload, &a) {
		return stack.Full
	}
	return stack.TookIt
}

// sendDirect is the kernel's hook. Trap context.
func (s *Service) sendDirect(d *kernel.DirectDatagram) bool {
	var out stack.Datagram
	out.From, out.FromPort = ip16(d.Local[:]), binary.BigEndian.Uint16(d.Local[2:])
	out.To, out.ToPort = ip16(d.To[:]), binary.BigEndian.Uint16(d.To[2:])
	if out.FromPort == 0 || out.ToPort == 0 {
		return false
	}
	for i := range d.N {
		out.Parts[i] = d.Parts[i]
	}
	out.N, out.Size = d.N, d.Size
	return s.stack.SendUDP(&out)
}

// ip16 is the address of a sockaddr, IPv4 in its mapped form; the unspecified
// ones are zero. Any context.
func ip16(b []byte) (ip [16]byte) {
	if b[0] == afInet6 {
		copy(ip[:], b[8:24])
		if ip == [16]byte{10: 0xff, 11: 0xff} {
			return [16]byte{}
		}
		return ip
	}
	if b[4]|b[5]|b[6]|b[7] != 0 {
		ip[10], ip[11] = 0xff, 0xff
		copy(ip[12:], b[4:8])
	}
	return ip
}

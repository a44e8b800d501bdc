//go:build arm

package sockets

import (
	"encoding/binary"

	"gvisor.dev/gvisor/pkg/tcpip"

	"github.com/gasp-go/gasp/board/kernel"
)

// Address families and socket types, as in Linux's headers.
const (
	afInet     = 2
	afInet6    = 10
	sockStream = 1
)

var v4Mapped = [12]byte{10: 0xff, 11: 0xff}

// fullAddress reads a struct sockaddr_in or sockaddr_in6. The unspecified
// address is the empty one, as the stack wants it.
func (c *conn) fullAddress(b []byte) tcpip.FullAddress {
	a := tcpip.FullAddress{Port: binary.BigEndian.Uint16(b[2:])}
	if b[0] == afInet {
		ip := [4]byte(b[4:8])
		switch {
		case ip == [4]byte{} && !c.inet6:
		case c.inet6:
			var m [16]byte
			copy(m[:], v4Mapped[:])
			copy(m[12:], ip[:])
			a.Addr = tcpip.AddrFrom16(m)
		default:
			a.Addr = tcpip.AddrFrom4(ip)
		}
		return a
	}
	ip := [16]byte(b[8:24])
	if ip != [16]byte{} {
		a.Addr = tcpip.AddrFrom16(ip)
	}
	if len(b) >= 28 {
		a.NIC = tcpip.NICID(binary.LittleEndian.Uint32(b[24:]))
	}
	return a
}

// sockaddr is the address in the form of the socket's family.
func (c *conn) sockaddr(a tcpip.FullAddress) (s kernel.SockAddr) {
	binary.BigEndian.PutUint16(s.B[2:], a.Port)
	if !c.inet6 {
		s.N = 16
		s.B[0] = afInet
		if a.Addr.Len() == 4 {
			ip := a.Addr.As4()
			copy(s.B[4:], ip[:])
		}
		return s
	}
	s.N = 28
	s.B[0] = afInet6
	switch a.Addr.Len() {
	case 4:
		ip := a.Addr.As4()
		copy(s.B[8:], v4Mapped[:])
		copy(s.B[20:], ip[:])
	case 16:
		ip := a.Addr.As16()
		copy(s.B[8:], ip[:])
		if ip[0] == 0xfe && ip[1]&0xc0 == 0x80 {
			binary.LittleEndian.PutUint32(s.B[24:], uint32(a.NIC))
		}
	}
	return s
}

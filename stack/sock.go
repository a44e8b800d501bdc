package stack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
)

// Addresses here are as in package net, "host:port", but host is a numeric
// address or empty. Networks are "tcp" and "udp", which are both IPv4 and IPv6
// where the address leaves it open, and "tcp4", "tcp6", "udp4", "udp6".

// Listen listens for TCP connections, for use with net/http and the like.
func (s *Stack) Listen(network, addr string) (net.Listener, error) {
	l, err := s.ListenTCP(network, addr)
	if err != nil {
		return nil, err
	}
	return l, nil
}

// ListenTCP listens for TCP connections.
func (s *Stack) ListenTCP(network, addr string) (*gonet.TCPListener, error) {
	full, proto, err := s.resolve("tcp", network, addr)
	if err != nil {
		return nil, err
	}
	return gonet.ListenTCP(s.gv, full, proto)
}

// ListenUDP makes a UDP socket that receives what is sent to addr.
func (s *Stack) ListenUDP(network, addr string) (*gonet.UDPConn, error) {
	full, proto, err := s.resolve("udp", network, addr)
	if err != nil {
		return nil, err
	}
	return gonet.DialUDP(s.gv, &full, nil, proto)
}

// DialTCP connects to addr. ctx limits the time that takes.
func (s *Stack) DialTCP(ctx context.Context, network, addr string) (*gonet.TCPConn, error) {
	full, proto, err := s.resolve("tcp", network, addr)
	if err != nil {
		return nil, err
	}
	return gonet.DialContextTCP(ctx, s.gv, full, proto)
}

// DialUDP makes a UDP socket that talks to addr only.
func (s *Stack) DialUDP(network, addr string) (*gonet.UDPConn, error) {
	full, proto, err := s.resolve("udp", network, addr)
	if err != nil {
		return nil, err
	}
	return gonet.DialUDP(s.gv, nil, &full, proto)
}

// DialContext is DialTCP or DialUDP by network, in the shape of
// net.Dialer.DialContext, for http.Transport.
func (s *Stack) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	if strings.HasPrefix(network, "udp") {
		c, err := s.DialUDP(network, addr)
		if err != nil {
			return nil, err
		}
		return c, nil
	}
	c, err := s.DialTCP(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return c, nil
}

var errNetwork = errors.New("stack: unknown network")

// resolve parses addr for a socket of the given kind, "tcp" or "udp".
func (s *Stack) resolve(kind, network, addr string) (tcpip.FullAddress, tcpip.NetworkProtocolNumber, error) {
	var full tcpip.FullAddress
	family, ok := strings.CutPrefix(network, kind)
	if !ok || family != "" && family != "4" && family != "6" {
		return full, 0, fmt.Errorf("%w %q", errNetwork, network)
	}
	host, service, err := net.SplitHostPort(addr)
	if err != nil {
		return full, 0, err
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return full, 0, fmt.Errorf("stack: port %q: %w", service, err)
	}
	full.Port = uint16(port)
	if host == "" {
		// An IPv6 socket without address takes IPv4 as well.
		if family == "4" {
			return full, ipv4.ProtocolNumber, nil
		}
		return full, ipv6.ProtocolNumber, nil
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return full, 0, err
	}
	if ip = ip.Unmap(); ip.Is4() && family == "6" || ip.Is6() && family == "4" {
		return full, 0, fmt.Errorf("stack: %v is not an address of %s", ip, network)
	}
	if ip.IsLinkLocalUnicast() && ip.Is6() {
		full.NIC = nicID // the only one that has any; a zone is not needed
	}
	full.Addr = address(ip.WithZone(""))
	if ip.IsUnspecified() {
		full.Addr = tcpip.Address{}
	}
	return full, protocolOf(ip), nil
}

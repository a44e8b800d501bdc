package stack

import (
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	gv "gvisor.dev/gvisor/pkg/tcpip/stack"
)

// NextHop returns the neighbour that frames for ip are sent to: ip itself if
// it is on the link, otherwise the gateway. Not valid: there is no route.
func (s *Stack) NextHop(ip netip.Addr) netip.Addr {
	ip = ip.Unmap().WithZone("")
	s.stateMu.Lock()
	defer s.stateMu.Unlock()
	if ip.Is4() {
		switch {
		case !s.v4.prefix.IsValid():
			return netip.Addr{}
		case s.v4.prefix.Contains(ip):
			return ip
		}
		return s.v4.gateway
	}
	if ip.IsLinkLocalUnicast() {
		return ip
	}
	for _, p := range s.v6.prefixes {
		if p.Contains(ip) {
			return ip
		}
	}
	return s.v6.gateway()
}

// LinkAddr returns the MAC address that frames for ip are sent to, the
// gateway's if ip is not on the link. If it is not known, ok is false and
// resolution has been started: ask again later.
func (s *Stack) LinkAddr(ip netip.Addr) (mac [6]byte, ok bool) {
	hop := s.NextHop(ip)
	if !hop.IsValid() {
		return mac, false
	}
	a, proto := address(hop), protocolOf(hop)
	found := make(chan tcpip.LinkAddress, 1)
	// What is known is reported before GetLinkAddress returns; otherwise it
	// asks, and there is nobody to tell any more when the answer comes.
	_ = s.gv.GetLinkAddress(nicID, a, tcpip.Address{}, proto, func(r gv.LinkResolutionResult) {
		if r.Err == nil && len(r.LinkAddress) == header.EthernetAddressSize {
			found <- r.LinkAddress // called once, so there is room
		}
	})
	select {
	case l := <-found:
		return [6]byte([]byte(l)), true
	default:
		return mac, false
	}
}

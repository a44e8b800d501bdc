package stack

import (
	"net/netip"
	"slices"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	gv "gvisor.dev/gvisor/pkg/tcpip/stack"
)

// ipv6State is what neighbour discovery found out. gVisor bounds the number of
// routers and prefixes it accepts (ten each), maxDNS6 that of name servers.
type ipv6State struct {
	routers  []netip.Addr
	prefixes []netip.Prefix        // on-link
	addrs    map[netip.Prefix]bool // generated; true: usable, false: tentative
	dns      map[netip.Addr]expiry // from router advertisements
}

// expiry identifies the timer of a name server's lifetime.
type expiry struct{ timer tcpip.Timer }

const maxDNS6 = 3

func (v *ipv6State) init() {
	v.addrs = make(map[netip.Prefix]bool)
	v.dns = make(map[netip.Addr]expiry)
}

func (v *ipv6State) routes() (r []tcpip.Route) {
	if len(v.addrs) == 0 {
		return nil
	}
	r = append(r, tcpip.Route{Destination: header.IPv6LinkLocalPrefix.Subnet(), NIC: nicID})
	for _, p := range v.prefixes {
		r = append(r, tcpip.Route{Destination: subnet(p), NIC: nicID})
	}
	for _, g := range v.routers {
		r = append(r, tcpip.Route{Destination: header.IPv6EmptySubnet, Gateway: address(g), NIC: nicID})
	}
	return r
}

func (v *ipv6State) addresses() (a []netip.Prefix) {
	for p, ok := range v.addrs {
		if ok {
			a = append(a, p)
		}
	}
	slices.SortFunc(a, func(x, y netip.Prefix) int { return x.Addr().Compare(y.Addr()) })
	return a
}

func (v *ipv6State) gateway() netip.Addr {
	if len(v.routers) == 0 {
		return netip.Addr{}
	}
	return v.routers[0]
}

func (v *ipv6State) dnsServers() (a []netip.Addr) {
	for d := range v.dns {
		a = append(a, d)
	}
	slices.SortFunc(a, netip.Addr.Compare)
	return a
}

// ipv6Options makes IPv6 configure itself: a link-local address from the MAC
// (EUI-64), others from the routers' prefixes.
func (s *Stack) ipv6Options() ipv6.Options {
	ndp := ipv6.DefaultNDPConfigurations()
	ndp.HandleRAs = ipv6.HandlingRAsEnabledWhenForwardingDisabled
	ndp.DiscoverDefaultRouters = true
	ndp.DiscoverOnLinkPrefixes = true
	ndp.AutoGenGlobalAddresses = true
	ndp.AutoGenTempGlobalAddresses = false // a board is to be found again
	return ipv6.Options{
		NDPConfigs:       ndp,
		AutoGenLinkLocal: true,
		NDPDisp:          (*ndpEvents)(s),
		DADConfigs:       gv.DefaultDADConfigurations(),
		MLD:              ipv6.MLDOptions{Enabled: true},
	}
}

// ndpEvents is what gVisor tells about neighbour discovery. It holds its own
// locks while it does, so these functions only note and leave the rest to
// maintain.
type ndpEvents Stack

func (e *ndpEvents) note(change func(v *ipv6State)) {
	e.stateMu.Lock()
	change(&e.v6)
	e.stateMu.Unlock()
	poke(e.stale)
}

// OnDuplicateAddressDetectionResult implements ipv6.NDPDispatcher.
func (e *ndpEvents) OnDuplicateAddressDetectionResult(_ tcpip.NICID, a tcpip.Address, r gv.DADResult) {
	if _, dup := r.(*gv.DADDupAddrDetected); dup {
		e.logf(levelWarning, "%s: %v is used by somebody else", e.dev.Name(), a)
	}
}

// OnOffLinkRouteUpdated implements ipv6.NDPDispatcher. Only default routes are
// discovered.
func (e *ndpEvents) OnOffLinkRouteUpdated(_ tcpip.NICID, dst tcpip.Subnet, router tcpip.Address, _ header.NDPRoutePreference) {
	if g := fromAddress(router); dst.Equal(header.IPv6EmptySubnet) {
		e.note(func(v *ipv6State) {
			if !slices.Contains(v.routers, g) {
				v.routers = append(v.routers, g)
			}
		})
	}
}

// OnOffLinkRouteInvalidated implements ipv6.NDPDispatcher.
func (e *ndpEvents) OnOffLinkRouteInvalidated(_ tcpip.NICID, dst tcpip.Subnet, router tcpip.Address) {
	if g := fromAddress(router); dst.Equal(header.IPv6EmptySubnet) {
		e.note(func(v *ipv6State) {
			v.routers = slices.DeleteFunc(v.routers, func(r netip.Addr) bool { return r == g })
		})
	}
}

// OnOnLinkPrefixDiscovered implements ipv6.NDPDispatcher.
func (e *ndpEvents) OnOnLinkPrefixDiscovered(_ tcpip.NICID, n tcpip.Subnet) {
	e.note(func(v *ipv6State) { v.prefixes = append(v.prefixes, fromSubnet(n)) })
}

// OnOnLinkPrefixInvalidated implements ipv6.NDPDispatcher.
func (e *ndpEvents) OnOnLinkPrefixInvalidated(_ tcpip.NICID, n tcpip.Subnet) {
	p := fromSubnet(n)
	e.note(func(v *ipv6State) {
		v.prefixes = slices.DeleteFunc(v.prefixes, func(q netip.Prefix) bool { return p == q })
	})
}

// OnAutoGenAddress implements ipv6.NDPDispatcher.
func (e *ndpEvents) OnAutoGenAddress(_ tcpip.NICID, a tcpip.AddressWithPrefix) gv.AddressDispatcher {
	p := netip.PrefixFrom(fromAddress(a.Address), a.PrefixLen)
	e.note(func(v *ipv6State) { v.addrs[p] = false })
	return &addressEvents{e, p}
}

// addressEvents is what gVisor tells about one generated address.
type addressEvents struct {
	*ndpEvents
	prefix netip.Prefix
}

// OnChanged implements stack.AddressDispatcher.
func (e *addressEvents) OnChanged(_ gv.AddressLifetimes, st gv.AddressAssignmentState) {
	e.note(func(v *ipv6State) { v.addrs[e.prefix] = st == gv.AddressAssigned })
}

// OnRemoved implements stack.AddressDispatcher.
func (e *addressEvents) OnRemoved(gv.AddressRemovalReason) {
	e.note(func(v *ipv6State) { delete(v.addrs, e.prefix) })
}

// OnAutoGenAddressDeprecated implements ipv6.NDPDispatcher.
func (e *ndpEvents) OnAutoGenAddressDeprecated(tcpip.NICID, tcpip.AddressWithPrefix) {}

// OnAutoGenAddressInvalidated implements ipv6.NDPDispatcher.
func (e *ndpEvents) OnAutoGenAddressInvalidated(tcpip.NICID, tcpip.AddressWithPrefix) {}

// OnRecursiveDNSServerOption implements ipv6.NDPDispatcher.
func (e *ndpEvents) OnRecursiveDNSServerOption(_ tcpip.NICID, servers []tcpip.Address, lifetime time.Duration) {
	e.note(func(v *ipv6State) {
		for _, a := range servers {
			d := fromAddress(a)
			old, known := v.dns[d]
			if known {
				old.timer.Stop()
				delete(v.dns, d)
			}
			if lifetime <= 0 || len(v.dns) >= maxDNS6 {
				continue
			}
			// A timer that fired while it was being replaced sees another one
			// in the map and does nothing.
			var x expiry
			ready := make(chan struct{})
			x.timer = e.clock.AfterFunc(lifetime, func() {
				<-ready
				e.note(func(v *ipv6State) {
					if v.dns[d] == x {
						delete(v.dns, d)
					}
				})
			})
			v.dns[d] = x
			close(ready)
		}
	})
}

// OnDNSSearchListOption implements ipv6.NDPDispatcher.
func (e *ndpEvents) OnDNSSearchListOption(tcpip.NICID, []string, time.Duration) {}

// OnDHCPv6Configuration implements ipv6.NDPDispatcher.
func (e *ndpEvents) OnDHCPv6Configuration(tcpip.NICID, ipv6.DHCPv6ConfigurationFromNDPRA) {}

// solicitRouters asks for router advertisements again: the cable may have been
// put into another network. gVisor does so by itself only when the NIC is
// enabled, and disabling it would end IPv6 connections.
func (s *Stack) solicitRouters() {
	s.stateMu.Lock()
	addrs := s.v6.addresses()
	s.stateMu.Unlock()
	i := slices.IndexFunc(addrs, func(p netip.Prefix) bool { return p.Addr().IsLinkLocalUnicast() })
	if i < 0 {
		return
	}
	src, dst := address(addrs[i].Addr()), header.IPv6AllRoutersLinkLocalMulticastAddress
	const icmpLen = header.ICMPv6HeaderSize + header.NDPRSMinimumSize + header.NDPLinkLayerAddressSize
	frame := make([]byte, header.EthernetMinimumSize+header.IPv6MinimumSize+icmpLen)
	header.Ethernet(frame).Encode(&header.EthernetFields{
		SrcAddr: s.link.LinkAddress(),
		DstAddr: header.EthernetAddressFromMulticastIPv6Address(dst),
		Type:    header.IPv6ProtocolNumber,
	})
	ip := header.IPv6(frame[header.EthernetMinimumSize:])
	ip.Encode(&header.IPv6Fields{
		PayloadLength:     icmpLen,
		TransportProtocol: header.ICMPv6ProtocolNumber,
		HopLimit:          header.NDPHopLimit,
		SrcAddr:           src,
		DstAddr:           dst,
	})
	rs := header.ICMPv6(ip[header.IPv6MinimumSize:])
	rs.SetType(header.ICMPv6RouterSolicit)
	header.NDPRouterSolicit(rs.MessageBody()).Options().Serialize(header.NDPOptionsSerializer{
		header.NDPSourceLinkLayerAddressOption(s.link.LinkAddress()),
	})
	rs.SetChecksum(^checksum.Checksum(rs, header.PseudoHeaderChecksum(header.ICMPv6ProtocolNumber, src, dst, icmpLen)))
	s.dev.Xmit([][]byte{frame}, 0)
}

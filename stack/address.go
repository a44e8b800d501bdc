package stack

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	gv "gvisor.dev/gvisor/pkg/tcpip/stack"
)

// IPConfig says how IPv4 is to be configured, with the fields of Linux's ip=.
type IPConfig struct {
	// DHCP asks a server; the other fields are then ignored, except Hostname
	// and DNS, which go before what the server says.
	DHCP bool

	Client  netip.Addr   // our address; not valid: no IPv4
	Netmask netip.Addr   // not valid: that of the address's class
	Gateway netip.Addr   // not valid: no default route
	DNS     []netip.Addr // in the order of preference

	Hostname string // overrides Config.Hostname
}

// AddrInfo is what the stack is configured as.
type AddrInfo struct {
	IPv4     netip.Prefix   `json:"ipv4"` // our address and the length of its prefix; not valid: none
	Gateway  netip.Addr     `json:"gateway"`
	IPv6     []netip.Prefix `json:"ipv6"` // usable addresses, link-local included, sorted
	Gateway6 netip.Addr     `json:"gateway6"`
	DNS      []netip.Addr   `json:"dns"`
	Hostname string         `json:"hostname"` // from the configuration or the DHCP server
	Domain   string         `json:"domain"`
	Search   []string       `json:"search"` // domains to look up short names in
}

func (a *AddrInfo) equal(b *AddrInfo) bool {
	return a.IPv4 == b.IPv4 && a.Gateway == b.Gateway && a.Gateway6 == b.Gateway6 &&
		a.Hostname == b.Hostname && a.Domain == b.Domain &&
		slices.Equal(a.IPv6, b.IPv6) && slices.Equal(a.DNS, b.DNS) && slices.Equal(a.Search, b.Search)
}

// ipv4State is what IPv4 is configured as, by hand or by a lease.
type ipv4State struct {
	prefix   netip.Prefix
	gateway  netip.Addr
	dns      []netip.Addr
	hostname string
	domain   string
	search   []string
}

// ErrClosed is returned by operations on a closed stack.
var ErrClosed = errors.New("stack: closed")

// Configure configures IPv4. A static address is in use when it returns. DHCP
// runs from then on, through losses of the link and of the lease, until ctx is
// done or Configure is called again; OnAddress tells how it fares. The address
// is removed when ctx is done only if it was leased. Not to be called from a
// function given to OnAddress.
func (s *Stack) Configure(ctx context.Context, c IPConfig) error {
	s.configure.Lock()
	defer s.configure.Unlock()
	if s.closed {
		return ErrClosed
	}
	if c.Hostname == "" {
		c.Hostname = s.hostname
	}
	var st ipv4State
	if !c.DHCP {
		var err error
		if st, err = c.static(); err != nil {
			return err
		}
	}
	s.stopDHCP()
	if !c.DHCP {
		return s.setIPv4(st)
	}
	ctx, cancel := context.WithCancel(ctx)
	s.dhcp, s.dhcpDone = cancel, make(chan struct{})
	client := newDHCP(s, c)
	go func(done chan struct{}) {
		defer close(done)
		client.run(ctx)
	}(s.dhcpDone)
	return nil
}

// stopDHCP ends the DHCP client, if one runs, and waits for it.
func (s *Stack) stopDHCP() {
	if s.dhcp != nil {
		s.dhcp()
		<-s.dhcpDone
		s.dhcp = nil
	}
}

// static checks a static configuration.
func (c *IPConfig) static() (ipv4State, error) {
	st := ipv4State{hostname: c.Hostname, dns: slices.Clone(c.DNS)}
	if !c.Client.IsValid() || c.Client == netip.IPv4Unspecified() {
		return st, nil
	}
	bits := classBits(c.Client)
	if c.Netmask.IsValid() && c.Netmask != netip.IPv4Unspecified() {
		var ok bool
		if bits, ok = maskBits(c.Netmask); !ok {
			return st, fmt.Errorf("stack: netmask %v is not a mask", c.Netmask)
		}
	}
	st.prefix = netip.PrefixFrom(c.Client.Unmap(), bits)
	if !usable(st.prefix) {
		return st, fmt.Errorf("stack: %v cannot be a host's address", st.prefix)
	}
	if c.Gateway.IsValid() && c.Gateway != netip.IPv4Unspecified() {
		st.gateway = c.Gateway.Unmap()
		if !usable(netip.PrefixFrom(st.gateway, 32)) || st.gateway == st.prefix.Addr() {
			return st, fmt.Errorf("stack: %v cannot be a gateway", c.Gateway)
		}
	}
	return st, nil
}

// classBits is the length of the prefix of addr's class, for a configuration
// that has no mask.
func classBits(addr netip.Addr) int {
	switch b := addr.Unmap(); {
	case !b.Is4():
		return 0
	case b.As4()[0] < 128:
		return 8
	case b.As4()[0] < 192:
		return 16
	}
	return 24
}

// maskBits is the length of a mask like 255.255.255.0. A mask with holes, or
// of zeros only, is none.
func maskBits(m netip.Addr) (int, bool) {
	m = m.Unmap()
	if !m.Is4() {
		return 0, false
	}
	b := m.As4()
	v := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	n := 0
	for v&(1<<31) != 0 {
		n++
		v <<= 1
	}
	return n, v == 0 && n > 0
}

// usable reports whether p can be the address of a host: IPv4, unicast, and
// neither the first nor the last of its subnet.
func usable(p netip.Prefix) bool {
	a := p.Addr()
	if !p.IsValid() || !a.Is4() || p.Bits() == 0 {
		return false
	}
	b := a.As4()
	if b[0] == 0 || b[0] == 127 || b[0] >= 224 {
		return false
	}
	if p.Bits() >= 31 {
		return true
	}
	host := (uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])) << p.Bits() >> p.Bits()
	return host != 0 && host != 1<<(32-p.Bits())-1
}

// setIPv4 replaces the IPv4 configuration by st.
func (s *Stack) setIPv4(st ipv4State) error {
	s.stateMu.Lock()
	old := s.v4.prefix
	s.stateMu.Unlock()
	if old != st.prefix {
		if old.IsValid() {
			s.removeAddress(nicID, old.Addr())
		}
		if st.prefix.IsValid() {
			if err := s.addAddress(nicID, st.prefix); err != nil {
				st = ipv4State{}
				s.storeIPv4(st)
				return err
			}
		}
	}
	s.storeIPv4(st)
	return nil
}

func (s *Stack) storeIPv4(st ipv4State) {
	s.stateMu.Lock()
	s.v4 = st
	s.stateMu.Unlock()
	s.link.broadcast.Store(broadcastOf(st.prefix))
	s.refresh()
}

// broadcastOf is the subnet's broadcast address, 0 if it has none.
func broadcastOf(p netip.Prefix) uint32 {
	if !p.IsValid() || p.Bits() > 30 {
		return 0
	}
	a := p.Addr().As4()
	return be32(a[:]) | (1<<(32-p.Bits()) - 1)
}

func (s *Stack) addAddress(nic tcpip.NICID, p netip.Prefix) error {
	a := tcpip.ProtocolAddress{Protocol: protocolOf(p.Addr()), AddressWithPrefix: tcpip.AddressWithPrefix{
		Address: address(p.Addr()), PrefixLen: p.Bits(),
	}}
	if err := s.gv.AddProtocolAddress(nic, a, gv.AddressProperties{}); err != nil {
		return fmt.Errorf("stack: address %v: %s", p, err)
	}
	return nil
}

func (s *Stack) removeAddress(nic tcpip.NICID, a netip.Addr) {
	if err := s.gv.RemoveAddress(nic, address(a)); err != nil {
		s.logf(levelWarning, "%s: cannot remove %v: %s", s.dev.Name(), a, err)
	}
}

// refresh makes the route table and those who listen to OnAddress follow the
// state. Goroutine, without stateMu.
func (s *Stack) refresh() {
	s.refreshMu.Lock()
	defer s.refreshMu.Unlock()
	routes := loopbackRoutes()
	s.stateMu.Lock()
	if s.v4.prefix.IsValid() {
		routes = append(routes, tcpip.Route{Destination: subnet(s.v4.prefix), NIC: nicID})
		if s.v4.gateway.IsValid() {
			routes = append(routes, tcpip.Route{
				Destination: header.IPv4EmptySubnet, Gateway: address(s.v4.gateway), NIC: nicID,
			})
		}
	}
	routes = append(routes, s.v6.routes()...)
	info := AddrInfo{
		IPv4:     s.v4.prefix,
		Gateway:  s.v4.gateway,
		IPv6:     s.v6.addresses(),
		Gateway6: s.v6.gateway(),
		DNS:      append(slices.Clone(s.v4.dns), s.v6.dnsServers()...),
		Hostname: s.v4.hostname,
		Domain:   s.v4.domain,
		Search:   slices.Clone(s.v4.search),
	}
	s.stateMu.Unlock()
	s.gv.SetRouteTable(routes)
	s.link.setLocal(info)
	s.link.dst.flush(s.link.now())
	if info.equal(&s.last) {
		return
	}
	s.last = info
	for _, fn := range s.onAddress {
		fn(info)
	}
}

// OnAddress registers fn to be told of every change of the configuration, and
// of the present one at once if there is any. Calls follow one another; fn
// must not call Configure, OnAddress, Addresses or Close.
func (s *Stack) OnAddress(fn func(AddrInfo)) {
	s.refreshMu.Lock()
	defer s.refreshMu.Unlock()
	s.onAddress = append(s.onAddress, fn)
	if !s.last.equal(&AddrInfo{}) {
		fn(s.last)
	}
}

// Addresses returns the configuration in use.
func (s *Stack) Addresses() AddrInfo {
	s.refreshMu.Lock()
	defer s.refreshMu.Unlock()
	a := s.last
	a.IPv6, a.DNS = slices.Clone(a.IPv6), slices.Clone(a.DNS)
	return a
}

// address converts to gVisor's type.
func address(a netip.Addr) tcpip.Address {
	if !a.IsValid() {
		return tcpip.Address{}
	}
	return tcpip.AddrFromSlice(a.Unmap().AsSlice())
}

// fromAddress converts from gVisor's type.
func fromAddress(a tcpip.Address) netip.Addr {
	n, _ := netip.AddrFromSlice(a.AsSlice())
	return n
}

func subnet(p netip.Prefix) tcpip.Subnet {
	return tcpip.AddressWithPrefix{Address: address(p.Addr()), PrefixLen: p.Bits()}.Subnet()
}

func fromSubnet(n tcpip.Subnet) netip.Prefix {
	return netip.PrefixFrom(fromAddress(n.ID()), n.Prefix())
}

func protocolOf(a netip.Addr) tcpip.NetworkProtocolNumber {
	if a.Unmap().Is4() {
		return ipv4.ProtocolNumber
	}
	return ipv6.ProtocolNumber
}

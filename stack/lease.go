package stack

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/iana"
	"gvisor.dev/gvisor/pkg/tcpip"
)

// minLease is the shortest lease that is worth having; a server that gives
// shorter ones would have us do nothing but renew.
const minLease = 30 * time.Second

// maxDNS4 is how many name servers are taken from a server.
const maxDNS4 = 3

// lease is what a server offered or acknowledged, checked.
type lease struct {
	state  ipv4State
	server netip.Addr

	start          tcpip.MonotonicTime // when the request was sent
	t1, t2, expiry time.Duration       // from start: renew, rebind, give up
	infinite       bool
}

// length is the lease's length for people.
func (l *lease) length() string {
	if l.infinite {
		return "ever"
	}
	return l.expiry.String()
}

// leaseFrom checks an offer or acknowledgement. What a host cannot do without
// must be there and make sense; the rest is left out if it does not.
func leaseFrom(m *dhcpv4.DHCPv4) (*lease, error) {
	l := &lease{server: fromIP(m.ServerIdentifier())}
	if !usable(hostPrefix(l.server)) {
		return nil, errors.New("no usable server identifier")
	}
	addr := fromIP(m.YourIPAddr)
	if !addr.IsValid() {
		return nil, errors.New("no address")
	}
	bits := classBits(addr)
	if raw := m.Options.Get(dhcpv4.OptionSubnetMask); raw != nil {
		mask, ok := netip.AddrFromSlice(raw)
		if ok {
			bits, ok = maskBits(mask)
		}
		if !ok {
			return nil, fmt.Errorf("netmask %x is not a mask", raw)
		}
	}
	l.state.prefix = netip.PrefixFrom(addr, bits)
	if !usable(l.state.prefix) {
		return nil, fmt.Errorf("%v cannot be a host's address", l.state.prefix)
	}
	if err := l.times(m); err != nil {
		return nil, err
	}
	for _, ip := range m.Router() {
		if g := fromIP(ip); usable(hostPrefix(g)) && g != addr {
			l.state.gateway = g
			break
		}
	}
	for _, ip := range m.DNS() {
		if d := fromIP(ip); usable(hostPrefix(d)) && len(l.state.dns) < maxDNS4 {
			l.state.dns = append(l.state.dns, d)
		}
	}
	l.state.hostname = name(m.HostName())
	l.state.domain = name(m.DomainName())
	l.state.search = searchList(m, l.state.domain)
	return l, nil
}

// times takes the three times from m. RFC 2131, 4.4.5.
func (l *lease) times(m *dhcpv4.DHCPv4) error {
	secs, ok := seconds(m, dhcpv4.OptionIPAddressLeaseTime)
	if !ok {
		return errors.New("no lease time")
	}
	if l.infinite = secs == 1<<32-1; l.infinite {
		return nil
	}
	l.expiry = time.Duration(secs) * time.Second
	if l.expiry < minLease {
		return fmt.Errorf("a lease of %v is too short", l.expiry)
	}
	l.t1, l.t2 = l.expiry/2, l.expiry/8*7
	t1, ok1 := seconds(m, dhcpv4.OptionRenewTimeValue)
	t2, ok2 := seconds(m, dhcpv4.OptionRebindingTimeValue)
	// Of the server's own times only a pair in order makes sense.
	if ok1 && ok2 && 0 < t1 && t1 < t2 && t2 < secs {
		l.t1, l.t2 = time.Duration(t1)*time.Second, time.Duration(t2)*time.Second
	}
	l.t1 = max(l.t1, dhcpMinRenew)
	l.t2 = max(l.t2, l.t1)
	return nil
}

func seconds(m *dhcpv4.DHCPv4, code dhcpv4.OptionCode) (uint32, bool) {
	b := m.Options.Get(code)
	if len(b) != 4 {
		return 0, false
	}
	return binary.BigEndian.Uint32(b), true
}

// fromIP returns an invalid address for anything that is not four bytes.
func fromIP(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip.To4())
	return a
}

// hostPrefix is a with nothing said about its subnet.
func hostPrefix(a netip.Addr) netip.Prefix {
	if !a.Is4() {
		return netip.Prefix{}
	}
	return netip.PrefixFrom(a, 32)
}

// maxSearch is how many domains a server may have names looked up in (resolv.conf(5)
// of old).
const maxSearch = 6

// searchList takes the domains of RFC 3397's option, or, without one, the domain.
func searchList(m *dhcpv4.DHCPv4, domain string) (list []string) {
	if labels := m.DomainSearch(); labels != nil {
		for _, s := range labels.Labels {
			if s = name(s); s != "" && len(list) < maxSearch && !slices.Contains(list, s) {
				list = append(list, s)
			}
		}
	}
	if list == nil && domain != "" {
		list = []string{domain}
	}
	return list
}

// name returns s if it is a host or domain name, otherwise nothing.
func name(s string) string {
	if len(s) > 253 {
		return ""
	}
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case (c == '-' || c == '.' || c == '_') && i > 0:
		default:
			return ""
		}
	}
	return s
}

// clean makes a server's text fit for the log.
func clean(s string) string { return s[:min(len(s), 80)] }

// message is what all messages of the client have in common. The reply is
// asked for as a broadcast when the stack cannot receive unicast yet.
func (c *dhcpClient) message(typ dhcpv4.MessageType, broadcast bool, opts ...dhcpv4.Option) *dhcpv4.DHCPv4 {
	m := &dhcpv4.DHCPv4{
		OpCode:        dhcpv4.OpcodeBootRequest,
		HWType:        iana.HWTypeEthernet,
		TransactionID: c.xid,
		NumSeconds:    uint16(min(c.now().Sub(c.began)/time.Second, 1<<16-1)),
		ClientIPAddr:  net.IPv4zero,
		YourIPAddr:    net.IPv4zero,
		ServerIPAddr:  net.IPv4zero,
		GatewayIPAddr: net.IPv4zero,
		ClientHWAddr:  c.mac[:],
		Options: dhcpv4.OptionsFromList(
			dhcpv4.OptMessageType(typ),
			dhcpv4.OptClientIdentifier(append([]byte{1}, c.mac[:]...)),
			dhcpv4.OptMaxMessageSize(uint16(c.s.dev.MTU())),
			dhcpv4.OptParameterRequestList(
				dhcpv4.OptionSubnetMask, dhcpv4.OptionRouter, dhcpv4.OptionDomainNameServer,
				dhcpv4.OptionHostName, dhcpv4.OptionDomainName, dhcpv4.OptionIPAddressLeaseTime,
				dhcpv4.OptionRenewTimeValue, dhcpv4.OptionRebindingTimeValue,
				dhcpv4.OptionDNSDomainSearchList),
		),
	}
	if c.cfg.Hostname != "" {
		m.UpdateOption(dhcpv4.OptHostName(c.cfg.Hostname))
	}
	if broadcast {
		m.SetBroadcast()
	}
	for _, o := range opts {
		m.UpdateOption(o)
	}
	return m
}

// The messages, by RFC 2131, 4.3.2 and table 5.

func (c *dhcpClient) discover() *dhcpv4.DHCPv4 {
	return c.message(dhcpv4.MessageTypeDiscover, true)
}

func (c *dhcpClient) requestFor(l *lease) *dhcpv4.DHCPv4 {
	return c.message(dhcpv4.MessageTypeRequest, true,
		dhcpv4.OptRequestedIPAddress(l.state.prefix.Addr().AsSlice()),
		dhcpv4.OptServerIdentifier(l.server.AsSlice()))
}

func (c *dhcpClient) reminder(l *lease) *dhcpv4.DHCPv4 {
	return c.message(dhcpv4.MessageTypeRequest, true,
		dhcpv4.OptRequestedIPAddress(l.state.prefix.Addr().AsSlice()))
}

func (c *dhcpClient) extension(l *lease) *dhcpv4.DHCPv4 {
	m := c.message(dhcpv4.MessageTypeRequest, false)
	m.ClientIPAddr = l.state.prefix.Addr().AsSlice()
	return m
}

package stack

import (
	"errors"
	"net/netip"
	"sync"

	"gvisor.dev/gvisor/pkg/tcpip/header"
	gv "gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/gasp-go/gasp/stack/netdev"
)

// groups is which groups the device is to receive. gVisor tells nobody which it
// has joined and lists none; it answers whether it is in one (IsInGroup), and
// reports each that it joins to the routers, while it holds the lock under which
// it joins. So the reports that go out tell of joins, and a group is left when
// gVisor says that it is not in it. Too many groups for a while do no harm; one
// too few would.
//
// Two kinds of group are joined and not reported: all hosts and all nodes, which
// are always received, and IPv4 groups that are joined before there is an IPv4
// address: Stack.Joined is told of those.
//
// mu is the innermost of all locks but the device's own.
type groups struct {
	dev  *netdev.Device
	left func() // told that a group may have been left; does not block
	logf func(level int, format string, args ...any)

	mu     sync.Mutex
	joined map[netip.Addr]uint64 // the join that was last seen, by number
	joins  uint64
}

// join has the device receive a group. When it returns the device knows.
func (g *groups) join(a netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, known := g.joined[a]
	g.joins++
	g.joined[a] = g.joins
	if !known {
		g.program()
	}
}

// prune drops the groups that are left. A group that is joined again after in
// was asked about it stays.
func (g *groups) prune(in func(netip.Addr) bool) {
	g.mu.Lock()
	joins, all := g.joins, make([]netip.Addr, 0, len(g.joined))
	for a := range g.joined {
		all = append(all, a)
	}
	g.mu.Unlock()
	var out []netip.Addr
	for _, a := range all {
		if !in(a) {
			out = append(out, a)
		}
	}
	if len(out) == 0 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, a := range out {
		if g.joined[a] <= joins {
			delete(g.joined, a)
		}
	}
	g.program()
}

// program tells the device. With mu.
func (g *groups) program() {
	list := make([][6]byte, 0, len(g.joined)+2)
	list = append(list, groupMAC(fromAddress(header.IPv4AllSystems)),
		groupMAC(fromAddress(header.IPv6AllNodesMulticastAddress)))
	for a := range g.joined {
		list = append(list, groupMAC(a))
	}
	if err := g.dev.SetMulticastList(list); err != nil && !errors.Is(err, netdev.ErrUnsupported) {
		g.logf(levelWarning, "%s: multicast list: %s", g.dev.Name(), err)
	}
}

// groupMAC is the Ethernet address of a group (RFC 1112, 6.4; RFC 2464, 7).
func groupMAC(a netip.Addr) [6]byte {
	if a.Is4() {
		b := a.As4()
		return [6]byte{0x01, 0x00, 0x5e, b[1] & 0x7f, b[2], b[3]}
	}
	b := a.As16()
	return [6]byte{0x33, 0x33, b[12], b[13], b[14], b[15]}
}

// sent looks at a packet for a group before it goes out.
func (g *groups) sent(pkt *gv.PacketBuffer) {
	ip := pkt.NetworkHeader().Slice()
	switch {
	case len(ip) >= ip4Len && ip[0]>>4 == 4 && ip[9] == protoIGMP:
	case len(ip) >= ip6Len && ip[0]>>4 == 6 && (ip[6] == protoHopByHop || ip[6] == protoICMPv6):
	default:
		return
	}
	v := pkt.ToView()
	defer v.Release()
	if p := v.AsSlice(); len(p) > ethLen {
		if reported(p[ethLen:], g.join) {
			g.left()
		}
	}
}

// Joined says that a socket has joined a group, and Left that it has left one,
// to whoever decides what the device receives. Stack sees most of it by itself;
// not what is joined while there is no address. Goroutine.
func (s *Stack) Joined(group netip.Addr) {
	if group = group.Unmap().WithZone(""); group.IsMulticast() {
		s.link.groups.join(group)
	}
}

// Left is said with Joined.
func (s *Stack) Left() { poke(s.regroup) }

// inGroup asks gVisor.
func (s *Stack) inGroup(a netip.Addr) bool {
	in, err := s.gv.IsInGroup(nicID, address(a))
	return in || err != nil
}

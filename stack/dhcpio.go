package stack

import (
	"context"
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
)

// The client speaks without an address, which no socket can. So it sends its
// broadcasts as whole frames, and takes replies from the link before the stack
// sees them: also those that a server sends to the address it has just given.

const (
	dhcpServerPort = 67
	dhcpClientPort = 68
)

// What a client can wait for.
type dhcpEvent int

const (
	eventReply dhcpEvent = iota // a reply to the transaction
	eventTimer
	eventLink // the carrier changed
	eventDone // the context
)

// wait returns the next event. Replies that do not belong to the transaction
// or are no DHCP are not events.
func (c *dhcpClient) wait(ctx context.Context) (dhcpEvent, *dhcpv4.DHCPv4) {
	for {
		select {
		case <-ctx.Done():
			return eventDone, nil
		case <-c.s.linkPoke:
			if n := c.s.dev.Counters().CarrierChanges.Load(); n != c.changes {
				c.changes = n
				return eventLink, nil
			}
		case <-c.event:
			c.event = nil
			return eventTimer, nil
		case b := <-c.replies:
			if m := c.parse(b); m != nil {
				return eventReply, m
			}
		}
	}
}

// parse returns the message in b if it is for us.
func (c *dhcpClient) parse(b []byte) *dhcpv4.DHCPv4 {
	m, err := dhcpv4.FromBytes(b)
	if err != nil || m.OpCode != dhcpv4.OpcodeBootReply || m.TransactionID != c.xid ||
		!slices.Equal(m.ClientHWAddr, c.mac[:]) {
		return nil
	}
	return m
}

// stopTimer makes no eventTimer come.
func (c *dhcpClient) stopTimer() {
	if c.timer != nil {
		c.timer.Stop()
	}
	c.timer, c.event = nil, nil
}

// setTimer makes an eventTimer come once, after d, and no other before.
func (c *dhcpClient) setTimer(d time.Duration) {
	c.stopTimer()
	// A channel of its own, so that a timer that fired late is not heard.
	event := make(chan struct{}, 1)
	c.event = event
	c.timer = c.s.clock.AfterFunc(max(d, 0), func() { poke(event) })
}

// newTransaction forgets what may still come for the last one.
func (c *dhcpClient) newTransaction() {
	rng := c.s.gv.SecureRNG()
	binary.BigEndian.PutUint32(c.xid[:], rng.Uint32())
}

// listen sets or removes the tap. While it is not needed every frame is spared
// the look.
func (c *dhcpClient) listen(on bool) {
	if !on {
		c.s.link.tap.Store(nil)
		for len(c.replies) > 0 {
			<-c.replies
		}
		return
	}
	tap := func(frame []byte) bool {
		b := dhcpReply(frame, &c.mac)
		if b == nil {
			return false
		}
		select {
		case c.replies <- slices.Clone(b):
		default:
			c.s.dev.Counters().RxDropped.Add(1)
		}
		return true
	}
	c.s.link.tap.Store(&tap)
}

// dhcpReply returns the UDP payload of a frame from a DHCP server to a client,
// nil if it is something else or damaged.
func dhcpReply(frame []byte, mac *[6]byte) []byte {
	const eth = header.EthernetMinimumSize
	if len(frame) < eth+header.IPv4MinimumSize+header.UDPMinimumSize ||
		frame[12] != 0x08 || frame[13] != 0x00 || frame[eth+9] != byte(header.UDPProtocolNumber) {
		return nil
	}
	if to := packetType(frame, mac); to != tcpip.PacketHost && to != tcpip.PacketBroadcast {
		return nil
	}
	ip := header.IPv4(frame[eth:])
	if !ip.IsValid(len(ip)) || !ip.IsChecksumValid() || ip.More() || ip.FragmentOffset() != 0 {
		return nil
	}
	b := ip[ip.HeaderLength():ip.TotalLength()]
	if len(b) < header.UDPMinimumSize {
		return nil
	}
	u := header.UDP(b)
	if u.DestinationPort() != dhcpClientPort || u.SourcePort() != dhcpServerPort ||
		int(u.Length()) < header.UDPMinimumSize || int(u.Length()) > len(u) {
		return nil
	}
	u = u[:u.Length()]
	p := u.Payload()
	if u.Checksum() != 0 && !u.IsChecksumValid(ip.SourceAddress(), ip.DestinationAddress(), checksum.Checksum(p, 0)) {
		return nil
	}
	return p
}

// broadcast sends m from 0.0.0.0 to everybody.
func (c *dhcpClient) broadcast(m *dhcpv4.DHCPv4) { c.broadcastFrom(netip.IPv4Unspecified(), m) }

// broadcastFrom sends m to everybody. That it was not sent is not an error: it
// is sent again when no answer comes.
func (c *dhcpClient) broadcastFrom(src netip.Addr, m *dhcpv4.DHCPv4) {
	c.s.dev.Xmit([][]byte{dhcpFrame(c.mac, src, m.ToBytes())}, 0)
}

func dhcpFrame(mac [6]byte, src netip.Addr, payload []byte) []byte {
	const eth, iph, udph = header.EthernetMinimumSize, header.IPv4MinimumSize, header.UDPMinimumSize
	frame := make([]byte, eth+iph+udph+len(payload))
	copy(frame[eth+iph+udph:], payload)
	from, to := address(src), header.IPv4Broadcast
	header.Ethernet(frame).Encode(&header.EthernetFields{
		SrcAddr: tcpip.LinkAddress(mac[:]),
		DstAddr: header.EthernetBroadcastAddress,
		Type:    header.IPv4ProtocolNumber,
	})
	ip := header.IPv4(frame[eth:])
	ip.Encode(&header.IPv4Fields{
		TotalLength: uint16(len(ip)),
		TTL:         64,
		Protocol:    uint8(header.UDPProtocolNumber),
		SrcAddr:     from,
		DstAddr:     to,
	})
	ip.SetChecksum(^ip.CalculateChecksum())
	u := header.UDP(ip[iph:])
	u.Encode(&header.UDPFields{SrcPort: dhcpClientPort, DstPort: dhcpServerPort, Length: uint16(len(u))})
	sum := header.PseudoHeaderChecksum(header.UDPProtocolNumber, from, to, uint16(len(u)))
	u.SetChecksum(^u.CalculateChecksum(checksum.Checksum(payload, sum)))
	return frame
}

// unicast sends m from our address to the server of l, through the stack.
func (c *dhcpClient) unicast(m *dhcpv4.DHCPv4, l *lease) {
	from := tcpip.FullAddress{NIC: nicID, Addr: address(l.state.prefix.Addr()), Port: dhcpClientPort}
	to := tcpip.FullAddress{NIC: nicID, Addr: address(l.server), Port: dhcpServerPort}
	conn, err := gonet.DialUDP(c.s.gv, &from, &to, ipv4.ProtocolNumber)
	if err == nil {
		_, err = conn.Write(m.ToBytes())
		conn.Close()
	}
	if err != nil {
		c.logf(levelDebug, "cannot ask %v: %v", l.server, err)
	}
}

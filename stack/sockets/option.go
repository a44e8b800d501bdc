//go:build arm

package sockets

import (
	"encoding/binary"
	"math"
	"net/netip"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"

	"github.com/gasp-go/gasp/stack"
)

// Option levels and names, as in Linux's headers.
const (
	solSocket = 1
	solIP     = 0
	solTCP    = 6
	solIPv6   = 41

	soReuseAddr = 2
	soDontRoute = 5
	soBroadcast = 6
	soSndBuf    = 7
	soRcvBuf    = 8
	soKeepAlive = 9
	soLinger    = 13
	soReusePort = 15
	soRcvTimeo  = 20
	soSndTimeo  = 21

	tcpNoDelay     = 1
	tcpMaxSeg      = 2
	tcpCork        = 3
	tcpKeepIdle    = 4
	tcpKeepIntvl   = 5
	tcpKeepCnt     = 6
	tcpQuickAck    = 12
	tcpUserTimeout = 18

	ipTOS            = 1
	ipTTL            = 2
	ipMulticastIf    = 32
	ipMulticastTTL   = 33
	ipMulticastLoop  = 34
	ipAddMembership  = 35
	ipDropMembership = 36

	ipv6UnicastHops   = 16
	ipv6MulticastIf   = 17
	ipv6MulticastHops = 18
	ipv6MulticastLoop = 19
	ipv6JoinGroup     = 20
	ipv6LeaveGroup    = 21
	ipv6V6Only        = 26
	ipv6TClass        = 67
)

const defaultTTL = 64 // gVisor's, and Linux's

// setOption is setsockopt(2); it returns an errno.
func (c *conn) setOption(level, name uint32, data []byte) int {
	v := 0
	if len(data) >= 4 {
		v = int(int32(binary.LittleEndian.Uint32(data)))
	} else if len(data) == 1 && level == solIP {
		v = int(data[0])
	} else {
		return eINVAL
	}
	on := v != 0
	so := c.ep.SocketOptions()
	switch level {
	case solSocket:
		switch name {
		case soReuseAddr:
			so.SetReuseAddress(on)
		case soReusePort:
			so.SetReusePort(on)
		case soBroadcast:
			so.SetBroadcast(on)
		case soKeepAlive:
			so.SetKeepAlive(on)
		case soSndBuf:
			so.SetSendBufferSize(doubled(v), true)
		case soRcvBuf:
			so.SetReceiveBufferSize(doubled(v), true)
		case soLinger:
			if len(data) < 8 {
				return eINVAL
			}
			secs := binary.LittleEndian.Uint32(data[4:])
			so.SetLinger(tcpip.LingerOption{Enabled: on, Timeout: time.Duration(secs) * time.Second})
		case soDontRoute, soRcvTimeo, soSndTimeo:
			// Of no effect; the standard library does not set them.
		default:
			return eNOPROTOOPT
		}
		return 0
	case solTCP:
		return c.setTCP(name, v)
	case solIP:
		return c.setIP(name, v, data)
	case solIPv6:
		return c.setIPv6(name, v, data)
	}
	return eNOPROTOOPT
}

// doubled is how many bytes SO_SNDBUF and SO_RCVBUF reserve, as for Linux's
// overhead; a negative number is the most there is.
func doubled(v int) int64 {
	if v < 0 {
		return math.MaxInt32
	}
	return 2 * int64(v)
}

// Bounds of TCP_KEEPIDLE and TCP_KEEPINTVL (seconds), and TCP_KEEPCNT.
const (
	maxKeepSecs  = 32767
	maxKeepCount = 127
)

func (c *conn) setTCP(name uint32, v int) int {
	if !c.tcp {
		return eNOPROTOOPT
	}
	so := c.ep.SocketOptions()
	switch most := maxKeepSecs; name {
	case tcpKeepCnt:
		most = maxKeepCount
		fallthrough
	case tcpKeepIdle, tcpKeepIntvl:
		if v < 1 || v > most {
			return eINVAL
		}
	}
	secs := time.Duration(v) * time.Second
	switch name {
	case tcpNoDelay:
		so.SetDelayOption(v == 0)
	case tcpCork:
		so.SetCorkOption(v != 0)
	case tcpQuickAck:
		so.SetQuickAck(v != 0)
	case tcpKeepIdle:
		o := tcpip.KeepaliveIdleOption(secs)
		return errnoOf(c.ep.SetSockOpt(&o))
	case tcpKeepIntvl:
		o := tcpip.KeepaliveIntervalOption(secs)
		return errnoOf(c.ep.SetSockOpt(&o))
	case tcpKeepCnt:
		return errnoOf(c.ep.SetSockOptInt(tcpip.KeepaliveCountOption, v))
	case tcpMaxSeg:
		return errnoOf(c.ep.SetSockOptInt(tcpip.MaxSegOption, v))
	case tcpUserTimeout:
		o := tcpip.TCPUserTimeoutOption(time.Duration(v) * time.Millisecond)
		return errnoOf(c.ep.SetSockOpt(&o))
	default:
		return eNOPROTOOPT
	}
	return 0
}

func (c *conn) setIP(name uint32, v int, data []byte) int {
	switch name {
	case ipTOS:
		return errnoOf(c.ep.SetSockOptInt(tcpip.IPv4TOSOption, v))
	case ipTTL:
		if v == -1 {
			v = 0 // gVisor's word for the default
		} else if v < 1 || v > 255 {
			return eINVAL
		}
		return errnoOf(c.ep.SetSockOptInt(tcpip.IPv4TTLOption, v))
	case ipMulticastTTL:
		if v == -1 {
			v = 1
		} else if v < 0 || v > 255 {
			return eINVAL
		}
		return errnoOf(c.ep.SetSockOptInt(tcpip.MulticastTTLOption, v))
	case ipMulticastLoop:
		c.ep.SocketOptions().SetMulticastLoop(v != 0)
		return 0
	case ipMulticastIf:
		var o tcpip.MulticastInterfaceOption
		switch {
		case len(data) >= 12: // struct ip_mreqn
			o.InterfaceAddr = tcpip.AddrFrom4([4]byte(data[4:8]))
			o.NIC = tcpip.NICID(binary.LittleEndian.Uint32(data[8:]))
		case len(data) >= 4:
			o.InterfaceAddr = tcpip.AddrFrom4([4]byte(data[:4]))
		}
		return errnoOf(c.ep.SetSockOpt(&o))
	case ipAddMembership, ipDropMembership:
		if len(data) < 8 {
			return eINVAL
		}
		m := tcpip.MembershipOption{
			MulticastAddr: tcpip.AddrFrom4([4]byte(data[:4])),
			InterfaceAddr: tcpip.AddrFrom4([4]byte(data[4:8])),
		}
		if len(data) >= 12 {
			m.NIC = tcpip.NICID(binary.LittleEndian.Uint32(data[8:]))
		}
		return c.membership(m, name == ipAddMembership)
	}
	return eNOPROTOOPT
}

func (c *conn) setIPv6(name uint32, v int, data []byte) int {
	if !c.inet6 {
		return eNOPROTOOPT
	}
	switch name {
	case ipv6V6Only:
		if a, err := c.ep.GetLocalAddress(); err == nil && a.Port != 0 {
			return eINVAL // bound
		}
		c.ep.SocketOptions().SetV6Only(v != 0)
		return 0
	case ipv6UnicastHops:
		if v < -1 || v > 255 {
			return eINVAL
		}
		return errnoOf(c.ep.SetSockOptInt(tcpip.IPv6HopLimitOption, v))
	case ipv6MulticastHops:
		if v == -1 {
			v = 1
		} else if v < 0 || v > 255 {
			return eINVAL
		}
		return errnoOf(c.ep.SetSockOptInt(tcpip.MulticastTTLOption, v))
	case ipv6MulticastLoop:
		c.ep.SocketOptions().SetMulticastLoop(v != 0)
		return 0
	case ipv6MulticastIf:
		return errnoOf(c.ep.SetSockOptInt(tcpip.IPv6MulticastInterfaceOption, v))
	case ipv6TClass:
		return errnoOf(c.ep.SetSockOptInt(tcpip.IPv6TrafficClassOption, v))
	case ipv6JoinGroup, ipv6LeaveGroup:
		if len(data) < 20 {
			return eINVAL
		}
		m := tcpip.MembershipOption{
			MulticastAddr: tcpip.AddrFrom16([16]byte(data[:16])),
			NIC:           tcpip.NICID(binary.LittleEndian.Uint32(data[16:])),
		}
		if m.NIC == 0 { // any, which is the one there is
			m.NIC = tcpip.NICID(stack.Scope)
		}
		return c.membership(m, name == ipv6JoinGroup)
	}
	return eNOPROTOOPT
}

func (c *conn) membership(m tcpip.MembershipOption, join bool) int {
	group, _ := netip.AddrFromSlice(m.MulticastAddr.AsSlice())
	if join {
		o := tcpip.AddMembershipOption(m)
		err := c.ep.SetSockOpt(&o)
		if err == nil {
			c.svc.stack.Joined(group)
		}
		return errnoOf(err)
	}
	o := tcpip.RemoveMembershipOption(m)
	err := c.ep.SetSockOpt(&o)
	c.svc.stack.Left()
	return errnoOf(err)
}

// getOption is getsockopt(2) for what the kernel does not know itself;
// the kernel cuts it to the caller's room.
func (c *conn) getOption(level, name uint32) (out []byte, e int) {
	so := c.ep.SocketOptions()
	v := 0
	var err tcpip.Error
	switch {
	case level == solSocket && name == soReuseAddr:
		v = number(so.GetReuseAddress())
	case level == solSocket && name == soReusePort:
		v = number(so.GetReusePort())
	case level == solSocket && name == soBroadcast:
		v = number(so.GetBroadcast())
	case level == solSocket && name == soKeepAlive:
		v = number(so.GetKeepAlive())
	case level == solSocket && name == soSndBuf:
		v = int(so.GetSendBufferSize())
	case level == solSocket && name == soRcvBuf:
		v = int(so.GetReceiveBufferSize())
	case level == solSocket && name == soLinger:
		l := so.GetLinger()
		out = binary.LittleEndian.AppendUint32(nil, uint32(number(l.Enabled)))
		return binary.LittleEndian.AppendUint32(out, uint32(l.Timeout/time.Second)), 0
	case level == solTCP && !c.tcp:
		return nil, eOPNOTSUPP
	case level == solTCP && name == tcpNoDelay:
		v = number(!so.GetDelayOption())
	case level == solTCP && name == tcpCork:
		v = number(so.GetCorkOption())
	case level == solTCP && name == tcpQuickAck:
		v = number(so.GetQuickAck())
	case level == solTCP && name == tcpMaxSeg:
		v, err = c.ep.GetSockOptInt(tcpip.MaxSegOption)
	case level == solTCP && name == tcpKeepCnt:
		v, err = c.ep.GetSockOptInt(tcpip.KeepaliveCountOption)
	case level == solTCP && name == tcpKeepIdle:
		var o tcpip.KeepaliveIdleOption
		err = c.ep.GetSockOpt(&o)
		v = int(time.Duration(o) / time.Second)
	case level == solTCP && name == tcpKeepIntvl:
		var o tcpip.KeepaliveIntervalOption
		err = c.ep.GetSockOpt(&o)
		v = int(time.Duration(o) / time.Second)
	case level == solIP && name == ipTOS:
		v, err = c.ep.GetSockOptInt(tcpip.IPv4TOSOption)
	case level == solIP && name == ipTTL:
		if v, err = c.ep.GetSockOptInt(tcpip.IPv4TTLOption); v == 0 {
			v = defaultTTL
		}
	case level == solIP && name == ipMulticastTTL:
		v, err = c.ep.GetSockOptInt(tcpip.MulticastTTLOption)
	case level == solIP && name == ipMulticastLoop, level == solIPv6 && name == ipv6MulticastLoop && c.inet6:
		v = number(so.GetMulticastLoop())
	case level == solIPv6 && name == ipv6MulticastHops && c.inet6:
		v, err = c.ep.GetSockOptInt(tcpip.MulticastTTLOption)
	case level == solIPv6 && name == ipv6V6Only && c.inet6:
		v = number(so.GetV6Only())
	case level == solIPv6 && name == ipv6UnicastHops && c.inet6:
		if v, err = c.ep.GetSockOptInt(tcpip.IPv6HopLimitOption); v < 0 {
			v = defaultTTL
		}
	case level != solSocket && level != solTCP && level != solIP && level != solIPv6:
		return nil, eOPNOTSUPP
	default:
		return nil, eNOPROTOOPT
	}
	return binary.LittleEndian.AppendUint32(nil, uint32(v)), errnoOf(err)
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

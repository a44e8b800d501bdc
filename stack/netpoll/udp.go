package netpoll

import (
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/gasp-go/gasp/stack/inet"
)

// UDPHandler takes datagrams below the stack. Its methods run in trap context.
type UDPHandler interface {
	// Datagram gets a datagram to the port, and reports whether it was meant
	// for the handler; if not, the next one, or the stack, gets it. Nothing can
	// be sent from within it. The payload is the endpoint's again afterwards.
	Datagram(from *Peer, payload []byte) bool

	// Work is called when sending is possible: after a datagram was taken,
	// when Endpoint.Work is called, and in a panic after each Poll.
	Work()
}

// Peer is who sent a datagram.
type Peer struct {
	IP   [16]byte // IPv4: in the first four bytes
	V6   bool
	Port uint16
	VLAN uint16 // 0: untagged
}

// From reports whether the peer is the one that d leads to.
func (d *Dest) From(p *Peer) bool {
	return p.IP == d.ip && p.V6 == d.v6 && p.Port == d.port && p.VLAN == d.hop.vlan
}

// maxHandlers bounds the handlers of an endpoint.
const maxHandlers = 8

type udpHandler struct {
	port uint16
	UDPHandler
}

// handlers is who takes datagrams. A slot is set and cleared as a whole, so trap
// context finds a whole handler or none.
type handlers struct {
	admin sync.Mutex
	n     atomic.Int32
	slot  [maxHandlers]atomic.Pointer[udpHandler]
}

// HandleUDP has h get the datagrams to one of our addresses and port. Several
// handlers may share a port. Goroutine.
func (e *Endpoint) HandleUDP(port uint16, h UDPHandler) error {
	e.udp.admin.Lock()
	defer e.udp.admin.Unlock()
	for i := range e.udp.slot {
		if e.udp.slot[i].Load() == nil {
			e.udp.slot[i].Store(&udpHandler{port, h})
			e.udp.n.Add(1)
			return nil
		}
	}
	return errors.New("netpoll: too many UDP handlers")
}

// RemoveUDP ends what HandleUDP began. A call of h may still be under way on
// another CPU. Goroutine.
func (e *Endpoint) RemoveUDP(h UDPHandler) {
	e.udp.admin.Lock()
	defer e.udp.admin.Unlock()
	for i := range e.udp.slot {
		if u := e.udp.slot[i].Load(); u != nil && u.UDPHandler == h {
			e.udp.slot[i].Store(nil)
			e.udp.n.Add(-1)
		}
	}
}

// Work has the handlers do what they can do now. To be called from time to time.
// Trap context.
func (e *Endpoint) Work() {
	if e.busy || e.dead {
		return
	}
	for i := range e.udp.slot {
		if u := e.udp.slot[i].Load(); u != nil {
			u.Work()
		}
	}
}

// isUDP reports whether a frame holds a datagram to the port of a handler. The
// rest of its checks is inputUDP's.
func (e *Endpoint) isUDP(p []byte) bool {
	if e.udp.n.Load() == 0 || len(p) < ethLen+ip4Len+udpLen {
		return false
	}
	at := ethLen + ip6Len
	switch {
	case typeOf(p) == typeIPv4 && p[ethLen+9] == protoUDP:
		at = ethLen + int(p[ethLen]&15)*4
	case typeOf(p) == typeIPv6 && p[ethLen+6] == protoUDP:
	default:
		return false
	}
	if len(p) < at+udpLen {
		return false
	}
	port := binary.BigEndian.Uint16(p[at+2:])
	for i := range e.udp.slot {
		if u := e.udp.slot[i].Load(); u != nil && u.port == port {
			return true
		}
	}
	return false
}

// inputUDP gives a datagram to its handler and reports whether that took it.
func (e *Endpoint) inputUDP(p []byte) bool {
	if !e.isUDP(p) {
		return false
	}
	from := &e.peer
	*from = Peer{VLAN: e.rxVLAN}
	ip := p[ethLen:]
	var addrs, u []byte
	if typeOf(p) == typeIPv4 {
		var ok bool
		if u, ok = e.payload4(ip, udpLen); !ok {
			return false
		}
		addrs = ip[12:20]
		copy(from.IP[:], ip[12:16])
	} else {
		n := int(binary.BigEndian.Uint16(ip[4:]))
		if ip[0]>>4 != 6 || n < udpLen || n > len(ip)-ip6Len || !e.isLocal6(ip[24:40]) {
			return false
		}
		addrs, u = ip[8:40], ip[ip6Len:ip6Len+n]
		from.IP, from.V6 = [16]byte(ip[8:24]), true
	}
	n := int(binary.BigEndian.Uint16(u[4:]))
	if n < udpLen || n > len(u) {
		return false
	}
	u = u[:n]
	unchecked := u[6] == 0 && u[7] == 0 && !from.V6
	if !unchecked && inet.Fold(inet.Sum(u, inet.Pseudo(addrs, protoUDP, n))) != 0xffff {
		return false
	}
	from.Port = binary.BigEndian.Uint16(u)
	port := binary.BigEndian.Uint16(u[2:])
	for i := range e.udp.slot {
		if h := e.udp.slot[i].Load(); h != nil && h.port == port && h.Datagram(from, u[udpLen:]) {
			e.stats.Datagrams++
			return true
		}
	}
	return false
}

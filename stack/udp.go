package stack

import (
	"encoding/binary"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/gasp-go/gasp/board/trap"
	"github.com/gasp-go/gasp/stack/inet"
	"github.com/gasp-go/gasp/stack/netdev"
)

// UDPSocket describes a UDP socket so that datagrams can reach it ahead of
// gVisor, in which an endpoint with the same addresses must be bound. Addresses
// are IPv6, IPv4 in its mapped form; the zero address is any.
type UDPSocket struct {
	Port  uint16
	Local [16]byte
	V4    bool // takes IPv4
	V6    bool // takes IPv6

	// A connected socket takes what comes from there alone.
	Peer     [16]byte
	PeerPort uint16 // 0: not connected

	// Receive takes a datagram: TookIt and Full end its way, NotNow sends it
	// through gVisor. Payload and from are the caller's. Network thread.
	Receive func(payload []byte, from *[16]byte, port uint16) UDPVerdict
}

// UDPVerdict is what became of a datagram.
type UDPVerdict uint8

const (
	TookIt UDPVerdict = iota
	Full              // dropped for want of room, and counted
	NotNow
)

// takes4 reports whether datagrams between two IPv4 addresses are for s.
func (s *UDPSocket) takes4(src, dst uint32) bool {
	return s.V4 && (s.PeerPort == 0 || (*ipAddr)(&s.Peer).is4() && be32(s.Peer[12:]) == src) &&
		(s.Local == ipAddr{} || (*ipAddr)(&s.Local).is4() && be32(s.Local[12:]) == dst)
}

func (s *UDPSocket) takes6(src, dst *ipAddr) bool {
	return s.V6 && (s.PeerPort == 0 || s.Peer == *src) && (s.Local == ipAddr{} || s.Local == *dst)
}

// udpTable finds the socket of a port. It is read on the network thread without
// a lock; a bucket is replaced as a whole.
type udpTable struct {
	mu      sync.Mutex
	buckets [256]atomic.Pointer[[]*UDPSocket]
}

// lookup returns the socket that the datagram u can be for: the only one of its
// port, if that takes its source port.
func (t *udpTable) lookup(u []byte) (s *UDPSocket) {
	b := t.buckets[u[3]].Load()
	if b == nil {
		return nil
	}
	port := binary.BigEndian.Uint16(u[2:])
	for _, c := range *b {
		if c.Port == port {
			if s != nil {
				return nil
			}
			s = c
		}
	}
	if s == nil || int(binary.BigEndian.Uint16(u[4:])) != len(u) ||
		s.PeerPort != 0 && s.PeerPort != binary.BigEndian.Uint16(u) {
		return nil
	}
	return s
}

// deliver gives the datagram u to its socket.
func (l *link) deliver(s *UDPSocket, u []byte, from *ipAddr) bool {
	// Receive does not keep the address, which can stay on our stack.
	addr := (*[16]byte)(trap.NoEscape(unsafe.Pointer(from)))
	verdict := s.Receive(u[udpLen:], addr, binary.BigEndian.Uint16(u))
	runtime.KeepAlive(from)
	switch verdict {
	case TookIt:
		l.early.udpIn.Add(1)
	case Full:
		l.early.udpFull.Add(1)
	default:
		return false
	}
	return true
}

// AddUDP makes datagrams for u go to it directly, until RemoveUDP. u must not be
// changed meanwhile. All sockets of a port must be added, or none.
func (s *Stack) AddUDP(u *UDPSocket) {
	s.link.udp.change(u.Port, func(b []*UDPSocket) []*UDPSocket { return append(b, u) })
}

// RemoveUDP undoes AddUDP. u may still receive what is on its way.
func (s *Stack) RemoveUDP(u *UDPSocket) {
	s.link.udp.change(u.Port, func(b []*UDPSocket) []*UDPSocket {
		return slices.DeleteFunc(b, func(o *UDPSocket) bool { return o == u })
	})
}

func (t *udpTable) change(port uint16, edit func([]*UDPSocket) []*UDPSocket) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := &t.buckets[port&0xff]
	var b []*UDPSocket
	if old := at.Load(); old != nil {
		b = slices.Clone(*old)
	}
	if b = edit(b); len(b) == 0 {
		at.Store(nil)
		return
	}
	at.Store(&b)
}

// maxUDPParts is how many pieces a datagram's payload may come in.
const maxUDPParts = 4

// Datagram is one to be sent by SendUDP. Addresses as in UDPSocket.
type Datagram struct {
	From     [16]byte // zero: whichever of ours gVisor uses
	FromPort uint16
	To       [16]byte
	ToPort   uint16
	Parts    [maxUDPParts][]byte
	N        int // of Parts
	Size     int // of the payload, bytes
}

// SendUDP sends a datagram at once if gVisor has sent to its destination within
// the last second, and it needs no fragments. It reports whether it was sent;
// gVisor must send it if not. Trap context.
func (s *Stack) SendUDP(d *Datagram) bool { return s.link.sendUDP(d) }

func (l *link) sendUDP(d *Datagram) bool {
	now := l.now()
	e := l.dst.lookup((*ipAddr)(&d.To), now)
	if e == nil || l.txq.n.Load() != 0 || !l.dev.Up() || !l.dev.Carrier() || d.From != (ipAddr{}) && d.From != e.from {
		return false
	}
	var head [ethLen + ip6Len + udpLen]byte
	copy(head[:], e.eth[:])
	ipLen := ip4Len
	if !e.to.is4() {
		ipLen = ip6Len
	}
	n := udpLen + d.Size
	if ipLen+n > l.dst.mtu(l.dev.MTU(), now) {
		return false
	}
	h, u := head[ethLen:ethLen+ipLen], head[ethLen+ipLen:ethLen+ipLen+udpLen]
	var flags netdev.TxFlags
	if ipLen == ip4Len {
		h[0] = 0x45
		binary.BigEndian.PutUint16(h[2:], uint16(ip4Len+n))
		h[6] = 0x40 // not to be fragmented, so that it needs no ID (RFC 6864, 4)
		h[8], h[9] = ttl, protoUDP
		copy(h[12:], e.from[12:])
		copy(h[16:], e.to[12:])
		binary.BigEndian.PutUint16(h[10:], ^inet.Fold(inet.Sum(h, 0)))
		flags = netdev.TxChecksumL4
	} else {
		h[0] = 0x60
		binary.BigEndian.PutUint16(h[4:], uint16(n))
		h[6], h[7] = protoUDP, ttl
		copy(h[8:], e.from[:])
		copy(h[24:], e.to[:])
	}
	binary.BigEndian.PutUint16(u[0:], d.FromPort)
	binary.BigEndian.PutUint16(u[2:], d.ToPort)
	binary.BigEndian.PutUint16(u[4:], uint16(n))
	if flags == 0 {
		sum := ^inet.Fold(inet.Sum(u, sumParts(d.Parts[:d.N], inet.Pseudo(h[8:40], protoUDP, n))))
		if sum == 0 {
			sum = 0xffff // zero would mean that there is none
		}
		binary.BigEndian.PutUint16(u[6:], sum)
	}
	var parts [1 + maxUDPParts][]byte
	parts[0] = head[:ethLen+ipLen+udpLen]
	for i := range d.N {
		parts[1+i] = d.Parts[i]
	}
	if l.dev.SendTrap(parts[:1+d.N], flags) != netdev.TxOK {
		return false
	}
	l.early.udpOut.Add(1)
	return true
}

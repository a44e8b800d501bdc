package netpoll

import (
	"encoding/binary"
	"sync/atomic"
	"unsafe"

	"github.com/gasp-go/gasp/stack/inet"
)

// MaxPayload is the longest payload of a datagram in bytes, over either IP.
const MaxPayload = maxFrame - ethLen - ip6Len - udpLen

// The headers of a datagram end where its payload begins, at a whole word.
const (
	payloadAt = 64
	udpAt     = payloadAt - udpLen
	ip4At     = udpAt - ip4Len
	ip6At     = udpAt - ip6Len
)

// Datagram is the memory of one datagram after the other to the same destination, for
// those who send many: the payload is written where it stays until the device copies
// it, and of the headers only what has changed is made. It holds no pointers; it is
// used by one sender at a time.
type Datagram struct {
	dest  uint32  // whose headers there are (Dest.key); 0: none
	mac   [6]byte // and to which MAC address
	own   [6]byte // and from which
	epoch uint32  // of the endpoint, when they were made
	start int     // where they begin
	vlan  uint16
	v6    bool

	// Sums of what does not change.
	ipSum, udpSum uint32

	b [payloadAt + MaxPayload]byte
}

// Payload is where the payload is to be written, MaxPayload bytes. It stays as it was
// when the datagram has been sent.
func (p *Datagram) Payload() []byte { return p.b[payloadAt:] }

// destKeys tells destinations apart.
var destKeys atomic.Uint32

func newKey() uint32 { return destKeys.Add(1) }

// addressed reports whether the headers of datagrams to d are in front of the payload,
// as far as it is certain: the device's own address does not change in a panic.
func (e *Endpoint) addressed(d *Dest, p *Datagram) bool {
	return e.panicked && p.dest == d.key && p.epoch == e.epoch && p.dest != 0 && sameMAC(&p.mac, &d.MAC)
}

// address puts them there. It fails without a source address.
func (e *Endpoint) address(d *Dest, p *Datagram) bool {
	own := e.dev.MAC()
	if p.dest == d.key && p.epoch == e.epoch && p.dest != 0 && p.mac == d.MAC && p.own == own {
		return true
	}
	src, ok := e.source(d)
	if !ok {
		return false
	}
	p.dest = 0
	p.v6, p.vlan = d.v6, d.hop.vlan
	if d.v6 {
		p.start = ip6At - ethLen
		putEthernet(p.b[p.start:], d.MAC, own, typeIPv6)
		putIPv6(p.b[ip6At:], src[:], d.ip[:], protoUDP, ttl, 0)
		p.udpSum = inet.Pseudo(p.b[udpAt-32:udpAt], protoUDP, 0)
	} else {
		p.start = ip4At - ethLen
		putEthernet(p.b[p.start:], d.MAC, own, typeIPv4)
		h := p.b[ip4At:udpAt]
		putIPv4(h, src[:4], d.ip[:4], protoUDP, 0, 0)
		h[2], h[3], h[10], h[11] = 0, 0, 0, 0
		p.ipSum = inet.Sum(h, 0)
		p.udpSum = inet.Pseudo(p.b[udpAt-8:udpAt], protoUDP, 0)
	}
	u := p.b[udpAt:]
	binary.BigEndian.PutUint16(u[0:], d.srcPort)
	binary.BigEndian.PutUint16(u[2:], d.port)
	p.udpSum += uint32(d.srcPort) + uint32(d.port)
	p.dest, p.epoch, p.mac, p.own = d.key, e.epoch, d.MAC, own
	return true
}

// frame completes the headers for a payload of n bytes, and returns the frame, without
// a tag, filled up to the minimum of Ethernet with zeros.
func (p *Datagram) frame(n int, id uint16) []byte {
	length := uint32(udpLen + n)
	u := p.b[udpAt:payloadAt]
	u[4], u[5] = byte(length>>8), byte(length)
	c := ^inet.Fold(inet.Sum(p.b[payloadAt:payloadAt+n], p.udpSum+2*length))
	if c == 0 {
		c = 0xffff // 0 would mean that there is none
	}
	u[6], u[7] = byte(c>>8), byte(c)
	if p.v6 {
		h := p.b[ip6At:udpAt]
		h[4], h[5] = byte(length>>8), byte(length)
	} else {
		h := p.b[ip4At:udpAt]
		length += ip4Len
		c := ^inet.Fold(p.ipSum + length + uint32(id))
		h[2], h[3] = byte(length>>8), byte(length)
		h[4], h[5] = byte(id>>8), byte(id)
		h[10], h[11] = byte(c>>8), byte(c)
	}
	end := payloadAt + n
	for end < p.start+minFrame {
		p.b[end] = 0 // so that nothing of a longer one leaves with it
		end++
	}
	return p.b[p.start:end]
}

// sameMAC compares two addresses, for each datagram.
func sameMAC(a, b *[6]byte) bool {
	return *(*uint32)(unsafe.Pointer(a)) == *(*uint32)(unsafe.Pointer(b)) &&
		*(*uint16)(unsafe.Pointer(&a[4])) == *(*uint16)(unsafe.Pointer(&b[4]))
}

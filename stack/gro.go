package stack

import (
	"encoding/binary"
	"math/bits"
	"sync/atomic"
	"unsafe"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"

	"github.com/gasp-go/gasp/board/dma"
	"github.com/gasp-go/gasp/stack/inet"
)

// Generic receive offload: consecutive segments of a TCP connection that one
// poll finds in the ring become one packet before gVisor sees them, so that its
// cost is the packet's and not the frame's. Rules are Linux's (tcp_gro_receive):
// headers that differ in more than sequence number, PSH and window are not
// merged, a segment shorter than the first or with PSH is the last, and nothing
// outlives the poll.
//
// Beyond Linux, of pure acknowledgements that advance only the last is kept.
// What a sender reads from their number it gets from duplicates, which are never
// merged, and from the bytes they acknowledge.

const (
	groFlows   = 8     // connections that are merged at a time (Linux: MAX_GRO_SKBS)
	groMaxSize = 65535 // bytes of an IP packet

	// Bytes of the views that segments are gathered in, the first and the one
	// that takes all others: a view costs thousands of instructions, and a large
	// one for a few segments would waste memory.
	groFirstView = 16 << 10
	groLastView  = 64 << 10
	groViews     = 2

	tcpLen   = header.TCPMinimumSize
	protoTCP = 6
)

// gro holds the packets of the poll in progress. Network thread.
type gro struct {
	flows [groFlows]groFlow
	held  int // flows in use
	next  int // flow that is given up when all are in use

	last *groFlow // that grew last, if groNext may look at it

	packets atomic.Uint64 // given to gVisor
	merged  atomic.Uint64 // segments that became part of a packet before them
}

// groFlow is a packet that may grow. free: head is nil.
type groFlow struct {
	head     *buffer.View           // headers and payload of the first segment
	h        []byte                 // its headers
	rest     [groViews]*buffer.View // payload of the others
	n        int                    // views in rest
	tail     []byte                 // the rest of the last of them
	ip       int                    // length of the IP header
	hdr      int                    // of IP and TCP header
	mss      int                    // payload of the first segment, 0: an acknowledgement
	seq      uint32                 // that comes next
	size     int                    // of the packet so far, bytes
	segments int

	// The first segment's headers as they were, behind the two bytes that align
	// what follows Ethernet's, for groNext. full: the frame's length.
	frame [2 + ethLen + ip4Len + 60]byte
	full  int
}

// tcpSegment is a TCP segment as GRO sees it: a whole IP packet without options
// or fragments.
type tcpSegment struct {
	p        []byte
	ip, hdr  int
	verified bool // its checksum is known to be right
}

// parseTCP checks that p is a TCP segment that GRO understands.
func parseTCP(proto tcpip.NetworkProtocolNumber, p []byte) (s tcpSegment, ok bool) {
	n := 0
	switch {
	case proto == header.IPv4ProtocolNumber:
		if len(p) < ip4Len+tcpLen || p[0] != 0x45 || p[9] != protoTCP || p[6]&0xbf|p[7] != 0 {
			return s, false
		}
		s.ip, n = ip4Len, int(binary.BigEndian.Uint16(p[2:]))
	case proto == header.IPv6ProtocolNumber:
		if len(p) < ip6Len+tcpLen || p[0]>>4 != 6 || p[6] != protoTCP {
			return s, false
		}
		s.ip, n = ip6Len, ip6Len+int(binary.BigEndian.Uint16(p[4:]))
	default:
		return s, false
	}
	if n > len(p) || n < s.ip+tcpLen {
		return s, false
	}
	s.p = p[:n]
	s.hdr = s.ip + int(p[s.ip+12]>>4)*4
	return s, s.hdr >= s.ip+tcpLen && s.hdr <= n
}

func (s *tcpSegment) tcp() []byte     { return s.p[s.ip:s.hdr] }
func (s *tcpSegment) payload() []byte { return s.p[s.hdr:] }

// sumsRight verifies the segment's checksums.
func (s *tcpSegment) sumsRight() bool {
	if s.ip == ip4Len {
		if inet.Fold(inet.Sum(s.p[:ip4Len], 0)) != 0xffff {
			return false
		}
		if s.verified {
			return true
		}
	}
	return s.verified ||
		inet.Fold(inet.Sum(s.p[s.ip:], inet.Pseudo(s.addrs(), protoTCP, len(s.p)-s.ip))) == 0xffff
}

// addrs are both addresses, as they lie in the header.
func (s *tcpSegment) addrs() []byte {
	if s.ip == ip4Len {
		return s.p[12:20]
	}
	return s.p[8:40]
}

// TCP's flags.
const (
	tcpFIN = 1 << iota
	tcpSYN
	tcpRST
	tcpPSH
	tcpACK
)

// groNext takes a frame if it is what nearly all are that come in bulk: of IPv4, of
// the connection of the frame before it, and in nothing different from that
// one's first but in sequence number, IP's ID and window. The device has verified
// its TCP checksum. Whether IP's is right follows from the first's, which was: the
// two fields that differ have the same sum. All else takes the long way.
func (l *link) groNext(frame []byte) bool {
	f := l.gro.last
	if f == nil || len(frame) < f.full {
		return false
	}
	const ip, tcp = ethLen, ethLen + ip4Len
	p, q := unsafe.Pointer(&frame[0]), unsafe.Pointer(&f.frame[2])
	if bits.ReverseBytes32(at32(p, tcp+4)) != f.seq || at32(p, tcp) != at32(q, tcp) ||
		at32(p, ip+12) != at32(q, ip+12) || at32(p, ip+16) != at32(q, ip+16) ||
		at32(p, 10) != at32(q, 10) || at32(p, 6) != at32(q, 6) || at32(p, 2) != at32(q, 2) || at16(p, 0) != at16(q, 0) ||
		at32(p, ip) != at32(q, ip) || // version, TOS, length
		at16(p, ip+6) != at16(q, ip+6) || at16(p, ip+8) != at16(q, ip+8) || // fragment, TTL, protocol
		at32(p, tcp+8) != at32(q, tcp+8) || at16(p, tcp+12) != at16(q, tcp+12) || // acknowledged, flags
		sum16(at16(p, ip+4), at16(p, ip+10)) != sum16(at16(q, ip+4), at16(q, ip+10)) {
		return false
	}
	for i := uintptr(tcp + tcpLen); i < uintptr(ethLen+f.hdr); i += 4 {
		if at32(p, i) != at32(q, i) {
			return false
		}
	}
	copy(f.h[ip4Len+14:ip4Len+16], frame[tcp+14:])
	f.add(frame[ethLen+f.hdr : f.full])
	if f.size+f.mss > groMaxSize {
		l.groDeliver(f)
	}
	return true
}

func at32(p unsafe.Pointer, i uintptr) uint32 { return *(*uint32)(unsafe.Add(p, i)) }
func at16(p unsafe.Pointer, i uintptr) uint16 { return *(*uint16)(unsafe.Add(p, i)) }

// sum16 is the sum that Internet checksums are made of, in whichever byte order.
func sum16(a, b uint16) uint32 {
	s := uint32(a) + uint32(b)
	return s&0xffff + s>>16
}

// groReceive takes a segment for us, the frame's, if it can be merged with others.
// Otherwise it sees to it that what is held of the connection goes first, and
// reports false.
func (l *link) groReceive(s *tcpSegment, frame []byte) bool {
	g := &l.gro
	f := g.find(s)
	flags := s.tcp()[13]
	payload := s.payload()
	plain := flags&^tcpPSH == tcpACK && (len(payload) > 0 || flags == tcpACK) && s.sumsRight()
	s.verified = s.verified || plain
	if f != nil {
		if plain {
			if len(payload) == 0 && f.mss == 0 && f.acknowledge(s) {
				return true
			}
			if len(payload) > 0 && f.append(s) {
				g.last = nil
				if f.full > 0 {
					g.last = f
				}
				if len(payload) < f.mss || flags&tcpPSH != 0 || f.size+f.mss > groMaxSize {
					l.groDeliver(f)
				}
				return true
			}
		}
		l.groDeliver(f)
	}
	if !plain || flags&tcpPSH != 0 {
		return false // the last of its kind already, or none of it
	}
	l.groHold(s, frame)
	return true
}

// find returns the flow of the segment's connection, nil if none is held.
func (g *gro) find(s *tcpSegment) *groFlow {
	for i, seen := 0, 0; seen < g.held; i++ {
		f := &g.flows[i]
		if f.head == nil {
			continue
		}
		seen++
		if f.ip == s.ip && f.sameFlow(s) {
			return f
		}
	}
	return nil
}

func (f *groFlow) sameFlow(s *tcpSegment) bool {
	h, p := f.h, s.p
	if f.ip == ip4Len {
		h, p := (*[24]byte)(h), (*[24]byte)(p)
		return word32(&h[20]) == word32(&p[20]) && word32(&h[12]) == word32(&p[12]) && word32(&h[16]) == word32(&p[16])
	}
	return word32(&h[ip6Len]) == word32(&p[ip6Len]) && string(h[8:ip6Len]) == string(p[8:ip6Len])
}

// word32 is the four bytes at b, in no order that matters. They must be there.
func word32(b *byte) uint32 { return *(*uint32)(unsafe.Pointer(b)) }

// groHold begins a packet with s.
func (l *link) groHold(s *tcpSegment, frame []byte) {
	g := &l.gro
	f := (*groFlow)(nil)
	for i := range g.flows {
		if g.flows[i].head == nil {
			f = &g.flows[i]
			break
		}
	}
	if f == nil {
		f = &g.flows[g.next]
		g.next = (g.next + 1) % groFlows
		l.groDeliver(f)
	}
	payload := len(s.p) - s.hdr
	head := buffer.NewViewWithData(s.p)
	*f = groFlow{
		head: head, h: head.AsSlice()[:s.hdr], ip: s.ip, hdr: s.hdr, mss: payload,
		seq: binary.BigEndian.Uint32(s.tcp()[4:]) + uint32(payload), size: len(s.p), segments: 1,
	}
	g.held++
	g.last = nil
	if s.ip == ip4Len && payload > 0 {
		f.full = ethLen + len(s.p)
		copy(f.frame[2:], frame[:ethLen+s.hdr])
		g.last = f
	}
}

// alike reports whether s differs from the packet in nothing that must be kept.
func (f *groFlow) alike(s *tcpSegment) bool {
	h := f.h
	if f.hdr != s.hdr || binary.BigEndian.Uint32(s.tcp()[4:]) != f.seq {
		return false
	}
	if f.ip == ip4Len {
		return h[1] == s.p[1] && h[6] == s.p[6] && h[8] == s.p[8] // TOS, DF, TTL
	}
	return word32(&h[0]) == word32(&s.p[0]) && h[7] == s.p[7] // class and label, hop limit
}

// append adds a data segment to the packet, if it follows.
func (f *groFlow) append(s *tcpSegment) bool {
	h := f.h
	payload := s.payload()
	if f.mss == 0 || len(payload) > f.mss || f.size+len(payload) > groMaxSize || !f.alike(s) ||
		word32(&h[f.ip+8]) != word32(&s.p[f.ip+8]) || // what it acknowledges
		string(h[f.ip+tcpLen:f.hdr]) != string(s.p[f.ip+tcpLen:f.hdr]) { // options
		return false
	}
	h[f.ip+13] |= s.p[s.ip+13]
	copy(h[f.ip+14:f.ip+16], s.p[s.ip+14:]) // window
	f.add(payload)
	return true
}

// add gathers the next segment's payload.
func (f *groFlow) add(payload []byte) {
	f.seq += uint32(len(payload))
	f.size += len(payload)
	f.segments++
	for {
		n := dma.Copy(f.tail, payload)
		f.tail, payload = f.tail[n:], payload[n:]
		if len(payload) == 0 {
			return
		}
		size := groFirstView
		if f.n > 0 {
			size = groLastView
		}
		v := buffer.NewView(size)
		v.Grow(size)
		f.rest[f.n], f.tail = v, v.AsSlice()
		f.n++
	}
}

// acknowledge replaces the packet, an acknowledgement, by a later one.
func (f *groFlow) acknowledge(s *tcpSegment) bool {
	h := f.h
	advance := int32(binary.BigEndian.Uint32(s.tcp()[8:]) - binary.BigEndian.Uint32(h[f.ip+8:]))
	if advance <= 0 || !f.alike(s) || !plainOptions(h[f.ip+tcpLen:f.hdr]) || !plainOptions(s.p[s.ip+tcpLen:s.hdr]) {
		return false
	}
	copy(h, s.p[:s.hdr])
	f.segments++
	return true
}

// plainOptions reports whether there is a time stamp at most: no SACK.
func plainOptions(o []byte) bool {
	return len(o) == 0 || len(o) == 12 && o[0] == 1 && o[1] == 1 && o[2] == header.TCPOptionTS && o[3] == header.TCPOptionTSLength
}

// groDeliver gives the packet to gVisor.
func (l *link) groDeliver(f *groFlow) {
	h := f.h
	proto := header.IPv4ProtocolNumber
	if f.ip == ip4Len {
		if f.segments > 1 {
			binary.BigEndian.PutUint16(h[2:], uint16(f.size))
			h[10], h[11] = 0, 0
			binary.BigEndian.PutUint16(h[10:], ^inet.Fold(inet.Sum(h[:ip4Len], 0)))
		}
	} else {
		proto = header.IPv6ProtocolNumber
		binary.BigEndian.PutUint16(h[4:], uint16(f.size-ip6Len))
	}
	if f.n > 0 {
		v := f.rest[f.n-1]
		v.CapLength(v.Size() - len(f.tail))
	}
	buf := buffer.MakeWithView(f.head)
	for _, v := range f.rest[:f.n] {
		b := buffer.MakeWithView(v)
		buf.Merge(&b) // Append would copy into what room there is
	}
	l.gro.packets.Add(1)
	if f.segments > 1 {
		l.gro.merged.Add(uint64(f.segments - 1))
	}
	if l.gro.last == f {
		l.gro.last = nil
	}
	*f = groFlow{}
	l.gro.held--
	l.enter(proto, tcpip.PacketHost, buf, true)
}

// groFlush delivers all that is held. It is the device's GRO flush: nothing
// outlives a poll.
func (l *link) groFlush(bool) (held bool) {
	if l.gro.held == 0 {
		return false
	}
	for i := range l.gro.flows {
		if l.gro.flows[i].head != nil {
			l.groDeliver(&l.gro.flows[i])
		}
	}
	return false
}

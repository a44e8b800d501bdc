package stack

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"unsafe"

	"gvisor.dev/gvisor/pkg/buffer"
	gv "gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/gasp-go/gasp/board/trap"
	"github.com/gasp-go/gasp/stack/inet"
	"github.com/gasp-go/gasp/stack/netdev"
)

// Segmentation offload in software: gVisor hands down TCP packets of up to 64 KB
// with headers for one, and they are cut into frames here, just above the
// driver. Payload is not copied on the way: each frame is gathered from a header
// and slices of the packet.

// tsoMaxSize is the longest packet in bytes that gVisor may hand down. It takes off
// the longest headers there could be (header.TCPTotalHeaderMaximumSize and one); the
// rest is whole segments of the usual size, as many as fit 64 KB.
const tsoMaxSize = 45*1448 + 161

// tsoStats count packets that were longer than a segment.
type tsoStats struct {
	packets  atomic.Uint64
	segments atomic.Uint64
	mss      atomic.Uint32
}

// SegmentSize returns how many bytes of payload the latest long TCP packet had in a
// segment; 0 if there was none yet. Any context.
func (s *Stack) SegmentSize() int { return int(s.link.tso.mss.Load()) }

// GSOMaxSize implements stack.GSOEndpoint.
func (l *link) GSOMaxSize() uint32 { return tsoMaxSize }

// SupportedGSO implements stack.GSOEndpoint.
func (l *link) SupportedGSO() gv.SupportedGSO { return gv.HostGSOSupported }

// tsoBatch is how many frames are given to the driver at a time, with interrupts
// masked: some 10,000 instructions.
const tsoBatch = 8

// segmenter cuts a packet into frames.
type segmenter struct {
	head [ethLen + ip6Len + 60]byte // of the packet, checksums 0
	ip   int                        // length of the IP header
	hdr  int                        // of all of them
	sum  uint32                     // of the IPv4 header, without its length and ID
	seq  uint32
	id   uint16
	left int // bytes of payload

	view *buffer.View // with the next byte
	at   int          // its offset

	frames [tsoBatch]tsoFrame
	n      int // frames to be sent
	done   int // of which were
	dev    *netdev.Device
	status netdev.TxStatus
}

// tsoFrame is one segment, ready to be sent.
type tsoFrame struct {
	head  [ethLen + ip6Len + 60]byte
	parts [maxGather][]byte
	n     int // of parts
	flags netdev.TxFlags
}

// segmenters are those not in use: one points into itself, so it cannot be on a
// stack.
var segmenters = sync.Pool{New: func() any { return new(segmenter) }}

// release gives s back, without references to the packet.
func (s *segmenter) release() {
	s.view = nil
	for i := range s.frames[:s.n] {
		f := &s.frames[i]
		clear(f.parts[:f.n])
	}
	segmenters.Put(s)
}

// segment sends a TCP packet, in as many frames as it takes, from sent bytes of
// its payload on. It returns how many are sent then.
func (l *link) segment(pkt *gv.PacketBuffer, sent int) (netdev.TxStatus, int) {
	s := segmenters.Get().(*segmenter)
	defer s.release()
	s.dev = l.dev
	size := pkt.Data().Size()
	mss := int(pkt.GSOOptions.MSS)
	switch {
	case mss == 0 || size <= mss:
		mss = max(size, 1)
	case sent == 0:
		l.tso.mss.Store(uint32(mss))
		l.tso.packets.Add(1)
		l.tso.segments.Add(uint64((size + mss - 1) / mss))
	}
	if !s.init(pkt, sent, sent/mss) {
		l.dev.Counters().TxDropped.Add(1)
		return netdev.TxDropped, sent
	}
	for {
		for s.n = 0; s.n < tsoBatch && (s.left > 0 || s.n == 0); s.n++ {
			s.next(&s.frames[s.n], min(mss, s.left))
		}
		trap.Run(trapSegments, unsafe.Pointer(s))
		sent = min(sent+s.done*mss, size)
		if s.status != netdev.TxOK || s.left == 0 {
			return s.status, sent
		}
	}
}

func trapSegments(p unsafe.Pointer) {
	s := (*segmenter)(p)
	for s.done = 0; s.done < s.n; s.done++ {
		f := &s.frames[s.done]
		flags := f.flags
		if s.done+1 < s.n {
			flags |= netdev.TxMore
		}
		if s.status = s.dev.SendTrap(f.parts[:f.n], flags); s.status != netdev.TxOK {
			return
		}
	}
}

// init takes the packet's headers and goes to its payload, past what is sent, in
// so many segments. It reports false if these are not the headers of such a packet.
func (s *segmenter) init(pkt *gv.PacketBuffer, sent, segments int) bool {
	s.hdr = pkt.HeaderSize()
	views, skip := pkt.AsViewList()
	s.view, s.at = views.Front(), skip
	for at := 0; at < s.hdr && s.hdr <= len(s.head); {
		b := s.view.AsSlice()
		if s.at >= len(b) {
			s.at -= len(b)
			s.view = s.view.Next()
			continue
		}
		n := copy(s.head[at:s.hdr], b[s.at:])
		at, s.at = at+n, s.at+n
	}
	s.ip = ip6Len
	ip := s.head[ethLen:]
	if ip[0]>>4 == 4 {
		s.ip = int(ip[0]&15) * 4
	}
	if s.ip < ip4Len || s.hdr < ethLen+s.ip+tcpLen || s.hdr > len(s.head) {
		return false
	}
	tcp := ip[s.ip:]
	s.seq = binary.BigEndian.Uint32(tcp[4:]) + uint32(sent)
	tcp[16], tcp[17] = 0, 0
	s.id = binary.BigEndian.Uint16(ip[4:]) + uint16(segments)
	if ip[0]>>4 == 4 {
		clear(ip[2:6])
		clear(ip[10:12])
		s.sum = inet.Sum(ip[:s.ip], 0)
	}
	s.left = pkt.Data().Size() - sent
	s.at += sent
	return true
}

// next makes f the next segment, with n bytes of payload. The device inserts the
// checksum where it can.
func (s *segmenter) next(f *tsoFrame, n int) {
	s.left -= n
	h := f.head[:copy(f.head[:], s.head[:s.hdr])]
	ip, tcp := h[ethLen:ethLen+s.ip], h[ethLen+s.ip:]
	v6 := ip[0]>>4 == 6
	if v6 {
		binary.BigEndian.PutUint16(ip[4:], uint16(s.ip-ip6Len+len(tcp)+n))
	} else {
		length := uint16(s.ip + len(tcp) + n)
		binary.BigEndian.PutUint16(ip[2:], length)
		binary.BigEndian.PutUint16(ip[4:], s.id)
		binary.BigEndian.PutUint16(ip[10:], ^inet.Fold(inet.Add(s.sum, uint32(length)+uint32(s.id))))
		s.id++
	}
	binary.BigEndian.PutUint32(tcp[4:], s.seq)
	s.seq += uint32(n)
	if s.left > 0 {
		tcp[13] &^= tcpFIN | tcpPSH
	}
	s.gather(f, n)
	f.flags = netdev.TxChecksumL4
	if v6 { // which is not the device's
		sum := inet.Sum(tcp, inet.Pseudo(ip[8:40], protoTCP, len(tcp)+n))
		binary.BigEndian.PutUint16(tcp[16:], ^inet.Fold(sumParts(f.parts[1:f.n], sum)))
		f.flags = 0
	}
}

// gather lists the header and the next n bytes of payload. More pieces than
// there is room for are put together.
func (s *segmenter) gather(f *tsoFrame, n int) {
	f.parts[0] = f.head[:s.hdr]
	f.n = 1
	for n > 0 {
		b := s.view.AsSlice()
		if s.at >= len(b) {
			s.at -= len(b)
			s.view = s.view.Next()
			continue
		}
		b = b[s.at:min(len(b), s.at+n)]
		s.at += len(b)
		n -= len(b)
		if f.n == maxGather {
			last := f.parts[f.n-1]
			f.parts[f.n-1] = append(last[:len(last):len(last)], b...)
			continue
		}
		f.parts[f.n] = b
		f.n++
	}
}

// sumParts adds parts, which may have odd lengths, to initial.
func sumParts(parts [][]byte, initial uint32) uint32 {
	odd := false
	for _, p := range parts {
		s := inet.Sum(p, 0)
		if odd {
			s = inet.Swap(s)
		}
		odd = odd != (len(p)%2 != 0)
		initial = inet.Add(initial, s)
	}
	return initial
}

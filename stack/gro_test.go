package stack

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	gv "gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/gasp-go/gasp/stack/inet"
	"github.com/gasp-go/gasp/stack/netdev"
)

// sinkhole is a dispatcher that keeps the packets it gets.
type sinkhole struct {
	gv.NetworkDispatcher
	l        *link
	packets  [][]byte
	verified []bool
}

func (s *sinkhole) DeliverNetworkPacket(_ tcpip.NetworkProtocolNumber, pkt *gv.PacketBuffer) {
	v := pkt.ToView()
	s.packets = append(s.packets, slices.Clone(v.AsSlice()))
	s.verified = append(s.verified, s.l.Capabilities()&gv.CapabilityRXChecksumOffload != 0)
	v.Release()
}

func newSinkhole() *sinkhole {
	p := makePort("g", [6]byte{2, 0, 0, 0, 0, 1})
	s := &sinkhole{l: newLink(p.dev, func() int64 { return 0 })}
	s.l.Attach(s)
	return s
}

// segmentSpec says what a TCP segment looks like.
type segmentSpec struct {
	v6       bool
	port     uint16
	seq, ack uint32
	flags    byte
	window   uint16
	options  []byte
	payload  []byte
}

func (s segmentSpec) frame() []byte {
	ipLen, typ := ip4Len, []byte{8, 0}
	if s.v6 {
		ipLen, typ = ip6Len, []byte{0x86, 0xdd}
	}
	n := tcpLen + len(s.options) + len(s.payload)
	f := make([]byte, ethLen+ipLen+n)
	copy(f, []byte{2, 0, 0, 0, 0, 1})
	copy(f[6:], earlyPeer[:])
	copy(f[12:], typ)
	ip, tcp := f[ethLen:ethLen+ipLen], f[ethLen+ipLen:]
	addrs := ip[12:]
	if s.v6 {
		ip[0], ip[6], ip[7] = 0x60, protoTCP, 64
		binary.BigEndian.PutUint16(ip[4:], uint16(n))
		addrs = ip[8:]
		copy(ip[8:], []byte{0xfe, 0x80, 15: 9})
		copy(ip[24:], []byte{0xfe, 0x80, 15: 1})
	} else {
		ip[0], ip[6], ip[8], ip[9] = 0x45, 0x40, 64, protoTCP
		binary.BigEndian.PutUint16(ip[2:], uint16(ipLen+n))
		copy(ip[12:], []byte{10, 0, 0, 9, 10, 0, 0, 1})
		binary.BigEndian.PutUint16(ip[10:], ^inet.Fold(inet.Sum(ip, 0)))
	}
	binary.BigEndian.PutUint16(tcp, 999)
	binary.BigEndian.PutUint16(tcp[2:], s.port)
	binary.BigEndian.PutUint32(tcp[4:], s.seq)
	binary.BigEndian.PutUint32(tcp[8:], s.ack)
	tcp[12], tcp[13] = byte(tcpLen+len(s.options))<<2, s.flags
	binary.BigEndian.PutUint16(tcp[14:], s.window)
	copy(tcp[tcpLen:], s.options)
	copy(tcp[tcpLen+len(s.options):], s.payload)
	binary.BigEndian.PutUint16(tcp[16:], ^inet.Fold(inet.Sum(tcp, inet.Pseudo(addrs, protoTCP, n))))
	return f
}

func pattern(n int, from uint32) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte((from + uint32(i)) * 31 >> 3)
	}
	return b
}

// stamp is a time stamp option as everybody sends it.
func stamp(v byte) []byte { return []byte{1, 1, 8, 10, 0, 0, 0, v, 0, 0, 0, 5} }

func data(seq uint32, n int) segmentSpec {
	return segmentSpec{port: 80, seq: seq, ack: 7, flags: tcpACK, window: 100, payload: pattern(n, seq)}
}

func TestConsecutiveSegmentsBecomeOnePacket(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		s := newSinkhole()
		ipLen := ip4Len
		if v6 {
			ipLen = ip6Len
		}
		const mss, n = 1428, 44 // one more, and it would have to go
		for i := range n {
			d := data(uint32(i*mss), mss)
			d.v6, d.options, d.window = v6, stamp(1), uint16(100+i)
			s.l.receive(d.frame(), 0)
		}
		if len(s.packets) != 0 {
			t.Fatalf("IPv6 %v: delivered before the end of the poll", v6)
		}
		s.l.groFlush(false)
		if len(s.packets) != 1 || !s.verified[0] {
			t.Fatalf("IPv6 %v: %d packets, verified %v", v6, len(s.packets), s.verified)
		}
		p := s.packets[0]
		tcp := p[ipLen:]
		if !bytes.Equal(tcp[tcpLen+12:], bytes.Join(payloads(mss, n), nil)) {
			t.Errorf("IPv6 %v: payload of %d bytes is not what was sent", v6, len(tcp)-tcpLen-12)
		}
		if v6 && int(binary.BigEndian.Uint16(p[4:])) != len(p)-ip6Len ||
			!v6 && (int(binary.BigEndian.Uint16(p[2:])) != len(p) || inet.Fold(inet.Sum(p[:ip4Len], 0)) != 0xffff) {
			t.Errorf("IPv6 %v: header %x", v6, p[:ipLen])
		}
		if w := binary.BigEndian.Uint16(tcp[14:]); w != 100+n-1 {
			t.Errorf("window %d", w)
		}
		if st := s.l.stats(); st.GROPackets != 1 || st.GROMerged != n-1 {
			t.Errorf("%+v", st)
		}
	}
}

func payloads(mss, n int) (p [][]byte) {
	for i := range n {
		p = append(p, pattern(mss, uint32(i*mss)))
	}
	return p
}

func TestWhatEndsAPacket(t *testing.T) {
	with := func(d segmentSpec, change func(*segmentSpec)) segmentSpec { change(&d); return d }
	ack := func(n uint32) segmentSpec { return segmentSpec{port: 80, seq: 9, ack: n, flags: tcpACK, window: 100} }
	bad := func(d segmentSpec) []byte { f := d.frame(); f[len(f)-1] ^= 1; return f }
	raw := func(d segmentSpec, at int, v byte) []byte {
		f := d.frame()
		f[ethLen+at] = v
		f[ethLen+10], f[ethLen+11] = 0, 0
		binary.BigEndian.PutUint16(f[ethLen+10:], ^inet.Fold(inet.Sum(f[ethLen:ethLen+ip4Len], 0)))
		return f
	}
	for name, c := range map[string]struct {
		frames [][]byte
		want   []int // lengths of the packets
	}{
		"two in order":            {[][]byte{data(0, 100).frame(), data(100, 100).frame()}, []int{240}},
		"a shorter one is last":   {[][]byte{data(0, 100).frame(), data(100, 50).frame(), data(150, 100).frame()}, []int{190, 140}},
		"a longer one begins":     {[][]byte{data(0, 50).frame(), data(50, 100).frame()}, []int{90, 140}},
		"a gap":                   {[][]byte{data(0, 100).frame(), data(200, 100).frame()}, []int{140, 140}},
		"a repetition":            {[][]byte{data(0, 100).frame(), data(0, 100).frame()}, []int{140, 140}},
		"sequence numbers wrap":   {[][]byte{data(0xffffffce, 100).frame(), data(50, 100).frame()}, []int{240}},
		"PSH is last":             {[][]byte{data(0, 100).frame(), with(data(100, 100), func(d *segmentSpec) { d.flags |= tcpPSH }).frame(), data(200, 100).frame()}, []int{240, 140}},
		"PSH alone does not wait": {[][]byte{with(data(0, 100), func(d *segmentSpec) { d.flags |= tcpPSH }).frame(), data(100, 100).frame()}, []int{140, 140}},
		"FIN":                     {[][]byte{data(0, 100).frame(), with(data(100, 100), func(d *segmentSpec) { d.flags |= tcpFIN }).frame()}, []int{140, 140}},
		"RST":                     {[][]byte{data(0, 100).frame(), {}, with(data(100, 0), func(d *segmentSpec) { d.flags = tcpRST }).frame()}, []int{140, 40}},
		"CWR":                     {[][]byte{data(0, 100).frame(), with(data(100, 100), func(d *segmentSpec) { d.flags |= 0x80 }).frame()}, []int{140, 140}},
		"another acknowledgement": {[][]byte{data(0, 100).frame(), with(data(100, 100), func(d *segmentSpec) { d.ack++ }).frame()}, []int{140, 140}},
		"another time stamp":      {[][]byte{with(data(0, 100), func(d *segmentSpec) { d.options = stamp(1) }).frame(), with(data(100, 100), func(d *segmentSpec) { d.options = stamp(2) }).frame()}, []int{152, 152}},
		"other options":           {[][]byte{with(data(0, 100), func(d *segmentSpec) { d.options = stamp(1) }).frame(), data(100, 100).frame()}, []int{152, 140}},
		"another TTL":             {[][]byte{data(0, 100).frame(), raw(data(100, 100), 8, 63)}, []int{140, 140}},
		"another TOS":             {[][]byte{data(0, 100).frame(), raw(data(100, 100), 1, 3)}, []int{140, 140}},
		"another DF":              {[][]byte{data(0, 100).frame(), raw(data(100, 100), 6, 0)}, []int{140, 140}},
		"a fragment":              {[][]byte{data(0, 100).frame(), raw(data(100, 100), 6, 0x20)}, []int{140, 140}},
		"a wrong checksum":        {[][]byte{data(0, 100).frame(), bad(data(100, 100))}, []int{140, 140}},
		"two connections":         {[][]byte{data(0, 100).frame(), with(data(0, 60), func(d *segmentSpec) { d.port = 81 }).frame(), data(100, 100).frame()}, []int{240, 100}},
		"acknowledgements":        {[][]byte{ack(10).frame(), ack(20).frame(), ack(30).frame()}, []int{40}},
		"a duplicate of one":      {[][]byte{ack(10).frame(), ack(10).frame(), ack(10).frame()}, []int{40, 40, 40}},
		"an old one":              {[][]byte{ack(20).frame(), ack(10).frame()}, []int{40, 40}},
		"one with SACK":           {[][]byte{ack(10).frame(), with(ack(20), func(d *segmentSpec) { d.options = []byte{1, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 2} }).frame()}, []int{40, 52}},
		"data, then one":          {[][]byte{data(0, 100).frame(), with(ack(20), func(d *segmentSpec) { d.seq = 100 }).frame()}, []int{140, 40}},
		"one, then data":          {[][]byte{with(ack(7), func(d *segmentSpec) { d.seq = 0 }).frame(), data(0, 100).frame()}, []int{40, 140}},
	} {
		for _, flags := range []netdev.RxFlags{0, netdev.RxChecksumOK} {
			if flags != 0 && name == "a wrong checksum" {
				continue // the device says it is right
			}
			s := newSinkhole()
			for _, f := range c.frames {
				if len(f) > 0 {
					s.l.receive(f, flags)
				}
			}
			s.l.groFlush(false)
			var got []int
			for _, p := range s.packets {
				got = append(got, int(binary.BigEndian.Uint16(p[2:])))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%s, flags %d: packets of %v bytes, want %v", name, flags, got, c.want)
			}
		}
	}
}

// both has frames received the short way and, by another stack, the long way, with
// checksums verified, and compares what becomes of them.
func both(t *testing.T, frames [][]byte) *sinkhole {
	t.Helper()
	short, long := newSinkhole(), newSinkhole()
	for _, f := range frames {
		short.l.receive(slices.Clone(f), netdev.RxChecksumOK)
		long.l.gro.last = nil
		long.l.receive(slices.Clone(f), netdev.RxChecksumOK)
	}
	short.l.groFlush(false)
	long.l.groFlush(false)
	if !slices.EqualFunc(short.packets, long.packets, bytes.Equal) {
		t.Errorf("%d packets the short way, %d the long way:\n%.200x\n%.200x", len(short.packets), len(long.packets), short.packets, long.packets)
	}
	if a, b := short.l.stats(), long.l.stats(); a != b {
		t.Errorf("counted the short way %+v, the long way %+v", a, b)
	}
	return short
}

func TestTheShortWayIsTakenByAllThatFollowOnly(t *testing.T) {
	options := func(i int) segmentSpec {
		d := data(uint32(i*1448), 1448)
		d.options = stamp(1)
		return d
	}
	taken := func(f []byte) bool {
		s := newSinkhole()
		s.l.receive(options(0).frame(), netdev.RxChecksumOK)
		return s.l.groNext(f)
	}
	next := options(1)
	next.window = 99
	if !taken(next.frame()) {
		t.Fatal("the next segment is not")
	}
	// Of all its header only the window and what the device has verified may be
	// another, and the padding behind the packet.
	f := next.frame()
	for i := range ethLen + ip4Len + tcpLen + 12 {
		for bit := range 8 {
			f[i] ^= 1 << bit
			tcp := i - ethLen - ip4Len
			if want := tcp >= 14 && tcp < 20; taken(f) != want {
				t.Errorf("byte %d, bit %d: %v", i, bit, !want)
			}
			f[i] ^= 1 << bit
		}
	}
	for n := range f {
		if taken(f[:n]) {
			t.Errorf("cut to %d bytes", n)
		}
	}
	if !taken(append(f, 0, 0)) {
		t.Error("padded")
	}
	ip := f[ethLen : ethLen+ip4Len]
	ip[4], ip[5], ip[10], ip[11] = 0xfe, 7, 0, 0
	binary.BigEndian.PutUint16(ip[10:], ^inet.Fold(inet.Sum(ip, 0)))
	if !taken(f) {
		t.Error("another ID")
	}
	var frames [][]byte
	for i := range 100 {
		frames = append(frames, options(i).frame())
	}
	if s := both(t, frames); len(s.packets) != 3 {
		t.Errorf("%d packets", len(s.packets))
	}
}

func TestTheLastAcknowledgementIsTheOneThatIsKept(t *testing.T) {
	s := newSinkhole()
	for i := range uint32(5) {
		s.l.receive(segmentSpec{port: 80, seq: 9, ack: 10 + i, flags: tcpACK, window: uint16(100 + i), options: stamp(byte(i))}.frame(), 0)
	}
	s.l.groFlush(false)
	want := segmentSpec{port: 80, seq: 9, ack: 14, flags: tcpACK, window: 104, options: stamp(4)}.frame()[ethLen:]
	if len(s.packets) != 1 || !bytes.Equal(s.packets[0], want) {
		t.Errorf("%x\nwant %x", s.packets, want)
	}
}

func TestMoreConnectionsThanGROHolds(t *testing.T) {
	s := newSinkhole()
	for round := range 3 {
		for c := range 2 * groFlows {
			d := data(uint32(round*100), 100)
			d.port = uint16(c)
			s.l.receive(d.frame(), 0)
		}
	}
	s.l.groFlush(false)
	total := 0
	for _, p := range s.packets {
		total += len(p) - ip4Len - tcpLen
	}
	if total != 3*2*groFlows*100 || s.l.gro.held != 0 {
		t.Errorf("%d bytes in %d packets, %d held", total, len(s.packets), s.l.gro.held)
	}
}

func TestNothingIsHeldForAClosedStack(t *testing.T) {
	s := newSinkhole()
	s.l.receive(data(0, 100).frame(), 0)
	s.l.Attach(nil)
	s.l.groFlush(false)
	if st := s.l.stats(); st.InDetached != 1 || len(s.packets) != 0 {
		t.Errorf("%+v", st)
	}
}

// cut sends a TCP packet with GSO and returns the frames. The ring has room for
// so many at a time.
func cut(t *testing.T, v6 bool, payload []byte, mss int, pieces []int, room int) (frames [][]byte) {
	t.Helper()
	p := makePort("g", [6]byte{2, 0, 0, 0, 0, 1})
	l := newLink(p.dev, func() int64 { return 0 })
	inRing := 0
	p.dead, p.busy = true, func() bool { return inRing == room }
	p.out = func(f []byte) { frames = append(frames, f); inRing++ }
	p.dev.OnTxWake(l.dequeue)
	if err := p.dev.Open(); err != nil {
		t.Fatal(err)
	}
	d := segmentSpec{v6: v6, port: 80, seq: 0xfffffff0, ack: 5, flags: tcpACK | tcpPSH | tcpFIN, window: 77, options: stamp(3)}
	f := d.frame()
	ipLen, proto, typ := ip4Len, header.IPv4ProtocolNumber, gv.GSOTCPv4
	if v6 {
		ipLen, proto, typ = ip6Len, header.IPv6ProtocolNumber, gv.GSOTCPv6
	}
	pkt := gv.NewPacketBuffer(gv.PacketBufferOptions{ReserveHeaderBytes: len(f)})
	defer pkt.DecRef()
	for at := 0; at < len(payload); {
		n := len(payload) - at
		if len(pieces) > 0 {
			n, pieces = min(n, pieces[0]), pieces[1:]
		}
		piece := gv.NewPacketBuffer(gv.PacketBufferOptions{Payload: bufferOf(payload[at : at+n])})
		b := piece.ToBuffer()
		pkt.Data().MergeBuffer(&b)
		piece.DecRef()
		at += n
	}
	copy(pkt.TransportHeader().Push(tcpLen+12), f[ethLen+ipLen:])
	copy(pkt.NetworkHeader().Push(ipLen), f[ethLen:])
	copy(pkt.LinkHeader().Push(ethLen), f)
	pkt.NetworkProtocolNumber, pkt.TransportProtocolNumber = proto, header.TCPProtocolNumber
	pkt.GSOOptions = gv.GSO{Type: typ, NeedsCsum: true, CsumOffset: header.TCPChecksumOffset, MSS: uint16(mss), L3HdrLen: uint16(ipLen)}
	var list gv.PacketBufferList
	list.PushBack(pkt)
	if n, err := l.WritePackets(list); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	for p.dev.TxStopped() {
		if inRing == 0 {
			t.Fatal("stopped with an empty ring")
		}
		inRing = 0
		p.dev.TxWake()
	}
	return frames
}

func TestALongPacketIsCutIntoSegments(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for i, n := range []int{0, 1, 999, 1000, 1001, 2000, 2001, 65000, 65000, 65000} {
		room := 1 << 30
		if i > 7 { // all of it does not fit the ring
			room = 3 + 7*(i-8)
		}
		for _, v6 := range []bool{false, true} {
			var pieces []int
			for range 40 {
				pieces = append(pieces, 1+rng.IntN(200))
			}
			payload := pattern(n, uint32(n))
			frames := cut(t, v6, payload, 1000, pieces, room)
			if want := max(1, (n+999)/1000); len(frames) != want {
				t.Fatalf("IPv6 %v, %d bytes: %d frames, want %d", v6, n, len(frames), want)
			}
			at := 0
			for i, f := range frames {
				m := min(1000, n-at)
				last := i == len(frames)-1
				want := segmentSpec{v6: v6, port: 80, seq: 0xfffffff0 + uint32(at), ack: 5, flags: tcpACK, window: 77, options: stamp(3), payload: payload[at : at+m]}
				if last {
					want.flags |= tcpPSH | tcpFIN
				}
				w := want.frame()
				if !v6 { // the ID counts
					binary.BigEndian.PutUint16(w[ethLen+4:], uint16(i))
					w[ethLen+10], w[ethLen+11] = 0, 0
					binary.BigEndian.PutUint16(w[ethLen+10:], ^inet.Fold(inet.Sum(w[ethLen:ethLen+ip4Len], 0)))
				}
				if !bytes.Equal(f, w) {
					t.Fatalf("IPv6 %v, %d bytes, segment %d:\n%.80x\nwant\n%.80x", v6, n, i, f, w)
				}
				at += m
			}
		}
	}
}

func TestAPacketWithoutItsHeadersIsDroppedNotCut(t *testing.T) {
	p := makePort("g", [6]byte{2, 0, 0, 0, 0, 1})
	l := newLink(p.dev, func() int64 { return 0 })
	p.out = func(f []byte) { t.Errorf("sent %x", f) }
	if err := p.dev.Open(); err != nil {
		t.Fatal(err)
	}
	for _, n := range [][3]int{{14, 20, 0}, {14, 0, 20}, {0, 20, 20}, {14, 100, 60}} {
		pkt := gv.NewPacketBuffer(gv.PacketBufferOptions{ReserveHeaderBytes: 200, Payload: bufferOf(make([]byte, 3000))})
		pkt.TransportHeader().Push(n[2])
		pkt.NetworkHeader().Push(n[1])
		pkt.LinkHeader().Push(n[0])
		pkt.GSOOptions = gv.GSO{Type: gv.GSOTCPv4, MSS: 1000}
		if st, _ := l.write(pkt, 0); st != netdev.TxDropped {
			t.Errorf("headers of %v bytes: %v", n, st)
		}
		pkt.DecRef()
	}
	if n := p.dev.Stats().TxDropped; n != 4 {
		t.Errorf("%d counted", n)
	}
}

func FuzzGRO(f *testing.F) {
	f.Add(data(0, 100).frame(), data(100, 100).frame(), uint16(0), byte(0))
	f.Add(segmentSpec{port: 80, flags: tcpACK, options: stamp(1)}.frame(), segmentSpec{port: 80, ack: 9, flags: tcpACK, options: stamp(1)}.frame(), uint16(3), byte(1))
	f.Add(segmentSpec{v6: true, port: 80, flags: tcpACK, payload: []byte("x")}.frame(), data(1, 1).frame(), uint16(40), byte(7))
	f.Fuzz(func(t *testing.T, a, b []byte, at uint16, v byte) {
		s := newSinkhole()
		var frames [][]byte
		for _, frame := range [][]byte{a, b, a} {
			frame = slices.Clone(frame)
			if int(at) < len(frame) {
				frame[at] ^= v
			}
			if len(frame) > 1514 {
				return
			}
			frames = append(frames, frame)
			s.l.receive(frame, 0)
		}
		s.l.groFlush(false)
		both(t, frames)
		if s.l.gro.held != 0 {
			t.Errorf("%d flows held", s.l.gro.held)
		}
		in := 3
		st := s.l.stats()
		out := len(s.packets) + int(st.GROMerged+st.InTooShort+st.InLengthField+st.InUnknownProtos+st.InOtherHost+st.InBadSource+st.InMartian)
		if in != out {
			t.Errorf("%d frames in, %d accounted for: %+v", in, out, st)
		}
	})
}

func bufferOf(b []byte) buffer.Buffer { return buffer.MakeWithData(b) }

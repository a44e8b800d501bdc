package stack

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"unsafe"

	"gvisor.dev/gvisor/pkg/tcpip/header"

	"github.com/gasp-go/gasp/board/trap"
	"github.com/gasp-go/gasp/stack/inet"
)

// early is a node whose sent frames are kept and whose clock stands still.
type early struct {
	*node
	now  atomic.Int64
	sent [][]byte // trap context
}

var earlyPeer = [6]byte{2, 0, 0, 0, 0, 9}

func newEarly(t *testing.T) *early {
	e := &early{node: newNode(t, "e", 1, nil)}
	e.now.Store(1e9)
	e.link.now = e.now.Load
	e.out = func(frame []byte) { e.sent = append(e.sent, frame) }
	if err := e.port.dev.Open(); err != nil {
		t.Fatal(err)
	}
	if err := e.Configure(t.Context(), IPConfig{
		Client:  netip.MustParseAddr("10.0.0.1"),
		Netmask: netip.MustParseAddr("255.255.255.0"),
	}); err != nil {
		t.Fatal(err)
	}
	// The last change of addresses by itself: it voids what is known.
	e.await(t, "link-local address", func(i AddrInfo) bool { return len(i.IPv6) == 1 })
	// gVisor must not have to ask for the peer, so the peer asks first.
	arp := make([]byte, 28)
	copy(arp, []byte{0, 1, 8, 0, 6, 4, 0, 1})
	copy(arp[8:], earlyPeer[:])
	copy(arp[14:], []byte{10, 0, 0, 9})
	copy(arp[24:], []byte{10, 0, 0, 1})
	e.link.receive(slices.Concat([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, earlyPeer[:], []byte{8, 6}, arp), 0)
	e.now.Add(1) // after what the configuration made void
	return e
}

// learn makes the peer a known destination.
func (e *early) learn(t *testing.T) {
	t.Helper()
	e.now.Add(1)
	if e.link.receive(echoRequest(8), 0); !e.known() {
		t.Fatal("the peer does not become known")
	}
}

func (e *early) known() (ok bool) {
	to := mapped4([]byte{10, 0, 0, 9})
	inTrap(func() { ok = e.link.dst.lookup(&to, e.now.Load()) != nil })
	return ok
}

// last returns the frame sent last of the given protocol, nil if there is none.
func (e *early) last(proto byte) (frame []byte) {
	inTrap(func() {
		for _, f := range e.sent {
			if f[12] == 8 && f[13] == 0 && f[23] == proto {
				frame = f
			}
		}
		e.sent = nil
	})
	return frame
}

// ipv4Frame is a frame from 10.0.0.9 to 10.0.0.1 with sums as they should be.
func ipv4Frame(proto byte, payload []byte) []byte {
	f := make([]byte, ethLen+ip4Len+len(payload))
	copy(f, []byte{2, 0, 0, 0, 0, 1})
	copy(f[6:], earlyPeer[:])
	f[12] = 8
	h := f[ethLen:]
	h[0], h[1], h[8], h[9] = 0x45, 0x10, 17, proto
	binary.BigEndian.PutUint16(h[2:], uint16(ip4Len+len(payload)))
	binary.BigEndian.PutUint16(h[4:], 0xbeef)
	copy(h[12:], []byte{10, 0, 0, 9, 10, 0, 0, 1})
	copy(h[ip4Len:], payload)
	sums(f)
	return f
}

// sums makes the checksums of an IPv4 frame right.
func sums(f []byte) {
	h := f[ethLen:]
	h[10], h[11] = 0, 0
	binary.BigEndian.PutUint16(h[10:], ^inet.Fold(inet.Sum(h[:ip4Len], 0)))
	p := h[ip4Len:]
	switch {
	case h[9] == protoICMP && len(p) >= 8:
		p[2], p[3] = 0, 0
		binary.BigEndian.PutUint16(p[2:], ^inet.Fold(inet.Sum(p, 0)))
	case h[9] == protoUDP && len(p) >= 8:
		p[6], p[7] = 0, 0
		binary.BigEndian.PutUint16(p[6:], ^inet.Fold(inet.Sum(p, inet.Pseudo(h[12:20], protoUDP, len(p)))))
	}
}

func echoRequest(n int) []byte {
	p := make([]byte, icmpLen+n)
	p[0] = byte(header.ICMPv4Echo)
	for i := range p[4:] {
		p[4+i] = byte(7 * i)
	}
	return ipv4Frame(protoICMP, p)
}

func udpFrame(from, to uint16, payload []byte) []byte {
	p := make([]byte, udpLen+len(payload))
	binary.BigEndian.PutUint16(p, from)
	binary.BigEndian.PutUint16(p[2:], to)
	binary.BigEndian.PutUint16(p[4:], uint16(len(p)))
	copy(p[udpLen:], payload)
	return ipv4Frame(protoUDP, p)
}

func TestAnEchoReplyIsTheSameWithAndWithoutGVisor(t *testing.T) {
	t.Parallel()
	e := newEarly(t)
	for i, n := range []int{0, 1, 2, 56, 1471, 1472} {
		req := echoRequest(n)
		before := e.link.early.echos.Load()
		e.now.Add(2 * dstLife) // what is known has expired
		e.link.receive(slices.Clone(req), 0)
		slow := e.last(protoICMP)
		if got := e.link.early.echos.Load(); got != before {
			t.Fatalf("%d bytes: answered without a destination", n)
		}
		e.link.receive(slices.Clone(req), 0)
		fast := e.last(protoICMP)
		if got := e.link.early.echos.Load(); got != before+1 {
			t.Fatalf("%d bytes: not answered early", n)
		}
		if slow == nil || !bytes.Equal(slow, fast) {
			t.Errorf("%d: %d bytes:\nslow %x\nfast %x", i, n, slow, fast)
		}
	}
	if s := e.Stats(); s.ICMP.InEchos != 12 || s.ICMP.OutEchoReps != 12 {
		t.Errorf("%+v", s.ICMP)
	}
}

// sink is a UDP socket on port 7 that takes datagrams early.
type sink struct {
	UDPSocket
	verdict UDPVerdict
	got     []string
}

func (e *early) listen(t *testing.T, addr string, s *sink) {
	t.Helper()
	ep, err := e.ListenUDP("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ep.Close() })
	s.Receive = func(p []byte, from *[16]byte, port uint16) UDPVerdict {
		if s.verdict == TookIt {
			s.got = append(s.got, string(p)+" from "+netip.AddrPortFrom(netip.AddrFrom16(*from).Unmap(), port).String())
		}
		return s.verdict
	}
	e.AddUDP(&s.UDPSocket)
	t.Cleanup(func() { e.RemoveUDP(&s.UDPSocket) })
}

func TestAPlainDatagramGoesStraightToItsSocket(t *testing.T) {
	t.Parallel()
	e := newEarly(t)
	s := &sink{UDPSocket: UDPSocket{Port: 7, V4: true, V6: true}}
	e.listen(t, ":7", s)
	e.link.receive(udpFrame(1234, 7, []byte("one")), 0)
	zero := udpFrame(1234, 7, []byte("no sum"))
	zero[ethLen+ip4Len+6], zero[ethLen+ip4Len+7] = 0, 0
	e.link.receive(zero, 0)
	e.link.receive(append(udpFrame(1235, 7, nil), make([]byte, 18)...), 0) // padded
	if want := []string{"one from 10.0.0.9:1234", "no sum from 10.0.0.9:1234", " from 10.0.0.9:1235"}; !slices.Equal(s.got, want) {
		t.Errorf("%q, want %q", s.got, want)
	}
	s.verdict = Full
	e.link.receive(udpFrame(1234, 7, []byte("x")), 0)
	s.verdict = NotNow
	e.link.receive(udpFrame(1234, 7, []byte("y")), 0)
	st := e.Stats()
	if st.UDP.InDatagrams != 4 || st.UDP.RcvbufErrors != 1 || st.UDP.InErrors != 0 {
		t.Errorf("%+v", st.UDP)
	}
}

func TestWhatIsNotPlainGoesThroughGVisor(t *testing.T) {
	t.Parallel()
	e := newEarly(t)
	s := &sink{UDPSocket: UDPSocket{Port: 7, V4: true}}
	e.listen(t, ":7", s)
	e.learn(t)
	edit := func(at int, v byte, fix bool) func([]byte) []byte {
		return func(f []byte) []byte {
			f[ethLen+at] = v
			if fix {
				sums(f)
			}
			return f
		}
	}
	for name, change := range map[string]func([]byte) []byte{
		"more fragments":             edit(6, 0x20, true),
		"a fragment's offset":        edit(7, 1, true),
		"the evil bit":               edit(6, 0x80, true),
		"a wrong header sum":         edit(10, 0x55, false),
		"a wrong checksum":           edit(ip4Len+2+4, 0x55, false),
		"too long for the frame":     edit(2, 8, true),
		"too short for a header":     edit(3, ip4Len+3, true),
		"another version":            edit(0, 0x65, true),
		"options":                    edit(0, 0x46, true),
		"for another address":        edit(19, 2, true),
		"from ourselves":             edit(15, 1, true),
		"from the broadcast":         edit(15, 255, true),
		"from a loopback address":    edit(12, 127, true),
		"from a group":               edit(12, 224, true),
		"a protocol of another kind": edit(9, 132, true),
		"cut short":                  func(f []byte) []byte { return f[:ethLen+ip4Len+4] },
		"empty":                      func(f []byte) []byte { return f[:ethLen] },
	} {
		for kind, frame := range map[string][]byte{"echo": echoRequest(20), "udp": udpFrame(9, 7, make([]byte, 20))} {
			if f := change(slices.Clone(frame)); e.link.earlyDemux(header.IPv4ProtocolNumber, f, false) {
				t.Errorf("%s, %s: taken", kind, name)
			}
		}
	}
	for name, f := range map[string][]byte{
		"an echo reply":      func() []byte { f := echoRequest(4); f[ethLen+ip4Len] = 0; sums(f); return f }(),
		"a code":             func() []byte { f := echoRequest(4); f[ethLen+ip4Len+1] = 1; sums(f); return f }(),
		"another port":       udpFrame(9, 8, nil),
		"a wrong UDP length": func() []byte { f := udpFrame(9, 7, make([]byte, 9)); f[ethLen+ip4Len+5]--; sums(f); return f }(),
	} {
		if e.link.earlyDemux(header.IPv4ProtocolNumber, f, false) {
			t.Errorf("%s: taken", name)
		}
	}
	if !e.link.earlyDemux(header.IPv4ProtocolNumber, udpFrame(9, 7, nil), false) {
		t.Error("a plain one is not taken either")
	}
	if len(s.got) != 1 {
		t.Errorf("the socket got %q", s.got)
	}
}

func TestASocketTakesWhatItsAddressesSay(t *testing.T) {
	t.Parallel()
	e := newEarly(t)
	peer, us, other := mapped4([]byte{10, 0, 0, 9}), mapped4([]byte{10, 0, 0, 1}), mapped4([]byte{10, 0, 0, 3})
	for name, c := range map[string]struct {
		sockets []UDPSocket
		want    bool
	}{
		"any":                     {[]UDPSocket{{Port: 7, V4: true}}, true},
		"our address":             {[]UDPSocket{{Port: 7, V4: true, Local: us}}, true},
		"another address":         {[]UDPSocket{{Port: 7, V4: true, Local: other}}, false},
		"IPv6 only":               {[]UDPSocket{{Port: 7, V6: true}}, false},
		"its peer":                {[]UDPSocket{{Port: 7, V4: true, Peer: peer, PeerPort: 9}}, true},
		"another peer":            {[]UDPSocket{{Port: 7, V4: true, Peer: other, PeerPort: 9}}, false},
		"its peer's other port":   {[]UDPSocket{{Port: 7, V4: true, Peer: peer, PeerPort: 10}}, false},
		"another port":            {[]UDPSocket{{Port: 263, V4: true}}, false}, // of the same bucket
		"two of one port":         {[]UDPSocket{{Port: 7, V4: true}, {Port: 7, V4: true}}, false},
		"two ports of one bucket": {[]UDPSocket{{Port: 7, V4: true}, {Port: 263, V4: true}}, true},
	} {
		for i := range c.sockets {
			c.sockets[i].Receive = func([]byte, *[16]byte, uint16) UDPVerdict { return TookIt }
			e.AddUDP(&c.sockets[i])
		}
		if got := e.link.earlyDemux(header.IPv4ProtocolNumber, udpFrame(9, 7, nil), false); got != c.want {
			t.Errorf("%s: taken %v", name, got)
		}
		for i := range c.sockets {
			e.RemoveUDP(&c.sockets[i])
		}
	}
	if e.link.earlyDemux(header.IPv4ProtocolNumber, udpFrame(9, 7, nil), false) {
		t.Error("a removed socket still receives")
	}
}

func TestASentDatagramIsTheSameWithAndWithoutGVisor(t *testing.T) {
	t.Parallel()
	e := newEarly(t)
	c, err := e.DialUDP("udp4", "10.0.0.9:9")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	port := netip.MustParseAddrPort(c.LocalAddr().String()).Port()
	for _, n := range []int{0, 1, 2, 3, 64, 1471, 1472} {
		payload := make([]byte, n)
		for i := range payload {
			payload[i] = byte(i * 5)
		}
		e.now.Add(2 * dstLife)
		if _, err := c.Write(payload); err != nil {
			t.Fatal(err)
		}
		slow := e.last(protoUDP)
		d := Datagram{FromPort: port, To: mapped4([]byte{10, 0, 0, 9}), ToPort: 9, Size: n, N: 3}
		d.Parts[0], d.Parts[1], d.Parts[2] = payload[:n/3], payload[n/3:n/2], payload[n/2:]
		sent := false
		inTrap(func() { sent = e.SendUDP(&d) })
		fast := e.last(protoUDP)
		if !sent || slow == nil || fast == nil {
			t.Fatalf("%d bytes: sent %v, %x, %x", n, sent, slow, fast)
		}
		if !bytes.Equal(slow, fast) {
			t.Errorf("%d bytes:\nslow %.60x\nfast %.60x", n, slow, fast)
		}
	}
	if s := e.Stats().UDP; s.OutDatagrams != 14 {
		t.Errorf("%+v", s)
	}
}

func TestADestinationIsForgotten(t *testing.T) {
	t.Parallel()
	e := newEarly(t)
	for name, forget := range map[string]func(){
		"after its life":               func() { e.now.Add(dstLife - 1) },
		"with a change of the carrier": func() { e.port.dev.SetCarrier(false); e.port.dev.SetCarrier(true) },
		"with a change of addresses": func() {
			if err := e.Configure(t.Context(), IPConfig{
				Client: netip.MustParseAddr("10.0.0.1"), Netmask: netip.MustParseAddr("255.255.255.0"),
				Gateway: netip.MustParseAddr("10.0.0.9"),
			}); err != nil {
				t.Error(err)
			}
		},
	} {
		e.now.Add(2 * dstLife)
		e.learn(t)
		e.now.Add(1)
		e.link.receive(echoRequest(8), 0) // in use, but not learnt again
		if forget(); e.known() {
			t.Errorf("not forgotten %s", name)
		}
	}
	e.learn(t)
}

func TestWhatCannotBeSentAtOnceIsNot(t *testing.T) {
	t.Parallel()
	e := newEarly(t)
	e.learn(t)
	plain := Datagram{FromPort: 5, To: mapped4([]byte{10, 0, 0, 9}), ToPort: 9, N: 1, Size: 1}
	plain.Parts[0] = []byte("x")
	send := func(change func(d *Datagram)) (ok bool) {
		d := plain
		change(&d)
		inTrap(func() { ok = e.SendUDP(&d) })
		return ok
	}
	if !send(func(*Datagram) {}) || !send(func(d *Datagram) { d.From = mapped4([]byte{10, 0, 0, 1}) }) {
		t.Error("a plain datagram was not sent")
	}
	for name, change := range map[string]func(*Datagram){
		"too long":                  func(d *Datagram) { d.Parts[0] = make([]byte, 1473); d.Size = 1473 },
		"from another address":      func(d *Datagram) { d.From = mapped4([]byte{10, 0, 0, 2}) },
		"to an unknown destination": func(d *Datagram) { d.To = mapped4([]byte{10, 0, 0, 8}) },
		"while the ring is full":    func(*Datagram) { e.busy = func() bool { return true } },
	} {
		if send(change) {
			t.Errorf("sent %s", name)
		}
	}
	e.busy = nil
	e.port.dev.SetCarrier(false)
	if send(func(*Datagram) {}) {
		t.Error("sent without carrier")
	}
}

func TestAPathTooNarrowLeavesLongPacketsToGVisor(t *testing.T) {
	t.Parallel()
	e := newEarly(t)
	e.learn(t)
	send := func(n int) (ok bool) {
		d := Datagram{FromPort: 5, To: mapped4([]byte{10, 0, 0, 9}), ToPort: 9, N: 1, Size: n}
		d.Parts[0] = make([]byte, n)
		inTrap(func() { ok = e.SendUDP(&d) })
		return ok
	}
	if !send(1472) {
		t.Fatal("a long datagram was not sent")
	}
	tooBig := make([]byte, 8+28)
	tooBig[0], tooBig[1] = byte(header.ICMPv4DstUnreachable), byte(header.ICMPv4FragmentationNeeded)
	binary.BigEndian.PutUint16(tooBig[6:], 1300)
	e.link.receive(ipv4Frame(protoICMP, tooBig), 0)
	if send(1273) || !send(1272) {
		t.Error("1300 bytes are not the limit")
	}
	e.now.Add(narrowLife)
	e.learn(t)
	if !send(1472) {
		t.Error("the limit stays for ever")
	}
}

func TestThePathsAroundGVisorDoNotAllocate(t *testing.T) {
	e := newEarly(t)
	s := &sink{UDPSocket: UDPSocket{Port: 7, V4: true}}
	s.Receive = func([]byte, *[16]byte, uint16) UDPVerdict { return TookIt }
	e.AddUDP(&s.UDPSocket)
	e.learn(t)
	e.last(protoICMP)
	ping, dgram := echoRequest(56), udpFrame(9, 7, make([]byte, 64))
	type sending struct {
		e *early
		d Datagram
	}
	out := sending{e, Datagram{FromPort: 5, To: mapped4([]byte{10, 0, 0, 9}), ToPort: 9, N: 1, Size: 64}}
	out.d.Parts[0] = make([]byte, 64)
	inTrap(func() { e.port.drop = true })
	if n := testing.AllocsPerRun(100, func() {
		e.link.receive(ping, 0)
		e.link.receive(dgram, 0)
		trap.Run(func(p unsafe.Pointer) { x := (*sending)(p); x.e.SendUDP(&x.d) }, unsafe.Pointer(&out))
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if e.link.early.echos.Load() < 100 || e.link.early.udpIn.Load() < 100 || e.link.early.udpOut.Load() < 100 {
		t.Error("they did not take these paths")
	}
}

// Without an address nothing is for us, neither what is for nobody.
func TestWithoutAnAddressNothingIsTaken(t *testing.T) {
	t.Parallel()
	e := newEarly(t)
	s := &sink{UDPSocket: UDPSocket{Port: 7, V4: true}}
	e.listen(t, ":7", s)
	if err := e.Configure(t.Context(), IPConfig{}); err != nil {
		t.Fatal(err)
	}
	before := e.Stats().IP.InAddrErrors
	for _, to := range [][]byte{{0, 0, 0, 0}, {10, 0, 0, 1}} {
		f := udpFrame(9, 7, []byte("x"))
		copy(f[ethLen+16:], to)
		sums(f)
		e.link.receive(f, 0)
	}
	if len(s.got) != 0 {
		t.Errorf("the socket got %q", s.got)
	}
	if n := e.Stats().IP.InAddrErrors - before; n != 2 {
		t.Errorf("%d of 2 were for nobody", n)
	}
}

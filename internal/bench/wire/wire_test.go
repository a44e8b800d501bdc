package wire

import (
	"encoding/binary"
	"testing"

	"github.com/gasp-go/gasp/board/mmio"
)

var (
	near = Host{MAC: [6]byte{2, 0, 0, 0, 0, 1}, IP: [4]byte{10, 9, 0, 1}, Port: 80}
	far  = Host{MAC: [6]byte{2, 0, 0, 0, 0, 2}, IP: [4]byte{10, 9, 0, 2}, Port: 4000}
)

// mac is the MAC of a Port as QEMU has it: it sends when TDAR is written.
type mac struct {
	mem  []byte
	next int
	rx   int
	sent [][]byte
	deaf bool // nobody looks at what is sent
}

const phys = 0x80000000

func (m *mac) Read32(uintptr) uint32 { return 0 }

func (m *mac) Write32(addr uintptr, _ uint32) {
	if addr != regTDAR {
		return
	}
	for {
		d := m.mem[m.next*descSize:]
		w := binary.LittleEndian.Uint32(d)
		if w&bdReady == 0 {
			return
		}
		at := binary.LittleEndian.Uint32(d[4:]) - phys
		if !m.deaf {
			m.sent = append(m.sent, append([]byte(nil), m.mem[at:at+w&bdLen]...))
		}
		binary.LittleEndian.PutUint32(d, w&^bdReady)
		m.next++
		if w&bdWrap != 0 {
			m.next = 0
		}
	}
}

// arrive has a frame received.
func (m *mac) arrive(f []byte) {
	d := m.mem[(Slots+m.rx)*descSize:]
	at := binary.LittleEndian.Uint32(d[4:]) - phys
	copy(m.mem[at:], f)
	wrap := binary.LittleEndian.Uint32(d) & bdWrap
	binary.LittleEndian.PutUint32(d, bdLast|wrap|uint32(len(f)+fcs))
	m.rx = (m.rx + 1) % Slots
}

func (m *mac) take() [][]byte {
	s := m.sent
	m.sent = nil
	return s
}

func newPort() (*Port, *mac) {
	m := &mac{mem: make([]byte, Memory)}
	return New(mmio.Through(m, 0), m.mem, phys), m
}

// whole reports whether the checksums of a frame are right.
func whole(f []byte) bool {
	if fold(sum(0, f[ethLen:ethLen+ipLen])) != 0xffff {
		return false
	}
	if f[ethLen+9] == protoICMP {
		return fold(sum(0, f[ethLen+ipLen:])) == 0xffff
	}
	return transportSum(f, f[ethLen+9]) == 0xffff
}

func TestFramesHaveRightChecksums(t *testing.T) {
	for _, n := range []int{0, 1, 56, 64, 1000} {
		if f := UDP(far, near, n); !whole(f) || !isUDP(f) || len(f) != 42+n {
			t.Errorf("datagram of %d: %x", n, f)
		}
		if f := Echo(far, near, n); !whole(f) || isEchoReply(f) || isUDP(f) {
			t.Errorf("echo of %d: %x", n, f)
		}
	}
	if f := Unknown(far, near); !isUnknown(f) || isUDP(f) || len(f) != 60 {
		t.Errorf("%x", f)
	}
}

func TestBurstGoesRoundTheRingAndNothingIsLost(t *testing.T) {
	p, m := newPort()
	f := UDP(far, near, 64)
	p.Load(f)
	for _, n := range []int{1, Slots - 3, Slots, 3*Slots + 7} {
		p.Burst(n, len(f))
		got := m.take()
		if len(got) != n || string(got[0]) != string(f) || string(got[n-1]) != string(f) {
			t.Fatalf("%d of %d sent", len(got), n)
		}
	}
	p.Kick() // nothing is queued
	if len(m.take()) != 0 {
		t.Error("sent something")
	}
}

func TestReceivedFramesComeInOrder(t *testing.T) {
	p, m := newPort()
	for round := range 5 {
		for i := range Slots {
			m.arrive([]byte{byte(i), byte(i >> 8), byte(round)})
		}
		for i := range Slots {
			f := p.Next()
			if len(f) != 3 || f[0] != byte(i) || f[1] != byte(i>>8) || f[2] != byte(round) {
				t.Fatalf("frame %d: %x", i, f)
			}
			p.Done()
		}
		if p.Next() != nil {
			t.Fatal("one too many")
		}
	}
	m.arrive(UDP(far, near, 1))
	m.arrive(Unknown(far, near))
	if n := p.Drain(KindUDP); n != 1 || p.Next() != nil {
		t.Errorf("drained %d", n)
	}
}

// answer is a segment of the other side, without data if n is 0.
func answer(seq, ack uint32, flags byte, wnd uint16, options []byte, n int) []byte {
	f := make([]byte, ethLen+ipLen+20+len(options)+n)
	ip(f, near, far, protoTCP)
	h := f[ethLen+ipLen:]
	binary.BigEndian.PutUint16(h[0:], near.Port)
	binary.BigEndian.PutUint16(h[2:], far.Port)
	binary.BigEndian.PutUint32(h[4:], seq)
	binary.BigEndian.PutUint32(h[8:], ack)
	h[12], h[13] = byte(20+len(options))/4<<4, flags
	binary.BigEndian.PutUint16(h[14:], wnd)
	copy(h[20:], options)
	return f
}

func seqOf(f []byte) uint32 { return binary.BigEndian.Uint32(f[ethLen+ipLen+4:]) }
func ackOf(f []byte) uint32 { return binary.BigEndian.Uint32(f[ethLen+ipLen+8:]) }

// connected is a connection that the other side, at sequence number 1000, has
// accepted with window scale 2.
func connected(t *testing.T) (*TCP, *mac) {
	t.Helper()
	p, m := newPort()
	c := NewTCP(p, far, near)
	c.Tick()
	syn := m.take()
	if len(syn) != 1 || !whole(syn[0]) || syn[0][ethLen+ipLen+13] != flagSYN {
		t.Fatalf("SYN: %x", syn)
	}
	m.arrive(answer(1000, seqOf(syn[0])+1, flagSYN|flagACK, 8*MSS, []byte{3, 3, 2, 1}, 0))
	c.Tick()
	if ack := m.take(); !c.Established() || len(ack) < 1 || !whole(ack[0]) || ackOf(ack[0]) != 1001 {
		t.Fatalf("%v, ACK %x", c.Established(), ack)
	}
	return c, m
}

func TestTCPFillsTheWindowWithWholeSegments(t *testing.T) {
	c, m := connected(t)
	c.Sends = true
	c.Tick()
	got := m.take()
	if len(got) != 8 { // the window of a SYN is not scaled
		t.Fatalf("%d segments", len(got))
	}
	for i, f := range got {
		if !whole(f) || len(f) != ethLen+ipLen+tcpLen+MSS || seqOf(f) != synAt+1+uint32(i*MSS) {
			t.Fatalf("segment %d: seq %#x, checksum right: %v", i, seqOf(f), whole(f))
		}
	}
	c.Tick()
	if n := len(m.take()); n != 0 {
		t.Fatalf("%d segments beyond the window", n)
	}
	m.arrive(answer(1001, synAt+1+4*MSS, flagACK, 4*MSS, nil, 0)) // scaled: 16
	c.Tick()
	if n := len(m.take()); n != 12 || c.Sent != 4*MSS || c.Odd != 0 {
		t.Errorf("%d segments, %d bytes acknowledged, %d odd", n, c.Sent, c.Odd)
	}
}

func TestTCPAcknowledgesAsItIsTold(t *testing.T) {
	for _, x := range []struct{ every, segments, acks int }{{1, 5, 5}, {2, 5, 3}, {2, 4, 2}, {100, 5, 1}} {
		c, m := connected(t)
		c.AckEvery = x.every
		for i := range x.segments {
			m.arrive(answer(1001+uint32(i*100), synAt+1, flagACK|flagPSH, 100, nil, 100))
		}
		c.Tick()
		got := m.take()
		if len(got) != x.acks || c.Received != uint64(100*x.segments) || !whole(got[len(got)-1]) ||
			ackOf(got[len(got)-1]) != 1001+uint32(100*x.segments) {
			t.Errorf("%+v: %d acknowledgements, %d bytes", x, len(got), c.Received)
		}
	}
}

func TestTCPCountsWhatShouldNotCome(t *testing.T) {
	c, m := connected(t)
	m.arrive(answer(5000, synAt+1, flagACK, 100, nil, 10))            // a gap
	m.arrive(answer(1001, synAt+1, flagACK, 100, nil, 0)[:40])        // cut
	bad := answer(1001, synAt+1, flagACK, 100, []byte{8, 0, 0, 0}, 0) // an option of no length
	m.arrive(bad)
	bad = append([]byte(nil), bad...)
	bad[ethLen+ipLen+12] = 0xf0 // a header longer than the segment
	m.arrive(bad)
	c.Tick()
	if c.Odd != 1 || c.Again != 1 || c.Received != 0 {
		t.Errorf("%d odd, %d again, %d bytes", c.Odd, c.Again, c.Received)
	}
	m.arrive(answer(1001, 0, flagRST, 0, nil, 0))
	c.Sends = true
	m.take()
	c.Tick()
	if c.Established() || len(m.take()) != 0 {
		t.Error("goes on after a reset")
	}
}

func TestNothingAllocates(t *testing.T) {
	c, m := connected(t)
	m.deaf = true
	f := answer(1001, synAt+1, flagACK, 100, nil, 0)
	if n := testing.AllocsPerRun(100, func() {
		m.arrive(f)
		c.Tick()
		c.port.Queue(64)
		c.port.Drain(KindUDP)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestTheEndDoesAsItIsTold(t *testing.T) {
	p, m := newPort()
	e := NewEnd(p)
	f := UDP(far, near, 8)
	e.Do(Job{Op: Load, Frame: f})
	e.Do(Job{Op: Burst, N: 3, Length: len(f)})
	if n := len(m.take()); n != 3 {
		t.Errorf("burst of 3: %d", n)
	}
	for _, length := range []int{len(f), 0} {
		_, ticks := e.Do(Job{Op: Pace, N: 2, Length: length})
		if !ticks || !e.Tick() || e.Tick() || e.Tick() {
			t.Error("not two ticks")
		}
		if n := len(m.take()); n != min(length, 1)*2 {
			t.Errorf("pace with length %d: %d frames", length, n)
		}
	}
	m.arrive(f)
	m.arrive(Unknown(far, near))
	if r, _ := e.Do(Job{Op: Drain, Kind: KindUnknown}); r.N != 1 {
		t.Errorf("drained %d", r.N)
	}
	if _, ticks := e.Do(Job{Op: Connect, From: far, To: near, Sends: true}); !ticks || !e.Tick() || len(m.take()) != 1 {
		t.Error("does not connect")
	}
	if e.Do(Job{Op: Stop}); e.Tick() {
		t.Error("does not stop")
	}
}

// FuzzFarEnd has the far end of a connection receive whatever it may.
func FuzzFarEnd(f *testing.F) {
	f.Add(answer(1001, synAt+1, flagACK|flagPSH, 100, []byte{8, 10, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1}, 100))
	f.Add(answer(1000, synAt+1, flagSYN|flagACK, 100, []byte{3, 3, 255, 0}, 0))
	f.Fuzz(func(t *testing.T, frame []byte) {
		p, m := newPort()
		c := NewTCP(p, far, near)
		c.Tick()
		frame = frame[:min(len(frame), BufSize-fcs)]
		m.arrive(frame)
		m.arrive(frame)
		c.Sends = true
		c.Tick()
		if n := len(m.take()); n > batch+8 {
			t.Errorf("%d frames in two ticks", n)
		}
	})
}

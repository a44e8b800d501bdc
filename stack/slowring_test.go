package stack

import (
	"bytes"
	"encoding/binary"
	"log/slog"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/faketime"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	gv "gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/gasp-go/gasp/board"
	"github.com/gasp-go/gasp/board/dma"
	"github.com/gasp-go/gasp/board/mmio"
	"github.com/gasp-go/gasp/enet"
	"github.com/gasp-go/gasp/internal/macmodel"
	"github.com/gasp-go/gasp/stack/netdev"
)

// slowMAC is a stack on an ENET whose transmit engine is as slow as its wire: a
// frame leaves when the test says so, and the clock goes on by its time. Network
// thread and interrupts are the test's.
type slowMAC struct {
	t     *testing.T
	model *macmodel.Model
	mac   *enet.MAC
	dev   *netdev.Device
	soft  *netdev.Softnet
	st    *Stack
	rate  int64 // bit/s
	irqOn bool
	top   func()
	seq   uint32
	sent  [][]byte // TCP segments
	want  []byte   // payload that was handed down
}

const slowIRQ = 150

func (s *slowMAC) Handle(_ int, top func()) { s.top = top }
func (s *slowMAC) Enable(int)               { s.irqOn = true }
func (s *slowMAC) Disable(int)              { s.irqOn = false }

func newSlowMAC(t *testing.T, rate int64, ring int, quirks enet.Quirks) *slowMAC {
	const base, phys = 0x02188000, 0x80800000
	mem := make([]byte, 1<<20)
	s := &slowMAC{t: t, rate: rate, model: macmodel.New(base, mem, phys), soft: netdev.NewSoftnet(func() {})}
	var err error
	s.mac, err = enet.New(enet.Config{
		Port: board.Ethernet{Name: "eth0", PHY: 2, RMII: true, Controller: board.Controller{
			IRQ: slowIRQ, Clock: 66_000_000, Coalesce: macmodel.SystemClock, MAC: func() [6]byte { return [6]byte{2, 0, 0, 0, 0, 1} }}},
		Regs: mmio.Through(s.model, base), DMA: dma.NewRegion(mem, phys), TxRing: ring, RxRing: 16, Quirks: quirks,
		Softnet: s.soft, IRQ: s, Now: s.model.Now, Period: -1, Log: slog.New(slog.DiscardHandler),
		Sleep: func(d time.Duration) { s.model.Advance(int64(d)) },
	})
	if err != nil {
		t.Fatal(err)
	}
	s.dev = s.mac.Device()
	if s.st, err = New(Config{Device: s.dev, Clock: faketime.NewManualClock()}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.st.Close)
	t.Cleanup(func() {
		for _, b := range s.model.Bugs() {
			t.Errorf("model: %s", b)
		}
	})
	s.model.SetFaults(func(f *macmodel.Faults) { f.TxManual = true })
	if err := s.dev.Open(); err != nil {
		t.Fatal(err)
	}
	return s
}

// step delivers interrupts and runs the network thread until there is nothing
// left to do.
func (s *slowMAC) step() {
	s.t.Helper()
	for range 1000 {
		irq := s.irqOn && s.model.IRQ()
		if irq {
			inTrap(s.top)
		}
		if !s.soft.Poll() && !irq {
			return
		}
	}
	s.t.Fatal("interrupts or polls never end")
}

// leave lets one frame leave, with the time that takes on the wire.
func (s *slowMAC) leave() bool {
	left := s.model.RunTx(1) != 0
	for _, f := range s.model.Sent() {
		s.model.Advance(int64(max(len(f), 60)+24) * 8 * 1_000_000_000 / s.rate)
		if f[12] == 8 && f[13] == 0 && f[23] == protoTCP {
			s.sent = append(s.sent, f)
		}
	}
	return left
}

const slowMSS = 1448

// send hands down one TCP packet of n bytes of payload, to be cut.
func (s *slowMAC) send(n int) {
	pkt := s.packet(n)
	defer pkt.DecRef()
	var list gv.PacketBufferList
	list.PushBack(pkt)
	if n, err := s.st.link.WritePackets(list); n != 1 || err != nil {
		s.t.Fatal(n, err)
	}
}

// packet makes the TCP packet that comes next.
func (s *slowMAC) packet(n int) *gv.PacketBuffer {
	payload := pattern(n, s.seq)
	d := segmentSpec{port: 80, seq: s.seq, ack: 5, flags: tcpACK, window: 77, options: stamp(3)}
	f := d.frame()
	pkt := gv.NewPacketBuffer(gv.PacketBufferOptions{ReserveHeaderBytes: len(f), Payload: bufferOf(payload)})
	copy(pkt.TransportHeader().Push(tcpLen+12), f[ethLen+ip4Len:])
	copy(pkt.NetworkHeader().Push(ip4Len), f[ethLen:])
	copy(pkt.LinkHeader().Push(ethLen), f)
	pkt.NetworkProtocolNumber, pkt.TransportProtocolNumber = header.IPv4ProtocolNumber, header.TCPProtocolNumber
	pkt.GSOOptions = gv.GSO{Type: gv.GSOTCPv4, NeedsCsum: true, CsumOffset: header.TCPChecksumOffset, MSS: slowMSS, L3HdrLen: ip4Len}
	s.seq += uint32(n)
	s.want = append(s.want, payload...)
	return pkt
}

// drain lets frames leave, and calls between after each, until nothing waits. A
// ring that stands still is looked after once a second, as it is in the firmware.
func (s *slowMAC) drain(between func(i int)) {
	s.t.Helper()
	idle := 0
	for i := 0; i < 100_000; i++ {
		if s.leave() {
			idle = 0
		} else if idle++; idle > 6 {
			if n := s.st.link.txq.n.Load(); n != 0 {
				s.t.Fatalf("%d packets wait for ever; stopped: %v", n, s.dev.TxStopped())
			}
			return
		} else if idle > 1 {
			s.model.Advance(1_000_000_000)
			s.mac.Tick()
		}
		s.step()
		if between != nil {
			between(i)
		}
	}
	s.t.Fatal("it never ends")
}

// check compares what was sent with what was handed down: in order, and nothing
// twice. It returns how many segments are missing.
func (s *slowMAC) check() (missing int) {
	s.t.Helper()
	at := uint32(0)
	for i, f := range s.sent {
		seq := binary.BigEndian.Uint32(f[ethLen+ip4Len+4:])
		payload := f[ethLen+ip4Len+tcpLen+12:]
		if seq < at {
			s.t.Fatalf("segment %d has sequence number %d, after %d", i, seq, at)
		}
		if !bytes.Equal(payload, s.want[seq:seq+uint32(len(payload))]) {
			s.t.Fatalf("segment %d is damaged", i)
		}
		missing += int(seq-at+slowMSS-1) / slowMSS
		at = seq + uint32(len(payload))
	}
	return missing + (len(s.want)-int(at)+slowMSS-1)/slowMSS
}

func TestBurstsOverASlowWireLoseNothingAndKeepOrder(t *testing.T) {
	for _, c := range []struct {
		name    string
		rate    int64
		quirks  enet.Quirks
		prepare func(s *slowMAC)
		between func(s *slowMAC, i int)
	}{
		{name: "100 Mb/s", rate: 100_000_000},
		{name: "10 Mb/s", rate: 10_000_000},
		{name: "coalesced", rate: 100_000_000, prepare: func(s *slowMAC) {
			if err := s.mac.SetCoalesce(netdev.Coalesce{TxUsecs: 2000, TxFrames: 200}); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "ERR006358", rate: 100_000_000, quirks: enet.QuirkERR006358, between: func(s *slowMAC, i int) {
			s.model.SetFaults(func(f *macmodel.Faults) { f.LoseTDAR = i & 1 })
		}},
		{name: "ERR007885", rate: 100_000_000, between: func(s *slowMAC, i int) {
			s.model.SetFaults(func(f *macmodel.Faults) { f.BusyTDAR = i % 5 })
		}},
		// netpoll looks at the MAC at each moment there is: it may take the
		// event that says there is room.
		{name: "netpoll", rate: 100_000_000, between: func(s *slowMAC, i int) {
			s.model.RunTx(1 + i%16)
			inTrap(s.mac.PollController)
		}},
		{name: "interrupts late", rate: 100_000_000, between: func(s *slowMAC, i int) { s.irqOn = i%4 == 0 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSlowMAC(t, c.rate, 16, c.quirks)
			s.drain(nil) // what gVisor sends by itself
			if c.prepare != nil {
				c.prepare(s)
			}
			for round := range 4 {
				for range round + 1 {
					s.send(64 << 10)
				}
				s.drain(func(i int) {
					if c.between != nil {
						c.between(s, i)
					}
				})
			}
			// What left in between.
			if n := s.check(); n != 0 {
				t.Errorf("%d segments are missing, %d dropped", n, s.dev.Stats().TxDropped)
			}
			if st := s.dev.Stats(); st.TxBusy == 0 || st.TxDropped != 0 {
				t.Errorf("%+v", st)
			}
		})
	}
}

func TestAPacketOfWhichPartIsSentMayQueueBehindAnother(t *testing.T) {
	s := newSlowMAC(t, 100_000_000, 16, 0)
	s.drain(nil)
	pkt := s.packet(64 << 10)
	defer pkt.DecRef()
	st, sent := s.st.link.write(pkt, 0)
	if st != netdev.TxBusy || sent == 0 {
		t.Fatal(st, sent)
	}
	// Before its sender gets to queue it another's packet comes.
	other := gv.NewPacketBuffer(gv.PacketBufferOptions{Payload: bufferOf(make([]byte, 100))})
	defer other.DecRef()
	if !s.st.link.enqueue(other, 0) || !s.st.link.enqueue(pkt, sent) {
		t.Fatal("no room")
	}
	s.drain(nil)
	if n := s.check(); n != 0 {
		t.Errorf("%d segments are missing", n)
	}
}

// What happens to the device while packets wait loses at most what is counted,
// and what comes afterwards goes out.
func TestQueueGoesOnAfterWhateverHappensToTheDevice(t *testing.T) {
	for _, c := range []struct {
		name   string
		happen func(s *slowMAC)
	}{
		{"the watchdog restarts it", func(s *slowMAC) {
			s.model.SetFaults(func(f *macmodel.Faults) { f.TxHangUntil, f.TxManual = true, false })
			for range 5 {
				s.model.Advance(1_000_000_000)
				s.mac.Tick()
				s.step()
			}
			s.model.SetFaults(func(f *macmodel.Faults) { f.TxManual = true })
		}},
		{"it gets another ring", func(s *slowMAC) {
			if err := s.mac.SetRingParam(16, 8); err != nil {
				s.t.Fatal(err)
			}
		}},
		{"it is stopped and opened", func(s *slowMAC) {
			if err := s.dev.Stop(); err != nil {
				s.t.Fatal(err)
			}
			s.model.Sent()
			if err := s.dev.Open(); err != nil {
				s.t.Fatal(err)
			}
		}},
		{"the cable is pulled", func(s *slowMAC) {
			s.model.SetPHYReg(2, 1, 0x7809)
			for range 3 {
				s.model.Advance(1_000_000_000)
				s.mac.Tick()
				s.step()
			}
			if s.dev.Carrier() {
				s.t.Error("the carrier is still there")
			}
			s.model.SetPHYReg(2, 1, 0x782d)
			s.model.Advance(1_000_000_000)
			s.mac.Tick()
		}},
		// A sender that had found the ring full is held up, and what it queues
		// finds another device.
		{"a sender is late, and it is stopped and opened", func(s *slowMAC) {
			if err := s.dev.Stop(); err != nil {
				s.t.Fatal(err)
			}
			s.model.Sent()
			pkt := gv.NewPacketBuffer(gv.PacketBufferOptions{Payload: bufferOf(make([]byte, 100))})
			s.st.link.enqueue(pkt, 0)
			pkt.DecRef()
			if err := s.dev.Open(); err != nil {
				s.t.Fatal(err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSlowMAC(t, 100_000_000, 16, 0)
			s.drain(nil)
			for range 3 {
				s.send(64 << 10)
			}
			for range 7 {
				s.leave()
				s.step()
			}
			if !s.dev.TxStopped() {
				t.Fatal("nothing waits")
			}
			c.happen(s)
			s.step()
			was := len(s.sent)
			for range 3 {
				s.send(64 << 10)
			}
			s.drain(nil)
			missing := s.check()
			if got := len(s.sent) - was; got < 3*46 {
				t.Errorf("%d segments were sent afterwards", got)
			}
			t.Logf("%d segments are missing, %d frames dropped", missing, s.dev.Stats().TxDropped)
			if missing > 0 && s.dev.Stats().TxDropped == 0 {
				t.Errorf("%d segments are missing, and nothing is counted", missing)
			}
		})
	}
}

package netpoll

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"

	"github.com/gasp-go/gasp/stack/netdev"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// wire is a driver that keeps what is sent and delivers what it is given.
type wire struct {
	sent     [][]byte
	rx       [][]byte
	answer   func(frame []byte) // the other side
	full     int                // so many more transmits find no room
	dead     bool               // no transmit finds room ...
	revive   int                // ... until seized so often
	linger   int                // looks until a frame has left
	pending  int
	polls    int
	seizures int
	noSeize  bool
	onXmit   func()
	discard  bool
}

func (w *wire) Open() error { return nil }
func (w *wire) Stop() error { return nil }
func (w *wire) StartXmit(parts [][]byte, _ netdev.TxFlags) netdev.TxStatus {
	if w.onXmit != nil {
		w.onXmit()
	}
	if w.full > 0 {
		w.full--
		return netdev.TxBusy
	}
	if w.dead {
		return netdev.TxBusy
	}
	w.pending = w.linger
	if w.discard {
		return netdev.TxOK
	}
	f := bytes.Join(parts, nil)
	w.sent = append(w.sent, f)
	if w.answer != nil {
		w.answer(f)
	}
	return netdev.TxOK
}
func (w *wire) PollController() {
	w.polls++
	if w.pending > 0 {
		w.pending--
	}
}
func (w *wire) PollRx(budget int, fn func([]byte)) int {
	n := 0
	for ; n < budget && len(w.rx) > 0; n++ {
		f := w.rx[0]
		w.rx = w.rx[1:]
		fn(f)
	}
	return n
}
func (w *wire) TxIdle() bool { return w.pending == 0 }
func (w *wire) Seize() error {
	w.seizures++
	if w.noSeize {
		return errors.New("never opened")
	}
	if w.revive > 0 && w.seizures >= w.revive {
		w.dead = false
	}
	return nil
}

var (
	ourMAC  = [6]byte{2, 0, 0, 0, 0, 1}
	peerMAC = [6]byte{2, 0, 0, 0, 0, 2}
	our4    = netip.MustParseAddr("10.0.2.15")
	peer4   = netip.MustParseAddr("10.0.2.2")
	our6    = netip.MustParseAddr("fe80::1")
	peer6   = netip.MustParseAddr("fe80::2")
)

// setup returns a live endpoint whose clock moves a millisecond a look.
func setup(t testing.TB, w *wire) (*Endpoint, *int64) {
	t.Helper()
	dev := netdev.New("eth0", ourMAC, 1500, w, nil)
	if err := dev.Open(); err != nil {
		t.Fatal(err)
	}
	dev.SetCarrier(true)
	now := new(int64)
	e := New(dev, func() int64 { *now += 1e6; return *now })
	e.SetLocal(our4, our6, netip.MustParseAddr("2001:db8::1"))
	return e, now
}

func dest(t testing.TB, to netip.Addr) *Dest {
	t.Helper()
	d, err := NewDest(netip.AddrPortFrom(to, 6666), 6665, peerMAC)
	if err != nil {
		t.Fatal(err)
	}
	return &d
}

// checkUDP verifies a frame with gVisor's parsers and returns the payload.
func checkUDP(t *testing.T, f []byte, src, dst netip.Addr) []byte {
	t.Helper()
	eth := header.Ethernet(f)
	if eth.SourceAddress() != tcpip.LinkAddress(ourMAC[:]) || eth.DestinationAddress() != tcpip.LinkAddress(peerMAC[:]) {
		t.Errorf("ethernet %x", f[:14])
	}
	var udp header.UDP
	var from, to tcpip.Address
	if src.Is4() {
		ip := header.IPv4(f[14:])
		if eth.Type() != header.IPv4ProtocolNumber || !ip.IsValid(len(f)-14) || !ip.IsChecksumValid() || ip.TTL() != 64 {
			t.Fatalf("bad IPv4 header %x", f[:34])
		}
		udp, from, to = header.UDP(ip.Payload()), ip.SourceAddress(), ip.DestinationAddress()
	} else {
		ip := header.IPv6(f[14:])
		if eth.Type() != header.IPv6ProtocolNumber || !ip.IsValid(len(f)-14) {
			t.Fatalf("bad IPv6 header %x", f[:54])
		}
		udp, from, to = header.UDP(ip.Payload()), ip.SourceAddress(), ip.DestinationAddress()
	}
	if !bytes.Equal(from.AsSlice(), src.AsSlice()) || !bytes.Equal(to.AsSlice(), dst.AsSlice()) {
		t.Errorf("from %v to %v", from, to)
	}
	if int(udp.Length()) != len(udp) || udp.SourcePort() != 6665 || udp.DestinationPort() != 6666 {
		t.Errorf("bad UDP header %x", udp[:8])
	}
	if udp.Checksum() == 0 || !udp.IsChecksumValid(from, to, checksum.Checksum(udp.Payload(), 0)) {
		t.Errorf("bad UDP checksum %x", udp.Checksum())
	}
	return udp.Payload()
}

func TestDatagramsOfEveryLengthAreValid(t *testing.T) {
	w := &wire{}
	e, _ := setup(t, w)
	d4, d6 := dest(t, peer4), dest(t, peer6)
	payload := make([]byte, MaxPayload)
	for i := range payload {
		payload[i] = byte(i * 31)
	}
	for n := 0; n <= MaxPayload; n++ {
		w.sent = nil
		if !e.SendUDP(d4, payload[:n]) || !e.SendUDP(d6, payload[:n]) {
			t.Fatalf("%d bytes: not sent", n)
		}
		if !bytes.Equal(checkUDP(t, w.sent[0], our4, peer4), payload[:n]) || !bytes.Equal(checkUDP(t, w.sent[1], our6, peer6), payload[:n]) {
			t.Fatalf("%d bytes: other payload", n)
		}
		if len(w.sent[0]) < 60 {
			t.Fatalf("frame of %d bytes", len(w.sent[0]))
		}
	}
	if e.SendUDP(d4, make([]byte, MaxPayload+1)) {
		t.Error("sent more than fits a frame")
	}
}

func TestAUDPChecksumOfZeroIsSentAsOnes(t *testing.T) {
	w := &wire{}
	e, _ := setup(t, w)
	d := dest(t, peer4)
	for i := range 1 << 16 {
		w.sent = nil
		e.SendUDP(d, []byte{byte(i >> 8), byte(i)})
		if w.sent[0][40] == 0xff && w.sent[0][41] == 0xff {
			checkUDP(t, w.sent[0], our4, peer4)
			return
		}
	}
	t.Error("no payload gave the checksum 0xffff")
}

func TestPaddingShowsNothingOfOlderFrames(t *testing.T) {
	w := &wire{}
	e, _ := setup(t, w)
	d := dest(t, peer4)
	e.SendUDP(d, bytes.Repeat([]byte("secret"), 100))
	e.SendUDP(d, []byte("x"))
	if f := w.sent[1]; len(f) != 60 || !bytes.Equal(f[43:], make([]byte, 17)) {
		t.Errorf("%x", f[42:])
	}
}

func TestTheSourceFitsTheDestination(t *testing.T) {
	w := &wire{}
	e, _ := setup(t, w)
	e.SendUDP(dest(t, netip.MustParseAddr("2001:db8::9")), nil)
	checkUDP(t, w.sent[0], netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::9"))
	d := dest(t, peer4)
	if err := d.SetSource(netip.MustParseAddr("10.9.9.9")); err != nil {
		t.Fatal(err)
	}
	e.SetLocal()
	if !e.SendUDP(d, nil) {
		t.Error("a fixed source needs no address of the interface")
	}
	checkUDP(t, w.sent[1], netip.MustParseAddr("10.9.9.9"), peer4)
	if d.SetSource(our6) == nil {
		t.Error("IPv6 source for an IPv4 destination")
	}
	if e.SendUDP(dest(t, peer4), nil) || e.Stats().NoAddress != 1 {
		t.Error("sent without an address")
	}
}

func TestLiveSendsReclaimTheRingAndThenGiveUp(t *testing.T) {
	w := &wire{full: 3}
	e, _ := setup(t, w)
	d := dest(t, peer4)
	if !e.SendUDP(d, nil) || w.polls != 3 {
		t.Errorf("%d polls", w.polls)
	}
	w.dead, w.polls = true, 0
	if e.SendUDP(d, nil) || w.polls != liveTries || e.Stats().Busy != 1 {
		t.Errorf("%d polls, %+v", w.polls, e.Stats())
	}
	w.dead = false
	e.Device().SetCarrier(false)
	if e.SendUDP(d, nil) || e.Stats().NoCarrier != 1 {
		t.Error("sent without a link")
	}
}

func TestASendFromWithinASendFails(t *testing.T) {
	w := &wire{}
	e, _ := setup(t, w)
	d := dest(t, peer4)
	inner := true
	w.onXmit = func() { inner = e.SendUDP(d, nil); e.Poll(1) }
	if !e.SendUDP(d, nil) || inner || e.Stats().Reentered != 1 || len(w.sent) != 1 {
		t.Errorf("inner %v, %+v", inner, e.Stats())
	}
}

func TestAPanicWaitsForTheRingAndForTheFrameToLeave(t *testing.T) {
	w := &wire{full: 20, linger: 7}
	e, _ := setup(t, w)
	e.Device().SetCarrier(false) // the last that was known
	e.Panic()
	if !e.SendUDP(dest(t, peer4), []byte("x")) || w.pending != 0 || len(w.sent) != 1 {
		t.Errorf("pending %d, %d sent", w.pending, len(w.sent))
	}
}

func TestAStuckDeviceIsSeizedAgain(t *testing.T) {
	w := &wire{dead: true, revive: 2}
	e, _ := setup(t, w)
	e.Panic()
	if !e.SendUDP(dest(t, peer4), nil) || w.seizures != 2 {
		t.Errorf("%d seizures", w.seizures)
	}
}

func TestADeadDeviceCostsABoundedTime(t *testing.T) {
	w := &wire{dead: true}
	e, now := setup(t, w)
	e.Panic()
	d := dest(t, peer4)
	for range 100 {
		if e.SendUDP(d, nil) {
			t.Fatal("sent")
		}
	}
	if *now > 2*sendWait+200*2*stuckWait {
		t.Errorf("%d ms", *now/1e6)
	}
	e.now = func() int64 { return 0 } // nor does the clock move
	w.polls = 0
	if e.SendUDP(d, nil) || w.polls > waitLooks {
		t.Errorf("%d looks", w.polls)
	}
	w.noSeize = true
	e.Panic()
	if e.dead {
		t.Error("seized again without a need")
	}
	e.busy = true // a fault ended a send
	e.Panic()
	if e.SendUDP(d, nil) || e.Poll(1) != 0 || e.Stats().SeizeFailed != 1 {
		t.Error("used a device that could not be seized")
	}
}

func TestSendingAndPollingDoNotAllocate(t *testing.T) {
	w := &wire{discard: true}
	e, _ := setup(t, w)
	d, payload := dest(t, peer4), make([]byte, 1000)
	d6 := dest(t, peer6)
	frames := [][]byte{arpFrame(1, our4), echo4(nil), ns6(our6), echo6([]byte("x"))}
	e.SetVLANAddrs(VLANAddr{100, our4})
	e.HandleUDP(6665, &port{discard: true})
	live := [][]byte{arpFrame(2, our4), na6(0x60, peer6, peerMAC), tagged(100, arpFrame(1, our4)),
		udpFrame(our4, peer4, 6666, 6665, nil), udpFrame(our6, peer6, 6666, 6665, nil)}
	frames = append(frames, live...)
	run := func() {
		e.SendUDP(d, payload)
		e.SendUDP(d6, payload)
		w.rx = frames
		e.Poll(16)
		e.neighbors = [maxNeighbors]neighbor{}
		e.Resolve(d)
		e.Resolve(d6)
		for _, f := range live {
			e.Filter(f)
		}
	}
	if n := testing.AllocsPerRun(100, run); n != 0 {
		t.Errorf("live: %v allocations", n)
	}
	e.Panic()
	if n := testing.AllocsPerRun(10, run); n != 0 {
		t.Errorf("panic: %v allocations", n)
	}
}

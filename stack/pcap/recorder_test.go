package pcap

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"unsafe"

	"github.com/gasp-go/gasp/board/trap"
	"github.com/gasp-go/gasp/stack/netdev"
)

// null is a driver that sends everything to nowhere.
type null struct{ dev *netdev.Device }

func (n *null) Open() error                                        { n.dev.SetCarrier(true); return nil }
func (n *null) Stop() error                                        { return nil }
func (n *null) StartXmit([][]byte, netdev.TxFlags) netdev.TxStatus { return netdev.TxOK }
func (n *null) PollController()                                    {}
func (n *null) PollRx(int, func(frame []byte)) int                 { return 0 }
func (n *null) TxIdle() bool                                       { return true }
func (n *null) Seize() error                                       { return nil }

func newDevice(tb testing.TB) *netdev.Device {
	n := &null{}
	n.dev = netdev.New("eth0", [6]byte{2, 0, 0, 0, 0, 1}, 1500, n, netdev.NewSoftnet(func() {}))
	n.dev.SetReceive(func(_ []byte, _ netdev.RxFlags) {})
	if err := n.dev.Open(); err != nil {
		tb.Fatal(err)
	}
	return n.dev
}

// newRecorder returns a recorder whose clock advances with each look.
func newRecorder(tb testing.TB) *Recorder {
	now := int64(0)
	return NewRecorder(newDevice(tb), func() int64 { now++; return now })
}

func start1(tb testing.TB, r *Recorder, size, snap int) {
	if err := r.Start(size, snap); err != nil {
		tb.Fatal(err)
	}
}

func frame(n, fill int) []byte { return bytes.Repeat([]byte{byte(fill)}, n) }

func TestFramesOfBothDirectionsComeOutInOrder(t *testing.T) {
	r := newRecorder(t)
	start1(t, r, 0, 100)
	c := r.Newest()
	r.dev.Receive(frame(60, 1), 0)
	r.dev.Xmit([][]byte{frame(14, 2), frame(1000, 3)}, 0)
	r.dev.Receive(frame(99, 4), 0)
	var got []Record
	for {
		rec, ok := c.Next()
		if !ok {
			break
		}
		rec.Data = bytes.Clone(rec.Data)
		got = append(got, rec)
	}
	want := []Record{
		{Time: 1, Len: 60, Data: frame(60, 1)},
		{Time: 2, Len: 1014, Sent: true, Data: append(frame(14, 2), frame(86, 3)...)},
		{Time: 3, Len: 99, Data: frame(99, 4)},
	}
	if len(got) != len(want) {
		t.Fatalf("%d frames", len(got))
	}
	for i := range want {
		if g, w := got[i], want[i]; g.Time != w.Time || g.Len != w.Len || g.Sent != w.Sent || !bytes.Equal(g.Data, w.Data) {
			t.Errorf("frame %d is %+v", i, g)
		}
	}
	if s := r.Stats(); s != (Stats{Recording: true, RingSize: DefaultRing, SnapLen: 100, Frames: 3}) {
		t.Errorf("%+v", s)
	}
}

func TestNothingIsRecordedNorKeptWhileOff(t *testing.T) {
	r := newRecorder(t)
	r.dev.Receive(frame(60, 0), 0)
	start1(t, r, MinRing, 0)
	start1(t, r, MaxRing, 0) // a second user changes nothing
	r.dev.Receive(frame(60, 1), 0)
	r.Stop()
	r.dev.Receive(frame(60, 2), 0)
	if s := r.Stats(); s.Frames != 2 || s.RingSize != MinRing {
		t.Errorf("%+v", s)
	}
	c := r.Oldest()
	for range 3 {
		r.Stop() // once too often does no harm
	}
	r.dev.Receive(frame(60, 3), 0)
	if _, ok := c.Next(); ok || r.ring != nil || r.Stats().Recording {
		t.Errorf("still on: %+v", r.Stats())
	}
	for _, on := range []bool{true, true, false, false} {
		if err := r.Keep(on, 0, 0); err != nil {
			t.Fatal(err)
		}
		if r.Kept() != on || r.Stats().Recording != on {
			t.Errorf("Keep(%v): %+v", on, r.Stats())
		}
	}
	if r.users != 0 {
		t.Errorf("%d users are left", r.users)
	}
}

func TestSizesOutOfRangeAreRefused(t *testing.T) {
	r := newRecorder(t)
	for _, c := range [][2]int{{MinRing - 1, 0}, {MaxRing + 1, 0}, {-1, 0}, {0, MinSnap - 1}, {0, MaxSnap + 1}, {0, -5}} {
		if err := r.Start(c[0], c[1]); !errors.Is(err, ErrConfig) {
			t.Errorf("ring %d, snaplen %d: %v", c[0], c[1], err)
		}
		if err := r.Keep(true, c[0], c[1]); !errors.Is(err, ErrConfig) {
			t.Errorf("ring %d, snaplen %d: %v", c[0], c[1], err)
		}
	}
	if r.users != 0 || r.Kept() {
		t.Error("a refused start counts")
	}
}

func TestFullRingForgetsTheOldestAndTheReaderLearnsHowMany(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{MinRing, MinRing + 1, MinRing + 13} {
		r := newRecorder(t)
		start1(t, r, size, 1600)
		slow, read, got := r.Newest(), 0, uint64(0)
		const frames = 3000
		for i := range frames {
			r.dev.Receive(frame(rng.IntN(1600), i), 0)
			if i%50 == 49 {
				for range 3 {
					rec, ok := slow.Next()
					if !ok {
						break
					}
					if n := int(uint64(read) + slow.Lost()); rec.Time != int64(n+1) || !bytes.Equal(rec.Data, frame(rec.Len, n)) {
						t.Fatalf("frame %d: %+v", n, rec)
					}
					read++
				}
			}
		}
		for {
			if _, ok := slow.Next(); !ok {
				break
			}
			read++
		}
		got = uint64(read) + slow.Lost()
		s := r.Stats()
		if got != frames || s.Frames != frames || slow.Lost() == 0 || s.Overwritten < slow.Lost() {
			t.Errorf("ring of %d: read %d, lost %d, %+v", size, read, slow.Lost(), s)
		}
	}
}

func TestReadersAndStopsAreSafeWhileFramesCome(t *testing.T) {
	r := newRecorder(t)
	start1(t, r, MinRing, 0)
	var all sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				start1(t, r, MinRing, 0)
				for c := r.Oldest(); ; {
					rec, ok := c.Next()
					if !ok {
						break
					}
					if len(rec.Data) != rec.Len || len(rec.Data) > 0 && !bytes.Equal(rec.Data, frame(rec.Len, int(rec.Data[0]))) {
						t.Errorf("torn frame %+v", rec)
						return
					}
				}
				r.Stop()
			}
		})
	}
	for i := range 5000 {
		r.dev.Receive(frame(60+i%500, i), 0)
		r.dev.Xmit([][]byte{frame(14, i), frame(i%500, i)}, 0)
		if i%100 == 0 {
			r.Stop()
			start1(t, r, MinRing, 0)
		}
	}
	close(stop)
	all.Wait()
}

func TestRecordingDoesNotAllocate(t *testing.T) {
	r := newRecorder(t)
	start1(t, r, MinRing, 0)
	c, f := r.Newest(), frame(500, 0)
	if n := testing.AllocsPerRun(200, func() {
		r.dev.Receive(f, 0)
		var parts [2][]byte
		parts[0], parts[1] = f[:14], f[14:]
		r.dev.Xmit(parts[:], 0)
		c.Next()
	}); n != 0 {
		t.Errorf("%v allocations a frame", n)
	}
}

func TestChecksumsThatTheDeviceInsertsAreRecorded(t *testing.T) {
	r := newRecorder(t)
	start1(t, r, 0, MinSnap)
	c := r.Newest()
	for _, n := range []int{60, 1400} { // the longer one is cut
		f := make([]byte, n)
		copy(f, udpFrame)
		f[17], f[16] = byte(n-14), byte((n-14)>>8)
		f[39], f[38] = byte(n-34), byte((n-34)>>8)
		r.dev.Xmit([][]byte{f[:14], f[14:]}, netdev.TxChecksumIP|netdev.TxChecksumL4)
		netdev.InsertChecksums(f, netdev.TxChecksumIP|netdev.TxChecksumL4)
		if rec, ok := c.Next(); !ok || rec.Len != n || !bytes.Equal(rec.Data, f[:min(n, MinSnap)]) {
			t.Errorf("recorded % x", rec.Data)
		}
	}
}

func TestAFaultWithinRecordingLosesFramesNotTheRing(t *testing.T) {
	r := newRecorder(t)
	start1(t, r, MinRing, 0)
	trap.Run(func(unsafe.Pointer) {
		r.busy = true // as the fault left it; netpoll goes on sending
		r.Sent([][]byte{frame(60, 1)}, 0)
		r.busy = false
	}, nil)
	r.dev.Receive(frame(60, 2), 0)
	if s := r.Stats(); s.Frames != 1 || s.Dropped != 1 {
		t.Errorf("%+v", s)
	}
}

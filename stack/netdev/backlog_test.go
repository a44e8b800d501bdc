package netdev

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"testing"
)

// upDriver is a driver that does nothing, for devices that only receive.
type upDriver struct{ Driver }

func (upDriver) Open() error { return nil }
func (upDriver) Stop() error { return nil }

// newUp returns an open device on s.
func newUp(t testing.TB, s *Softnet, name string, receive func(frame []byte)) *Device {
	t.Helper()
	d := New(name, [6]byte{}, 1500, upDriver{}, s)
	d.SetReceive(func(frame []byte, _ RxFlags) { receive(frame) })
	if err := d.Open(); err != nil {
		t.Fatal(err)
	}
	return d
}

func useBacklog(t testing.TB, d *Device) {
	t.Helper()
	if err := d.UseBacklog(); err != nil {
		t.Fatal(err)
	}
}

func TestBacklogDeliversEveryFrameInOrderToItsDevice(t *testing.T) {
	raised := 0
	s := NewSoftnet(func() { raised++ })
	var got, want [2][][]byte
	var dev [2]*Device
	for i := range dev {
		dev[i] = newUp(t, s, "lo", nil)
		dev[i].SetReceive(func(f []byte, flags RxFlags) {
			got[i] = append(got[i], bytes.Clone(f))
			if flags != RxFlags(f[0]) {
				t.Errorf("flags %#x of a frame that had %#x", flags, f[0])
			}
		})
		useBacklog(t, dev[i])
		useBacklog(t, dev[i]) // does nothing
	}
	// Much more than the ring holds, in all lengths, so that it wraps with
	// every remainder.
	r := rand.New(rand.NewPCG(1, 2))
	for round := range 400 {
		for range 1 + r.IntN(40) {
			f := make([]byte, 1+r.IntN(1518))
			if r.IntN(100) == 0 {
				f = make([]byte, maxBacklogFrame-r.IntN(20))
			}
			for i := range f {
				f[i] = byte(r.Uint32())
			}
			i := r.IntN(2)
			if !dev[i].NetifRx(f, RxFlags(f[0])) {
				t.Fatalf("round %d: dropped with %d queued", round, s.Stat().BacklogLen)
			}
			want[i] = append(want[i], f)
		}
		for s.Poll() {
		}
		if n := s.Stat().BacklogLen; n != 0 {
			t.Fatalf("round %d: %d frames left", round, n)
		}
	}
	for i := range got {
		if len(got[i]) != len(want[i]) {
			t.Fatalf("device %d: %d frames of %d", i, len(got[i]), len(want[i]))
		}
		for k := range want[i] {
			if !bytes.Equal(got[i][k], want[i][k]) {
				t.Fatalf("device %d: frame %d differs", i, k)
			}
		}
		if n := dev[i].Stats().RxPackets; n != uint64(len(want[i])) {
			t.Errorf("device %d: %d packets counted, want %d", i, n, len(want[i]))
		}
	}
	if st := s.Stat(); st.Processed != uint64(len(want[0])+len(want[1])) || st.Dropped != 0 || st.Bugs != 0 {
		t.Errorf("%+v", st)
	}
	if raised == 0 {
		t.Error("nobody was woken")
	}
}

func TestWhatTheBacklogHoldsOfADeviceThatIsClosedIsDropped(t *testing.T) {
	s := NewSoftnet(func() {})
	got := ""
	name := func(n string) func([]byte) { return func([]byte) { got += n } }
	a, b := newUp(t, s, "a", name("a")), newUp(t, s, "b", name("b"))
	for _, d := range []*Device{a, b, a} {
		useBacklog(t, d)
		if !d.NetifRx(make([]byte, 60), 0) {
			t.Fatal("dropped")
		}
	}
	if err := a.Stop(); err != nil {
		t.Fatal(err)
	}
	for s.Poll() {
	}
	if got != "b" || a.Stats().RxDropped != 2 || a.Stats().RxPackets != 0 || s.Stat().BacklogLen != 0 {
		t.Errorf("received %q, %d dropped", got, a.Stats().RxDropped)
	}
}

func TestFullBacklogDropsAndCounts(t *testing.T) {
	s := NewSoftnet(func() {})
	got := 0
	d := newUp(t, s, "lo", func([]byte) { got++ })
	if d.NetifRx([]byte{1}, 0) {
		t.Error("taken without UseBacklog")
	}
	useBacklog(t, d)
	for range MaxBacklog {
		if !d.NetifRx(make([]byte, 1514), 0) { // full-sized: the memory suffices for as many as promised
			t.Fatalf("dropped with %d queued", s.Stat().BacklogLen)
		}
	}
	for range 7 {
		if d.NetifRx([]byte{1}, 0) {
			t.Error("taken beyond netdev_max_backlog")
		}
	}
	if st := s.Stat(); st.Dropped != 7 || st.BacklogLen != MaxBacklog {
		t.Errorf("dropped %d, want 7; queued %d, want %d", st.Dropped, st.BacklogLen, MaxBacklog)
	}
	if err := s.SetSysctl("netdev_max_backlog", "1001"); err != nil {
		t.Fatal(err)
	}
	if !d.NetifRx([]byte{1}, 0) {
		t.Error("dropped below the new limit")
	}
	for s.Poll() {
	}
	if got != MaxBacklog+1 {
		t.Errorf("%d frames received, want %d", got, MaxBacklog+1)
	}
	if err := s.SetSysctl("netdev_max_backlog", "0"); err != nil {
		t.Fatal(err)
	}
	if d.NetifRx([]byte{1}, 0) {
		t.Error("taken with netdev_max_backlog 0")
	}
	if d.NetifRx(nil, 0) || d.NetifRx(make([]byte, maxBacklogFrame+1), 0) {
		t.Error("a frame of no or too much length was taken")
	}
	d.Stop()
	if d.NetifRx([]byte{1}, 0) {
		t.Error("taken by a closed device")
	}
	// Seven for want of room, one by the limit 0; before UseBacklog, two of bad
	// length, one closed.
	if n := d.Stats().RxDropped; n != 7+1+1+2+1 {
		t.Errorf("%d frames counted as dropped, want 12", n)
	}
}

func TestBacklogIsBoundedInMemoryToo(t *testing.T) {
	s := NewSoftnet(func() {})
	total := 0
	d := newUp(t, s, "lo", func(f []byte) { total += len(f) })
	useBacklog(t, d)
	if err := s.SetSysctl("netdev_max_backlog", "1000000"); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{1, 60, 1514, 9000, maxBacklogFrame} {
		n, before := 0, total
		f := make([]byte, size)
		for d.NetifRx(f, 0) {
			n++
		}
		if used := n * (size + 2*recordHeader); n*(size+recordHeader) > backlogBytes || used < backlogBytes-2*maxBacklogFrame {
			t.Errorf("%d frames of %d bytes were taken", n, size)
		}
		for s.Poll() {
		}
		if total-before != n*size {
			t.Errorf("%d bytes of %d came out", total-before, n*size)
		}
	}
}

func TestTooManyBacklogDevicesAreRefused(t *testing.T) {
	s := NewSoftnet(func() {})
	for range maxBacklogDevices {
		useBacklog(t, newUp(t, s, "lo", nil))
	}
	if err := newUp(t, s, "lo", nil).UseBacklog(); err != ErrBacklogFull {
		t.Errorf("err = %v", err)
	}
}

func TestBacklogFrameMayQueueTheNext(t *testing.T) {
	s := NewSoftnet(func() {})
	got := 0
	var d *Device
	d = newUp(t, s, "lo", func(f []byte) {
		if got++; got < 500 {
			if !d.NetifRx(f, 0) { // as a loopback device does
				t.Error("dropped")
			}
		}
	})
	useBacklog(t, d)
	d.NetifRx([]byte("again"), 0)
	for s.Poll() {
	}
	if got != 500 {
		t.Errorf("%d frames, want 500", got)
	}
}

func TestBacklogFlushesGROBeforeItCompletes(t *testing.T) {
	s := NewSoftnet(func() {})
	log := ""
	d := newUp(t, s, "lo", func([]byte) { log += "r" })
	d.SetGROFlush(func(old bool) bool {
		log += "f"
		if old {
			t.Error("the backlog asked for old packets only")
		}
		return false
	})
	useBacklog(t, d)
	for range 3 {
		d.NetifRx([]byte{1}, 0)
	}
	s.Poll()
	s.Poll()
	if log != "rrrf" {
		t.Errorf("%q, want rrrf", log)
	}
}

// TestBacklogWithManyProducers has real parallelism, for the race detector.
func TestBacklogWithManyProducers(t *testing.T) {
	const producers, each = 4, 5000
	wake := make(chan bool, 1)
	s := NewSoftnet(func() {
		select {
		case wake <- true:
		default:
		}
	})
	var next [producers]uint32
	got := 0
	d := newUp(t, s, "lo", func(f []byte) {
		p, i := f[0], binary.LittleEndian.Uint32(f[1:])
		if i < next[p] {
			t.Errorf("producer %d: frame %d after %d", p, i, next[p])
		}
		next[p] = i + 1
		got++
	})
	useBacklog(t, d)
	var wg sync.WaitGroup
	for p := range producers {
		wg.Go(func() {
			f := make([]byte, 64)
			for i := range each {
				f[0] = byte(p)
				binary.LittleEndian.PutUint32(f[1:], uint32(i))
				d.NetifRx(f, 0)
			}
		})
	}
	done := make(chan bool)
	go func() { wg.Wait(); close(done) }()
	for over := false; !over; {
		select {
		case <-wake:
		case <-done:
			over = true
		}
		for s.Poll() {
		}
	}
	if st := s.Stat(); got+int(st.Dropped) != producers*each || st.BacklogLen != 0 || st.Bugs != 0 {
		t.Errorf("%d received of %d, %+v", got, producers*each, st)
	}
}

func TestNetifRxDoesNotAllocate(t *testing.T) {
	s := NewSoftnet(func() {})
	d := newUp(t, s, "lo", func([]byte) {})
	d.SetGROFlush(func(bool) bool { return false })
	useBacklog(t, d)
	f := make([]byte, 1514)
	if a := testing.AllocsPerRun(100, func() {
		for range 100 {
			d.NetifRx(f, 0)
		}
		for s.Poll() {
		}
	}); a != 0 {
		t.Errorf("%v allocations", a)
	}
	if st := s.Stat(); st.Processed != 101*100 {
		t.Errorf("%d frames received", st.Processed)
	}
}

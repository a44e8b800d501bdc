package netem

import (
	"bytes"
	"slices"
	"testing"
	"time"
	"unsafe"

	"github.com/gasp-go/gasp/board/trap"
	"github.com/gasp-go/gasp/stack/netdev"
)

// rig is a device with faults; what is received comes to up, what is sent to
// out. Time stands still unless it is moved.
type rig struct {
	*Netem
	t      *testing.T
	soft   *netdev.Softnet
	at     int64
	status netdev.TxStatus
	room   int // frames until it is busy, 0: no bound
	up     [][]byte
	out    [][]byte
	upOK   []netdev.RxFlags
	outDo  []netdev.TxFlags
}

func (r *rig) Open() error                  { r.dev.SetCarrier(true); return nil }
func (r *rig) Stop() error                  { return nil }
func (r *rig) PollController()              {}
func (r *rig) PollRx(int, func([]byte)) int { return 0 }
func (r *rig) TxIdle() bool                 { return true }
func (r *rig) Seize() error                 { return nil }
func (r *rig) StartXmit(parts [][]byte, flags netdev.TxFlags) netdev.TxStatus {
	if r.room > 0 && len(r.out) == r.room {
		return netdev.TxBusy
	}
	if r.status == netdev.TxOK {
		r.out = append(r.out, slices.Concat(parts...))
		r.outDo = append(r.outDo, flags)
	}
	return r.status
}

func newRig(t *testing.T, config string) *rig {
	r := &rig{t: t, soft: netdev.NewSoftnet(func() {})}
	dev := netdev.New("eth0", [6]byte{2}, 1500, r, r.soft)
	dev.SetReceive(func(f []byte, ok netdev.RxFlags) {
		r.up, r.upOK = append(r.up, bytes.Clone(f)), append(r.upOK, ok)
	})
	r.Netem = New(dev, func() int64 { return r.at })
	if err := dev.Open(); err != nil {
		t.Fatal(err)
	}
	r.set(config)
	return r
}

func (r *rig) set(config string) {
	r.t.Helper()
	c, err := Parse(config)
	if err == nil {
		err = r.Set(c)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	if r.stop != nil { // the test is the clock
		close(r.stop)
		r.stop = nil
	}
}

// frame is the i-th frame.
func frame(i int) []byte { return bytes.Repeat([]byte{byte(i), byte(i >> 8)}, 30) }

// pass has n frames go both ways, a step of time apart, and returns what came
// out, after all that waits has had its time.
func (r *rig) pass(n int, step time.Duration) (up, out [][]byte) {
	r.up, r.out = nil, nil
	for i := range n {
		r.dev.Receive(frame(i), 0)
		f := frame(i)
		if st := r.dev.Xmit([][]byte{f[:14], f[14:]}, 0); st != netdev.TxOK {
			r.t.Fatalf("Xmit %d: %v", i, st)
		}
		if !bytes.Equal(f, frame(i)) {
			r.t.Fatal("the sender's frame was changed")
		}
		r.pace(step)
	}
	r.pace(MaxDelay)
	return r.up, r.out
}

func (r *rig) pace(d time.Duration) {
	r.at += int64(d)
	r.Tick()
	for r.soft.Poll() {
	}
}

// accounts checks that every frame is accounted for.
func (r *rig) accounts(up, out int) (rx, tx Stats) {
	r.t.Helper()
	rx, tx = r.Stats()
	for i, s := range []Stats{rx, tx} {
		if s.Frames+s.Duplicate != s.Passed+s.Loss+s.Limit+s.Refused+s.Flushed+s.Queued {
			r.t.Errorf("%s: %+v does not add up", [...]string{"rx", "tx"}[i], s)
		}
	}
	if rx.Passed != uint64(up) || tx.Passed != uint64(out) {
		r.t.Errorf("%d and %d frames came out, counted %d and %d", up, out, rx.Passed, tx.Passed)
	}
	return rx, tx
}

// within checks that a random count is near its mean: 5 standard deviations,
// and the same in each run.
func (r *rig) within(what string, got uint64, n int, p float64) {
	r.t.Helper()
	mean := float64(n) * p
	if d := float64(got) - mean; d*d > 25*mean*(1-p)+1e-9 {
		r.t.Errorf("%s: %d of %d, the chance is %v", what, got, n, p)
	}
}

func TestEachFaultHappensAsOftenAsItsChanceSays(t *testing.T) {
	const n = 20000
	r := newRig(t, "rx:loss=10%,duplicate=5%,corrupt=2%;tx:loss=0.5%,duplicate=30%,corrupt=1%;seed=1")
	up, out := r.pass(n, 0)
	rx, tx := r.accounts(len(up), len(out))
	r.within("rx loss", rx.Loss, n, .1)
	r.within("rx duplicate", rx.Duplicate, n, .05)
	r.within("rx corrupt", rx.Corrupt, len(up), .02)
	r.within("tx loss", tx.Loss, n, .005)
	r.within("tx duplicate", tx.Duplicate, n, .3)
	r.within("tx corrupt", tx.Corrupt, len(out), .01)
	if rx.Delayed != 0 || rx.Queued != 0 || rx.Limit != 0 || tx.Refused != 0 {
		t.Errorf("%+v %+v", rx, tx)
	}
	for i, frames := range [][][]byte{up, out} {
		damaged := uint64(0)
		for _, f := range frames {
			whole := frame(int(f[6]) | int(f[7])<<8) // if the bit is not in there
			bits := 0
			for j := range f {
				for d := f[j] ^ whole[j]; d != 0; d &= d - 1 {
					bits++
				}
			}
			if bits != 0 {
				damaged++
			}
		}
		if want := []uint64{rx.Corrupt, tx.Corrupt}[i]; damaged != want {
			t.Errorf("%d frames are damaged, counted %d", damaged, want)
		}
	}
	if s := r.dev.Stats(); s.RxPackets != rx.Passed || s.TxPackets != tx.Passed {
		t.Errorf("device: %+v", s)
	}
}

func TestTheSameSeedMakesTheSameFaults(t *testing.T) {
	const config = "loss=10%,duplicate=10%,corrupt=10%,delay=5ms,jitter=5ms,reorder=20%;seed="
	runs := map[string][2][][]byte{}
	for _, seed := range []string{"1", "1", "2"} {
		r := newRig(t, config+seed)
		up, out := r.pass(500, time.Millisecond)
		r.accounts(len(up), len(out))
		if old, ok := runs[seed]; ok && !slices.EqualFunc(old[0], up, bytes.Equal) {
			t.Error("the same seed, but other faults")
		}
		runs[seed] = [2][][]byte{up, out}
	}
	if slices.EqualFunc(runs["1"][0], runs["2"][0], bytes.Equal) || slices.EqualFunc(runs["1"][0], runs["1"][1], bytes.Equal) {
		t.Error("another seed or direction, but the same faults")
	}
}

func TestDelayKeepsTheOrderAndTheTime(t *testing.T) {
	r := newRig(t, "delay=10ms")
	for i := range 20 {
		r.dev.Receive(frame(i), 0)
		r.dev.Xmit([][]byte{frame(i)}, 0)
		r.pace(time.Millisecond)
		if want := max(0, i+1-9); len(r.up) != want || len(r.out) != want {
			t.Fatalf("after %d ms %d and %d frames came out, want %d", i+1, len(r.up), len(r.out), want)
		}
	}
	r.pace(10 * time.Millisecond)
	for i := range 20 {
		if !bytes.Equal(r.up[i], frame(i)) || !bytes.Equal(r.out[i], frame(i)) {
			t.Errorf("place %d has frames % x and % x", i, r.up[i][:2], r.out[i][:2])
		}
	}
	rx, _ := r.accounts(20, 20)
	if rx.Delayed != 20 {
		t.Errorf("%+v", rx)
	}
}

func TestReorderedFramesOvertakeAndJitterMixes(t *testing.T) {
	const n = 2000
	for _, config := range []string{"delay=5ms,reorder=10%", "delay=5ms,jitter=4ms"} {
		r := newRig(t, config)
		up, out := r.pass(n, time.Millisecond)
		rx, _ := r.accounts(n, n)
		for _, frames := range [][][]byte{up, out} {
			early, seen := 0, map[string]bool{}
			for i, f := range frames {
				seen[string(f)] = true
				if int(f[0])|int(f[1])<<8 < i-9 || int(f[0])|int(f[1])<<8 > i+9 {
					t.Errorf("%s: frame % x in place %d", config, f[:2], i)
				}
				if i > 0 && bytes.Compare([]byte{f[1], f[0]}, []byte{frames[i-1][1], frames[i-1][0]}) < 0 {
					early++
				}
			}
			if early < n/20 || len(seen) != n {
				t.Errorf("%s: %d frames came before their time, %d frames in all", config, early, len(seen))
			}
		}
		if config == "delay=5ms,reorder=10%" {
			r.within("reorder", rx.Reorder, n, .1)
		}
	}
}

func TestWhatWaitsIsBoundedAndLossesAreCounted(t *testing.T) {
	r := newRig(t, "delay=1s,limit=10")
	for i := range 25 {
		r.dev.Receive(frame(i), 0)
		r.dev.Xmit([][]byte{frame(i)}, 0)
	}
	rx, tx := r.accounts(0, 0)
	if rx.Queued != 10 || rx.Limit != 15 || tx.Queued != 10 || tx.Limit != 15 {
		t.Errorf("%+v %+v", rx, tx)
	}
	r.set("loss=1%") // what waits is lost
	rx, tx = r.accounts(0, 0)
	if rx.Flushed != 10 || tx.Flushed != 10 || rx.Queued != 0 {
		t.Errorf("%+v %+v", rx, tx)
	}
	r.set("off")
	up, out := r.pass(30, 0)
	if len(up) != 30 || len(out) != 30 {
		t.Errorf("%d and %d of 30 frames passed a wire without faults", len(up), len(out))
	}
	if again, _ := r.Stats(); again.Frames != 25 {
		t.Errorf("it is still attached: %+v", again)
	}
}

func TestBusyDriverGetsDelayedFramesLaterAndRefusalsAreTold(t *testing.T) {
	r := newRig(t, "tx:delay=1ms")
	r.dev.Xmit([][]byte{frame(1)}, 0)
	r.dev.Xmit([][]byte{frame(2)}, 0)
	r.status = netdev.TxBusy
	r.pace(time.Millisecond)
	if _, tx := r.accounts(0, 0); tx.Queued != 2 {
		t.Errorf("%+v", tx)
	}
	r.status = netdev.TxOK
	r.pace(time.Millisecond)
	r.accounts(0, 2)
	r.dev.Xmit([][]byte{frame(3)}, 0)
	r.dev.SetCarrier(false)
	r.pace(time.Millisecond)
	if _, tx := r.accounts(0, 2); tx.Refused != 1 {
		t.Errorf("without carrier: %+v", tx)
	}
	r.dev.SetCarrier(true)
	r.set("tx:duplicate=100%")
	r.status = netdev.TxBusy
	if st := r.dev.Xmit([][]byte{frame(4)}, 0); st != netdev.TxBusy {
		t.Errorf("the driver was busy, Xmit says %v", st)
	}
	if _, tx := r.accounts(0, 2); tx.Refused != 3 {
		t.Errorf("%+v", tx)
	}
}

func TestAFrameWithRoomForOneOfItsCopiesIsSent(t *testing.T) {
	r := newRig(t, "tx:duplicate=100%")
	r.room = 1
	if st := r.dev.Xmit([][]byte{frame(1)}, 0); st != netdev.TxOK {
		t.Errorf("one copy was sent, Xmit says %v", st)
	}
	if _, tx := r.accounts(0, 1); tx.Refused != 1 {
		t.Errorf("%+v", tx)
	}
}

func TestDamageComesAfterTheChecksums(t *testing.T) {
	// A UDP datagram whose checksums are the device's to insert, and to check.
	datagram := make([]byte, 60)
	copy(datagram[12:], []byte{8, 0, 0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, 7, 0, 7, 0, 26})
	const do = netdev.TxChecksumIP | netdev.TxChecksumL4
	whole := bytes.Clone(datagram)
	netdev.InsertChecksums(whole, do)
	for _, config := range []string{"corrupt=50%;seed=3", "corrupt=50%,delay=1ms;seed=3", "corrupt=50%,duplicate=50%;seed=3"} {
		r := newRig(t, config)
		for range 100 {
			r.dev.Receive(bytes.Clone(whole), netdev.RxChecksumOK)
			r.dev.Xmit([][]byte{datagram[:20], datagram[20:]}, do)
		}
		r.pace(time.Millisecond)
		good := 0
		for i, f := range r.up {
			if same := bytes.Equal(f, whole); same != (r.upOK[i] == netdev.RxChecksumOK) {
				t.Fatalf("%s: received % x with flags %d", config, f, r.upOK[i])
			} else if same {
				good++
			}
		}
		for i, f := range r.out {
			netdev.InsertChecksums(f, r.outDo[i])
			if same := bytes.Equal(f, whole); same != (r.outDo[i] == do) {
				t.Fatalf("%s: sent % x with flags %d", config, f, r.outDo[i])
			}
		}
		if good < 20 || good > len(r.up)-20 || len(r.out) < 100 {
			t.Errorf("%s: %d of %d received are good, %d sent", config, good, len(r.up), len(r.out))
		}
	}
}

func TestWhatIsLateForADeviceThatIsClosedIsDropped(t *testing.T) {
	r := newRig(t, "rx:delay=10ms")
	r.dev.Receive(make([]byte, 60), 0)
	if err := r.dev.Stop(); err != nil {
		t.Fatal(err)
	}
	r.at += int64(10 * time.Millisecond)
	r.Tick()
	for r.soft.Poll() {
	}
	if rx, _ := r.Stats(); len(r.up) != 0 || r.dev.Stats().RxDropped != 1 || rx.Queued != 0 {
		t.Errorf("%d received, %d dropped, %+v", len(r.up), r.dev.Stats().RxDropped, rx)
	}
}

func TestNetpollSendsPastTheFaults(t *testing.T) {
	r := newRig(t, "loss=100%")
	inTrap(func() { r.dev.XmitTrap([][]byte{frame(0)}, 0) })
	if len(r.out) != 1 {
		t.Error("netpoll's frame was lost")
	}
	if up, out := r.pass(10, 0); len(up)+len(out) != 0 {
		t.Errorf("%d and %d frames survived", len(up), len(out))
	}
}

func TestFaultsDoNotAllocatePerFrame(t *testing.T) {
	r := newRig(t, "loss=10%,duplicate=20%,corrupt=20%,delay=1ms,reorder=50%")
	r.dev.SetReceive(func([]byte, netdev.RxFlags) {})
	r.status = netdev.TxDropped // the rig keeps nothing
	f := frame(1)
	if n := testing.AllocsPerRun(500, func() {
		r.dev.Receive(f, 0)
		var parts [2][]byte
		parts[0], parts[1] = f[:14], f[14:]
		r.dev.Xmit(parts[:], 0)
		r.pace(time.Millisecond)
	}); n != 0 {
		t.Errorf("%v allocations a frame", n)
	}
}

// FuzzFaults passes frames of any lengths through any faults and checks the
// accounts.
func FuzzFaults(f *testing.F) {
	f.Add("loss=10%,dup=20%,corrupt=50%,delay=3ms,jitter=1ms,reorder=30%,limit=3;seed=9", []byte{0, 1, 60, 255, 7, 0, 255})
	f.Fuzz(func(t *testing.T, config string, lengths []byte) {
		if _, err := Parse(config); err != nil {
			return
		}
		r := newRig(t, config)
		for i, n := range lengths {
			r.dev.Receive(make([]byte, int(n)*8), 0)
			r.status = netdev.TxStatus(n % 3)
			r.dev.Xmit([][]byte{make([]byte, int(n)), make([]byte, i)}, 0)
			r.pace(time.Millisecond)
			r.accounts(len(r.up), len(r.out))
		}
	})
}

// inTrap runs fn in trap context.
func inTrap(fn func()) { trap.Run(func(unsafe.Pointer) { fn() }, nil) }

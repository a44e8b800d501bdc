package netdev

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func openFake(t *testing.T) (*Device, *fake, *int) {
	d, f := newFake()
	up := new(int)
	d.SetReceive(func(_ []byte, _ RxFlags) { *up++ })
	if err := d.Open(); err != nil {
		t.Fatal(err)
	}
	return d, f, up
}

func TestXDPVerdictsAreCarriedOutAndCounted(t *testing.T) {
	d, f, up := openFake(t)
	filtered := 0
	d.SetFilter(func([]byte) bool { filtered++; return false })
	verdicts := []XDPAction{XDPAborted, XDPDrop, XDPPass, XDPTx, XDPRedirect, 5, 1 << 31, XDPTx, XDPPass, XDPPass}
	i := 0
	d.SetXDP(func(frame []byte) XDPAction {
		frame[0] = byte(i)
		i++
		if i == 8 {
			f.status = TxBusy
		}
		return verdicts[i-1]
	})
	for range verdicts {
		d.Receive(make([]byte, 60), 0)
	}
	got, want := d.XDPStats(), XDPStats{Pass: 3, Drop: 1, Tx: 1, TxErrors: 1, Redirect: 1, Aborted: 3}
	if got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if *up != 3 || filtered != 3 || f.frames != 1 || f.bytes != 60 {
		t.Errorf("%d to the stack, %d to the filter, %d sent back with %d bytes", *up, filtered, f.frames, f.bytes)
	}
	if st := d.Stats(); st.RxPackets != 10 || st.TxPackets != 1 || st.TxBusy != 1 || st.RxDropped != 0 {
		t.Errorf("%+v", st)
	}
	d.SetXDP(nil)
	d.Receive(make([]byte, 60), 0)
	if *up != 4 || d.XDPStats() != want {
		t.Error("a detached program was asked")
	}
}

func TestXDPSendsBackTheFrameAsTheProgramLeftIt(t *testing.T) {
	d, _, _ := openFake(t)
	tap := &recorder{}
	d.SetTap(tap)
	d.SetXDP(func(frame []byte) XDPAction { frame[0] = 77; return XDPTx })
	d.Receive(make([]byte, 60), 0)
	if !bytes.Equal(tap.tx, []byte{77}) || !bytes.Equal(tap.rx, []byte{0}) {
		t.Errorf("received %v, sent %v", tap.rx, tap.tx)
	}
}

func TestXDPProgramThatPanicsCostsTheFrameAndOneLogLine(t *testing.T) {
	var log bytes.Buffer
	old := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(old)
	d, _, up := openFake(t)
	d.SetXDP(func(frame []byte) XDPAction {
		if frame[20] == 0 { // beyond a short frame's end
			return XDPPass
		}
		return XDPDrop
	})
	for range 3 {
		d.Receive(make([]byte, 60), 0)
		d.Receive(make([]byte, 14), 0)
	}
	if got, want := d.XDPStats(), (XDPStats{Pass: 3, Aborted: 3, Panics: 3}); got != want || *up != 3 {
		t.Errorf("%d frames went up, %+v, want %+v", *up, got, want)
	}
	if n := strings.Count(log.String(), "index out of range"); n != 1 {
		t.Errorf("logged %d times:\n%s", n, log.String())
	}
}

func TestXDPProgramsComeAndGoWhileFramesArrive(t *testing.T) {
	d, _, up := openFake(t)
	var asked [2]atomic.Uint64
	var over atomic.Bool
	var admin sync.WaitGroup
	admin.Go(func() {
		for !over.Load() {
			d.SetXDP(func([]byte) XDPAction { asked[0].Add(1); return XDPDrop })
			d.SetXDP(func([]byte) XDPAction { asked[1].Add(1); return XDPRedirect })
			d.SetTap(nil)
			d.SetXDP(nil)
		}
	})
	const frames = 20000
	frame := make([]byte, 60)
	for range frames {
		d.Receive(frame, 0)
	}
	over.Store(true)
	admin.Wait()
	st := d.XDPStats()
	if st.Drop != asked[0].Load() || st.Redirect != asked[1].Load() ||
		st.Drop+st.Redirect+uint64(*up) != frames {
		t.Errorf("%+v, asked %d %d, %d went up", st, asked[0].Load(), asked[1].Load(), *up)
	}
}

// FuzzXDP holds Receive to its accounts whatever a program answers.
func FuzzXDP(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5}, uint32(3), uint8(0))
	f.Add([]byte{}, uint32(2), uint8(1))
	f.Fuzz(func(t *testing.T, frame []byte, verdict uint32, status uint8) {
		d, drv, up := openFake(t)
		drv.status = TxStatus(status % 3)
		d.SetXDP(func(frame []byte) XDPAction { return XDPAction(verdict) })
		d.Receive(frame, 0)
		st := d.XDPStats()
		if st.Pass+st.Drop+st.Tx+st.TxErrors+st.Redirect+st.Aborted != 1 || st.Pass != uint64(*up) || st.Tx != uint64(drv.frames) {
			t.Errorf("verdict %d, status %d: %+v, %d up, %d sent", verdict, status%3, st, *up, drv.frames)
		}
	})
}

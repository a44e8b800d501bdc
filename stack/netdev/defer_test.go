package netdev

import (
	"fmt"
	"slices"
	"testing"
)

// testTimer is a timer that runs out when the test says so.
type testTimer struct {
	fire   func()
	ns     int64 // 0: stopped
	starts int
}

func (t *testTimer) Start(ns int64) { t.ns = ns; t.starts++ }
func (t *testTimer) Cancel()        { t.ns = 0 }

// runOut is the timer's interrupt.
func (t *testTimer) runOut() {
	if t.ns != 0 {
		t.ns = 0
		inTrap(t.fire)
	}
}

// deferScene is a device with frames waiting, a mask, and deferral.
type deferScene struct {
	soft    *Softnet
	dev     *Device
	napi    NAPI
	timer   *testTimer
	waiting int
	masked  bool
	held    int // by GRO
	keep    bool
	log     []string
}

func newDeferScene(t *testing.T, polls, ns uint32) *deferScene {
	t.Helper()
	d := &deferScene{}
	d.soft = NewSoftnet(func() {})
	d.soft.SetTimers(func(fire func()) Timer {
		d.timer = &testTimer{fire: fire}
		return d.timer
	})
	d.dev = New("eth0", [6]byte{}, 1500, nil, d.soft)
	d.dev.SetGROFlush(func(old bool) bool {
		if !old || !d.keep {
			d.held = 0
		}
		return d.held > 0
	})
	if err := d.dev.SetDeferHardIRQs(polls); err != nil {
		t.Fatal(err)
	}
	if err := d.dev.SetGROFlushTimeout(ns); err != nil {
		t.Fatal(err)
	}
	d.napi.Init(d.soft, "eth0", 0, func(budget int) int {
		n := min(budget, d.waiting)
		d.waiting -= n
		d.held += n
		if n < budget && d.napi.CompleteDone(n) {
			d.masked = false
		}
		return n
	})
	d.napi.Attach(d.dev)
	d.napi.Enable()
	return d
}

// interrupt is the arrival of frames, and what follows at once.
func (d *deferScene) interrupt(frames int) {
	d.waiting += frames
	if !d.masked {
		inTrap(func() {
			d.masked = true
			d.napi.Schedule()
		})
	}
	d.poll()
}

func (d *deferScene) poll() {
	for d.soft.Poll() {
	}
	d.log = append(d.log, fmt.Sprintf("masked=%v timer=%d waiting=%d", d.masked, d.timer.ns, d.waiting))
}

func TestInterruptStaysMaskedForSoManyEmptyPolls(t *testing.T) {
	d := newDeferScene(t, 2, 20_000)
	d.interrupt(3)
	d.interrupt(5) // masked: waits for the timer
	for range 3 {
		d.timer.runOut()
		d.poll()
	}
	want := []string{
		"masked=true timer=20000 waiting=0", // work: count 2, now 1
		"masked=true timer=20000 waiting=5",
		"masked=true timer=20000 waiting=0", // work again: count 2, now 1
		"masked=true timer=20000 waiting=0", // empty: now 0
		"masked=false timer=0 waiting=0",    // empty, none left
	}
	if !slices.Equal(d.log, want) {
		t.Errorf("got  %q\nwant %q", d.log, want)
	}
	st := d.napi.Stat()
	if st.Deferred != 3 || st.Timer != 3 || st.Scheduled != 4 || st.Processed != 8 {
		t.Errorf("%+v", st)
	}
}

func TestDeferralNeedsATimeout(t *testing.T) {
	d := newDeferScene(t, 5, 0)
	d.interrupt(1)
	if d.masked || d.timer.starts != 0 {
		t.Errorf("masked %v, timer started %d times", d.masked, d.timer.starts)
	}
	s := NewSoftnet(func() {})
	dev := New("eth0", [6]byte{}, 1500, nil, s)
	if dev.SetDeferHardIRQs(1) != ErrNoTimer || dev.SetGROFlushTimeout(1) != ErrNoTimer {
		t.Error("deferral without timers was accepted")
	}
	if dev.SetDeferHardIRQs(0) != nil || dev.SetGROFlushTimeout(0) != nil {
		t.Error("no deferral was refused")
	}
}

func TestGROMayHoldPacketsUntilItsTimeout(t *testing.T) {
	d := newDeferScene(t, 0, 50_000)
	d.keep = true
	d.interrupt(2)
	if d.masked || d.held != 2 || d.timer.ns != 50_000 {
		t.Errorf("after the poll: masked %v, held %d, timer %d", d.masked, d.held, d.timer.ns)
	}
	d.timer.runOut()
	d.poll()
	if d.masked || d.held != 0 || d.timer.ns != 0 {
		t.Errorf("after the timeout: masked %v, held %d, timer %d", d.masked, d.held, d.timer.ns)
	}
	// Under deferral too they are held no longer than it lasts.
	if err := d.dev.SetDeferHardIRQs(3); err != nil {
		t.Fatal(err)
	}
	d.interrupt(2)
	n := 0
	for ; d.timer.ns != 0; n++ {
		d.timer.runOut()
		d.poll()
	}
	if n != 3 || d.held != 0 || d.masked {
		t.Errorf("%d timeouts, held %d, masked %v", n, d.held, d.masked)
	}
}

func TestMissedScheduleIsNotDeferred(t *testing.T) {
	d := newDeferScene(t, 1, 20_000)
	polls := 0
	d.napi.poll = func(int) int {
		if polls++; polls == 1 {
			inTrap(func() { d.napi.Schedule() })
		}
		d.napi.CompleteDone(0)
		return 0
	}
	d.napi.deferCount = 1
	d.interrupt(0)
	if polls != 2 || d.timer.starts != 0 {
		t.Errorf("polled %d times, want twice; timer started %d times", polls, d.timer.starts)
	}
}

func TestDisableStopsTheTimer(t *testing.T) {
	d := newDeferScene(t, 1, 20_000)
	d.interrupt(1)
	if d.timer.ns == 0 {
		t.Fatal("no timer")
	}
	d.napi.Disable()
	if d.timer.ns != 0 {
		t.Error("the timer runs on")
	}
	inTrap(d.timer.fire) // it was about to
	if d.soft.Poll() || d.napi.Stat().Polls != 1 {
		t.Error("polled after Disable")
	}
	d.napi.Enable()
	d.masked = false
	d.interrupt(1)
	if d.waiting != 0 {
		t.Error("not polled after Enable")
	}
}

func TestDeferralDoesNotAllocate(t *testing.T) {
	d := newDeferScene(t, 1, 20_000)
	if a := testing.AllocsPerRun(100, func() {
		d.waiting = 3
		d.napi.Schedule()
		for d.soft.Poll() {
		}
		for d.timer.ns != 0 {
			d.timer.ns = 0
			d.timer.fire()
			d.soft.Poll()
		}
	}); a != 0 {
		t.Errorf("%v allocations", a)
	}
}

package netpoll

import (
	"testing"

	"github.com/gasp-go/gasp/stack/netdev"
)

// takerWire is a wire whose frames can be taken from under a stuck poll.
type takerWire struct {
	wire
	takes int
}

func (w *takerWire) TakeRx(budget int, fn func([]byte)) int {
	w.takes++
	return w.PollRx(budget, fn)
}

// watched returns a live endpoint and its NAPI, which nobody polls.
func watched(t *testing.T) (*Endpoint, *takerWire, *netdev.NAPI, *netdev.Softnet, *int64) {
	w := &takerWire{}
	soft := netdev.NewSoftnet(func() {})
	dev := netdev.New("eth0", ourMAC, 1500, w, soft)
	n := new(netdev.NAPI)
	n.Init(soft, "eth0", 0, func(int) int { n.CompleteDone(0); return 0 })
	n.Attach(dev)
	n.Enable()
	if err := dev.Open(); err != nil {
		t.Fatal(err)
	}
	dev.SetCarrier(true)
	now := new(int64)
	e := New(dev, func() int64 { return *now })
	e.SetLocal(our4, our6)
	return e, w, n, soft, now
}

func TestAStackThatIsStuckIsNoticedAndNetpollAnswers(t *testing.T) {
	e, w, n, soft, now := watched(t)
	look := func() Event {
		t.Helper()
		again, ev, _ := e.Watch()
		*now += again
		return ev
	}
	for range 20 { // idle for long
		if ev := look(); ev != Nothing {
			t.Fatalf("event %d", ev)
		}
	}
	w.rx = [][]byte{arpFrame(1, our4), echo4([]byte("ping")), ns6(our6), echo6([]byte("six"))}
	n.Schedule()
	start := *now
	for look() != Stuck {
		if *now-start > 2e9 {
			t.Fatal("not noticed")
		}
	}
	if d := *now - start; d < stuckTime-watchTime || len(w.sent) != 4 || !e.Stuck() {
		t.Errorf("after %d ns, %d answers", d, len(w.sent))
	}
	for i := range 1000 {
		w.rx = append(w.rx, echo4(nil), echo4(nil))
		if ev := look(); ev != Nothing || len(w.sent) != 4+2*(i+1) {
			t.Fatalf("look %d: event %d, %d answers", i, ev, len(w.sent))
		}
	}
	if d := *now - start; d > 3e9 {
		t.Errorf("1000 looks took %d ns", d)
	}
	if !e.SendUDP(dest(t, peer4), []byte("line")) {
		t.Error("netpoll does not send")
	}
	takes := w.takes
	soft.Poll() // the thread is back
	if ev := look(); ev != Recovered || e.Stuck() || w.takes != takes {
		t.Errorf("event %d, %d more takes", ev, w.takes-takes)
	}
	if s := e.Stats(); s.Stuck != 1 || s.Recovered != 1 || s.Echo != 2002 || s.ARP != 2 {
		t.Errorf("%+v", s)
	}
	n.Schedule() // and stuck again
	for start = *now; look() != Stuck; {
		if *now-start > 2e9 {
			t.Fatal("not noticed a second time")
		}
	}
}

func TestABusyStackIsNotTakenForAStuckOne(t *testing.T) {
	e, w, n, soft, now := watched(t)
	for i := range 100 {
		n.Schedule()
		if i%3 == 0 {
			soft.Poll()
			n.Schedule()
		}
		if again, ev, _ := e.Watch(); ev != Nothing {
			t.Fatalf("event %d", ev)
		} else {
			*now += again
		}
	}
	// Nor one whose emulator was not run for a while: one look says nothing.
	soft.Poll()
	e.Watch()
	n.Schedule()
	*now += 60e9
	if _, ev, _ := e.Watch(); ev != Nothing || w.takes != 0 {
		t.Errorf("event %d, %d takes", ev, w.takes)
	}
}

func TestInAPanicNobodyWatches(t *testing.T) {
	e, w, n, _, now := watched(t)
	n.Schedule()
	e.Panic()
	for range 10 {
		*now += 1e9
		if _, ev, _ := e.Watch(); ev != Nothing || w.takes != 0 {
			t.Fatalf("event %d", ev)
		}
	}
}

func TestProgramsSendToo(t *testing.T) {
	w := &wire{}
	e, _ := setup(t, w)
	d := dest(t, peer4)
	payload := []byte("from a goroutine")
	if !e.Send(d, payload) || string(checkUDP(t, w.sent[0], our4, peer4)[:len(payload)]) != string(payload) {
		t.Fatalf("%x", w.sent)
	}
	w.discard = true
	if n := testing.AllocsPerRun(100, func() { e.Send(d, payload) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

package netdev

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/gasp-go/gasp/board/trap"
)

// inTrap runs fn in trap context, as an interrupt would.
func inTrap(fn func()) {
	trap.Run(func(unsafe.Pointer) { fn() }, nil)
}

// source is a device with frames waiting in its ring.
type source struct {
	NAPI
	waiting int
	order   *[]string
}

func newSource(s *Softnet, name string, order *[]string) *source {
	src := &source{order: order}
	src.Init(s, name, 0, func(budget int) int {
		*src.order = append(*src.order, name)
		n := min(budget, src.waiting)
		src.waiting -= n
		if n < budget {
			src.CompleteDone(n)
		}
		return n
	})
	src.Enable()
	return src
}

func TestInstancesTakeTurns(t *testing.T) {
	s := NewSoftnet(func() {})
	var order []string
	a, b, c := newSource(s, "a", &order), newSource(s, "b", &order), newSource(s, "c", &order)
	a.waiting, b.waiting, c.waiting = 1000, 10, 130
	inTrap(func() { a.Schedule(); b.Schedule(); c.Schedule() })
	// 64+10+64+64+64 = 266 < 300, one more poll crosses the budget.
	if !s.Poll() {
		t.Fatal("Poll has no work left")
	}
	if want := []string{"a", "b", "c", "a", "c", "a"}; !slices.Equal(order, want) {
		t.Errorf("polled %v, want %v", order, want)
	}
	order = nil
	for s.Poll() {
	}
	if a.waiting+b.waiting+c.waiting != 0 {
		t.Errorf("left %d %d %d", a.waiting, b.waiting, c.waiting)
	}
	if order[0] != "c" {
		t.Errorf("the next Poll began with %s, c was due", order[0])
	}
	for _, n := range []*source{a, b, c} {
		if n.Scheduled() {
			t.Errorf("%s is still scheduled", n.Stat().Name)
		}
	}
}

func TestBudgetAndTimeLimitAreCounted(t *testing.T) {
	var now int64
	s := NewSoftnet(func() {})
	s.SetClock(func() int64 { now += TimeLimit / 2; return now })
	var order []string
	a := newSource(s, "a", &order)
	a.waiting = 64*3 + 1
	inTrap(func() { a.Schedule() })
	if !s.Poll() {
		t.Error("the time limit did not end Poll")
	}
	if len(order) != 3 { // the time runs from the end of the first
		t.Errorf("%d polls within the time limit, want 3", len(order))
	}
	if s.Poll() {
		t.Error("work left with an empty ring")
	}
	st := s.Stat()
	want := SoftnetStat{Processed: 193, TimeSqueeze: 1, Polls: 4, Raised: 1}
	want.Work[1], want.Work[7] = 1, 3
	if st != want {
		t.Errorf("got  %+v\nwant %+v", st, want)
	}
}

func TestScheduleOfAnOwnedInstanceIsMissedNotLost(t *testing.T) {
	s := NewSoftnet(func() {})
	var n NAPI
	polls, again := 0, 2
	n.Init(s, "n", 64, func(budget int) int {
		polls++
		if again > 0 {
			again--
			inTrap(func() {
				if n.Schedule() {
					t.Error("scheduled while being polled")
				}
			})
		}
		want := again == 0 && polls == 3
		if got := n.CompleteDone(0); got != want {
			t.Errorf("poll %d: CompleteDone = %v, want %v", polls, got, want)
		}
		return 0
	})
	inTrap(func() {
		if n.Schedule() {
			t.Error("a disabled instance was scheduled")
		}
	})
	n.Enable()
	inTrap(func() { n.Schedule() })
	if s.Poll() || polls != 3 {
		t.Errorf("%d polls, want 3", polls)
	}
	if st := n.Stat(); st.Missed != 3 || st.Scheduled != 1 || st.Polls != 3 {
		t.Errorf("%+v", st)
	}
}

func TestBrokenDriversAreCountedNotTrusted(t *testing.T) {
	s := NewSoftnet(func() {})
	var full, idle NAPI
	full.Init(s, "completes at full weight", 4, func(budget int) int {
		full.CompleteDone(0)
		return budget
	})
	idle.Init(s, "completes twice", 4, func(budget int) int {
		idle.CompleteDone(1)
		idle.CompleteDone(1)
		return 1
	})
	full.Enable()
	idle.Enable()
	for range 5 {
		inTrap(func() { full.Schedule(); idle.Schedule() })
		if s.Poll() {
			t.Fatal("work left")
		}
	}
	if st := s.Stat(); st.Bugs != 10 {
		t.Errorf("%d bugs counted, want 10", st.Bugs)
	}
}

func TestNetpollNeitherCompletesNorNests(t *testing.T) {
	s := NewSoftnet(func() {})
	var n NAPI
	budgets := []int{}
	n.Init(s, "n", 64, func(budget int) int {
		budgets = append(budgets, budget)
		if budget == 0 {
			if n.PollTrap() {
				t.Error("netpoll nested")
			}
			if n.CompleteDone(0) {
				t.Error("completed by netpoll")
			}
			return 0
		}
		n.CompleteDone(0)
		return 0
	})
	if inTrap(func() { n.PollTrap() }); len(budgets) != 0 {
		t.Error("netpoll polled a disabled instance")
	}
	n.Enable()
	inTrap(func() { n.Schedule(); n.PollTrap() })
	s.Poll()
	if !slices.Equal(budgets, []int{0, 64}) || n.Scheduled() {
		t.Errorf("budgets %v, scheduled %v", budgets, n.Scheduled())
	}
}

func TestDisableWaitsForThePollAndStopsABusyOne(t *testing.T) {
	s := NewSoftnet(func() {})
	var n NAPI
	entered := make(chan bool)
	n.Init(s, "n", 64, func(budget int) int {
		entered <- true
		return budget // never runs dry
	})
	n.Enable()
	inTrap(func() { n.Schedule() })
	stopped := make(chan bool)
	go func() {
		for s.Poll() {
		}
		close(stopped)
	}()
	<-entered
	done := make(chan bool)
	go func() { n.Disable(); n.Disable(); close(done) }()
	for {
		select {
		case <-entered:
			continue
		case <-stopped:
		}
		break
	}
	<-done
	inTrap(func() {
		if n.Schedule() {
			t.Error("scheduled after Disable")
		}
	})
}

func TestTopHalfAndPollDoNotAllocate(t *testing.T) {
	s := NewSoftnet(func() {})
	var n NAPI
	left := 0
	n.Init(s, "n", 8, func(budget int) int {
		k := min(left, budget)
		left -= k
		if k < budget {
			n.CompleteDone(k)
		}
		return k
	})
	n.Enable()
	if a := testing.AllocsPerRun(100, func() {
		left = 20
		n.Schedule() // nothing else runs, so trap context is not needed here
		s.Poll()
	}); a != 0 {
		t.Errorf("%v allocations", a)
	}
}

// TestRaiseIsNotLostBetweenCPUs runs interrupts and polls truly in parallel,
// which is more than one CPU does: the network thread sleeps unless raised.
func TestRaiseIsNotLostBetweenCPUs(t *testing.T) {
	const events = 20000
	wake := make(chan bool, 1)
	s := NewSoftnet(func() {
		select {
		case wake <- true:
		default:
		}
	})
	var pending, seen atomic.Int64
	var n [3]NAPI
	for i := range n {
		n[i].Init(s, "n", 4, func(budget int) int {
			k := 0
			for k < budget && pending.Load() > 0 {
				pending.Add(-1)
				k++
			}
			seen.Add(int64(k))
			if k < budget {
				n[i].CompleteDone(k)
			}
			return k
		})
		n[i].Enable()
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range events {
			pending.Add(1)
			inTrap(func() { n[i%len(n)].Schedule() })
		}
	})
	for seen.Load() < events {
		<-wake
		for s.Poll() {
		}
	}
	wg.Wait()
	if b := s.Stat().Bugs; b != 0 {
		t.Errorf("%d bugs", b)
	}
}

package netdev

import (
	"runtime"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/gasp-go/gasp/board/trap"
)

var worldBacklog = make([]byte, backlogBytes) // one world at a time has it

// newWorld returns a world at its beginning.
func newWorld(sc scene, b broken) *world {
	w := &world{scene: sc, bad: b}
	w.soft = NewSoftnet(func() { w.raised = true })
	w.soft.budget.Store(uint32(sc.budget))
	w.soft.SetClock(func() int64 { w.step("clock"); return 0 })
	for i, cs := range sc.cards {
		c := &card{cardScene: cs, w: w}
		w.cards = append(w.cards, c)
		name := string(rune('a' + i))
		c.dev = New(name, [6]byte{}, 1500, nil, w.soft)
		c.dev.SetGROFlush(c.flush)
		w.soft.SetTimers(func(func()) Timer { return c })
		c.dev.deferHardIRQs.Store(sc.defers)
		c.dev.groFlushTimeout.Store(sc.timeout)
		c.napi.Init(w.soft, name, cs.weight, c.poll)
		c.napi.Attach(c.dev)
		c.napi.state.Store(0)
		c.napi.enabled = true
	}
	if sc.software > 0 {
		w.lo = New("lo", [6]byte{}, 1500, nil, w.soft)
		w.lo.SetReceive(func([]byte, RxFlags) {
			w.delivered++
			w.step("received")
		})
		w.lo.SetGROFlush(func(bool) bool { w.step("flushed the backlog's"); return false })
		w.lo.up.Store(true)
		w.soft.newTimer = nil
		w.soft.backlog.mem = worldBacklog
		if err := w.lo.UseBacklog(); err != nil {
			panic(err)
		}
		w.soft.backlog.napi.weight = 2
	}
	return w
}

// explore runs a world once, making the given choices and then always the
// first, until nothing can happen any more or a state was seen before. It
// returns the choices made, how many there were at each, and what went wrong.
func explore(sc scene, b broken, path []int, seen map[string]bool) (taken, width []int, failed *world) {
	w := newWorld(sc, b)
	trap.Enter = func(fn func(unsafe.Pointer), arg unsafe.Pointer) {
		w.step("before trap")
		fn(arg)
		w.step("after trap")
	}
	pause = func() {
		// Looking again makes no difference until somebody else has run.
		w.admin.idle, w.admin.where = true, ""
		w.step("wait")
	}
	defer func(p func()) { trap.Enter, pause = nil, p }(pause)

	w.start(&w.net, "net", w.netThread)
	w.start(&w.admin, "admin", w.administrator)
	defer func() {
		w.current = nil
		w.net.stop()
		w.admin.stop()
	}()

	for {
		c := w.choices()
		if len(c) == 0 {
			w.checkEnd()
		}
		if len(c) == 0 || w.failure != "" {
			break
		}
		pick := 0
		if len(taken) < len(path) {
			pick = path[len(taken)]
		} else {
			st := w.state()
			if seen[st] {
				return taken, width, nil
			}
			seen[st] = true
		}
		taken, width = append(taken, pick), append(width, len(c))
		c[pick]()
		if !strings.HasPrefix(w.trace[len(w.trace)-1], "admin:") {
			w.admin.idle = false
		}
		if w.failure == "" {
			w.check()
		}
	}
	if w.failure != "" {
		return nil, nil, w
	}
	return taken, width, nil
}

// exploreAll runs a scene through all orders, or up to the first that fails.
func exploreAll(sc scene, b broken) (failed *world, runs, states int) {
	seen := map[string]bool{}
	todo := [][]int{nil}
	for len(todo) > 0 {
		path := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		taken, width, failed := explore(sc, b, path, seen)
		runs++
		if failed != nil {
			return failed, runs, len(seen)
		}
		for i := len(path); i < len(taken); i++ {
			for alt := 1; alt < width[i]; alt++ {
				todo = append(todo, append(append([]int{}, taken[:i]...), alt))
			}
		}
	}
	return nil, runs, len(seen)
}

// onHost skips what takes minutes on an emulated target, where it would show
// nothing else.
func onHost(t *testing.T) {
	if runtime.GOARCH == "arm" {
		t.Skip("thousands of orders: explored on the host")
	}
}

func level(weight, arrivals int) cardScene { return cardScene{true, weight, arrivals} }
func edge(weight, arrivals int) cardScene  { return cardScene{false, weight, arrivals} }

var scenes = []scene{
	{name: "level, weight 1", cards: []cardScene{level(1, 3)}, budget: 2, admin: true},
	{name: "level, weight 2", cards: []cardScene{level(2, 3)}, budget: 4, admin: true},
	{name: "edge, weight 1", cards: []cardScene{edge(1, 3)}, budget: 2, admin: true},
	{name: "edge, weight 2", cards: []cardScene{edge(2, 3)}, budget: 4, admin: true},
	{name: "two on one list", cards: []cardScene{level(1, 2), edge(2, 2)}, budget: 3},
	{name: "two, one disabled", cards: []cardScene{level(2, 1), edge(1, 1)}, budget: 2, admin: true},
	{name: "netpoll", cards: []cardScene{level(2, 2)}, budget: 4, netpoll: 2},
	{name: "netpoll, edge", cards: []cardScene{edge(1, 2)}, budget: 2, netpoll: 2},
	{name: "netpoll and Disable", cards: []cardScene{level(2, 1)}, budget: 4, netpoll: 2, admin: true},
	{name: "backlog", cards: []cardScene{level(2, 1)}, budget: 3, software: 3},
	{name: "backlog and Disable", cards: []cardScene{edge(2, 1)}, budget: 2, software: 2, admin: true},
	{name: "deferral", cards: []cardScene{level(2, 3)}, budget: 4, defers: 1, timeout: 1},
	{name: "deferral and GRO", cards: []cardScene{level(2, 2)}, budget: 2, defers: 2, timeout: 1, hold: true},
	{name: "GRO timeout alone", cards: []cardScene{level(1, 2)}, budget: 1, timeout: 1, hold: true},
	{name: "deferral and Disable", cards: []cardScene{level(2, 2)}, budget: 4, defers: 1, timeout: 1, hold: true, admin: true},
	{name: "deferral and netpoll", cards: []cardScene{level(2, 2)}, budget: 4, defers: 1, timeout: 1, netpoll: 1},
	{name: "all at once", cards: []cardScene{level(2, 1), edge(1, 1)}, budget: 2, defers: 1, timeout: 1, hold: true, netpoll: 1, software: 1},
	{name: "everything with Disable", cards: []cardScene{level(2, 1)}, budget: 3, defers: 1, timeout: 1, netpoll: 1, software: 1, admin: true},
}

// In every order of top half, poll, completion, Disable, netpoll, timer and
// backlog: no wake-up and no frame is lost, nothing is polled by two or listed
// twice, no interrupt is left masked, no packet left in GRO, no timer left
// running, and Disable ends.
func TestNoOrderOfEventsLosesAFrame(t *testing.T) {
	for _, sc := range scenes {
		t.Run(sc.name, func(t *testing.T) {
			if sc.admin || len(sc.cards) > 1 {
				onHost(t)
			}
			failed, runs, states := exploreAll(sc, broken{})
			if failed != nil {
				t.Fatalf("%s after:\n%s", failed.failure, strings.Join(failed.trace, "\n"))
			}
			t.Logf("%d runs, %d states", runs, states)
		})
	}
}

// What the exploration would miss it would not have checked: each of these
// mistakes, most of them once made by a driver or a kernel, must come out.
func TestEveryKnownMistakeIsFound(t *testing.T) {
	onHost(t)
	for _, tt := range []struct {
		name, scene string
		bad         broken
		want        string
	}{
		{"completion does not look at MISSED", "edge, weight 2",
			broken{complete: func(c *card, work int) bool {
				c.napi.endBatch(work)
				c.napi.state.Store(0)
				return true
			}}, "frames in the ring"},
		{"completion does not look at MISSED, with netpoll", "netpoll, edge",
			broken{complete: func(c *card, work int) bool {
				c.napi.endBatch(work)
				c.napi.state.Store(0)
				return true
			}}, "frames in the ring"},
		{"completion forgets MISSED but stays owned", "edge, weight 2",
			broken{complete: func(c *card, work int) bool {
				c.napi.endBatch(work)
				return c.napi.state.CompareAndSwap(stateSched, 0)
			}}, "state"},
		{"completion lists it again before it is released", "two on one list",
			broken{complete: func(c *card, work int) bool {
				c.w.soft.add(c.napi.index)
				return c.napi.CompleteDone(work)
			}}, "list"},
		{"driver does not unmask after completion", "level, weight 2",
			broken{complete: func(c *card, work int) bool { c.napi.CompleteDone(work); return false }}, "masked"},
		{"deferred completion sets no timer", "deferral",
			broken{complete: func(c *card, work int) bool {
				if timer, unmask := c.napi.endBatch(work); timer != 0 {
					c.napi.state.And(^uint32(stateSched))
					return unmask
				}
				return c.napi.CompleteDone(work)
			}}, "masked"},
		{"deferred completion stays owned", "deferral",
			broken{complete: func(c *card, work int) bool {
				timer, unmask := c.napi.endBatch(work)
				if timer != 0 {
					c.armed = true
					return unmask
				}
				return c.napi.CompleteDone(work)
			}}, "state"},
		{"GRO is not flushed", "level, weight 1",
			broken{complete: func(c *card, work int) bool { return c.napi.state.CompareAndSwap(stateSched, 0) }}, "held"},
		{"driver acknowledges after it drained", "level, weight 2", broken{lateAck: true}, "frames in the ring"},
		{"top half lists without asking", "edge, weight 1",
			broken{top: func(c *card) {
				if st := c.napi.state.Load(); st&stateDisable == 0 {
					c.napi.state.Store(st | stateSched)
					c.napi.ScheduleNow()
				}
			}}, "list"},
		{"top half drops what finds it owned", "edge, weight 1",
			broken{top: func(c *card) {
				if c.napi.state.CompareAndSwap(0, stateSched) {
					c.napi.ScheduleNow()
				}
			}}, "frames in the ring"},
		{"top half owns it and does not list it", "level, weight 1",
			broken{top: func(c *card) { c.masked = c.napi.SchedulePrep() }}, "frames in the ring"},
		{"top half does not wake the network thread", "two on one list",
			broken{top: func(c *card) {
				if c.napi.SchedulePrep() {
					c.masked = c.level
					c.w.soft.add(c.napi.index)
				}
			}}, "sleeps"},
		{"Disable does not wait for the poll", "level, weight 1",
			broken{disable: func(c *card) {
				c.napi.state.Store(stateSched | stateNPSVC)
				c.napi.enabled = false
			}}, "rules broken"},
		{"Disable does not stop the timer", "deferral and Disable",
			broken{disable: func(c *card) {
				for !c.napi.disable() {
					pause()
				}
				c.napi.flushDisabled()
				c.napi.enabled = false
			}}, "after Disable returned"},
		{"Disable forgets what GRO holds", "deferral and Disable",
			broken{disable: func(c *card) {
				for !c.napi.disable() {
					pause()
				}
				trap.Run(cancelTimer, unsafe.Pointer(&c.napi))
				c.napi.enabled = false
			}}, "held"},
		{"Disable waits for what nobody does", "level, weight 1",
			broken{disable: func(c *card) {
				for !c.napi.state.CompareAndSwap(stateSched, stateSched|stateNPSVC) {
					pause()
				}
			}}, ""},
		{"netpoll completes what it does not own", "netpoll",
			broken{netpoll: func(c *card) { c.napi.state.And(^uint32(stateSched)) }}, "masked"},
		{"netpoll leaves NPSVC set", "netpoll",
			broken{netpoll: func(c *card) { c.napi.state.Or(stateNPSVC) }}, ""},
		{"netif_rx wakes only an empty backlog's poller", "backlog",
			broken{netifRx: func(w *world) {
				b := &w.soft.backlog
				empty := b.len() == 0
				b.put(1, []byte{1}, 0)
				if empty && b.napi.state.CompareAndSwap(0, stateSched) {
					b.napi.ScheduleNow()
				}
			}}, "left in the backlog"},
		{"netif_rx drops and does not say so", "backlog",
			broken{netifRx: func(w *world) {
				if w.soft.backlog.len() == 0 {
					w.lo.NetifRxTrap([]byte{1}, 0)
				}
			}}, "were delivered"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			i := slices.IndexFunc(scenes, func(sc scene) bool { return sc.name == tt.scene })
			if i < 0 {
				t.Fatalf("no scene %q", tt.scene)
			}
			failed, runs, _ := exploreAll(scenes[i], tt.bad)
			if failed == nil {
				t.Fatalf("not found in %d runs", runs)
			}
			if !strings.Contains(failed.failure, tt.want) {
				t.Errorf("found as %q, want something with %q", failed.failure, tt.want)
			}
			t.Logf("found in run %d: %s", runs, failed.failure)
		})
	}
}

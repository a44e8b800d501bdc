package netdev

import (
	"fmt"
	"iter"
	"strings"
	"testing"
	"unsafe"

	"github.com/gasp-go/gasp/board/trap"
)

// This file runs one device through every order in which its interrupt, the
// network thread and an administrator (Disable, Enable) can follow each other
// on one CPU. What happens in trap context is one step, since interrupts are
// masked there; between any two steps everything else may happen.

// scene is what a world begins with.
type scene struct {
	levelMask bool // the device has a mask and a level interrupt; otherwise an edge and no mask
	weight    int
	arrivals  int // frames still to come
}

// world is one CPU with one device on it.
type world struct {
	scene
	t    *testing.T
	soft *Softnet
	napi NAPI

	ring   int  // frames waiting
	event  bool // level: RXF latched and not acknowledged
	masked bool
	closed bool // Disable has returned
	raised bool

	polling bool

	net, admin actor
	current    *actor
	steps      int // taken by anybody but the administrator
	looked     int // steps when the administrator was last in trap context
	trace      []string
}

// actor is a thread: a coroutine that hands over at every point at which it
// can be preempted.
type actor struct {
	name   string
	resume func() (string, bool)
	stop   func()
	yield  func(string) bool
	where  string // all it did since it was last idle: identifies its local state
	idle   bool   // waits for wake
	done   bool
}

type abandoned struct{}

// step lets everything else happen.
func (w *world) step(what string) {
	if a := w.current; a != nil && !a.yield(what) {
		panic(abandoned{})
	}
}

func (w *world) start(a *actor, name string, body func()) {
	a.name = name
	a.resume, a.stop = iter.Pull(func(yield func(string) bool) {
		a.yield = yield
		defer func() {
			if r := recover(); r != nil && r != (abandoned{}) {
				panic(r)
			}
		}()
		body()
	})
}

func (w *world) run(a *actor) {
	w.current = a
	what, ok := a.resume()
	w.current = nil
	if !ok {
		a.done, what = true, "end"
	}
	a.where += what + ";"
	if what == "idle" {
		a.where = ""
	}
	w.trace = append(w.trace, a.name+":"+what)
}

// arrive is a frame from the wire.
func (w *world) arrive() {
	w.arrivals--
	w.ring++
	w.event = true
	w.trace = append(w.trace, "frame")
	w.interrupt()
}

// interrupt runs the top half if the line is up. Whoever calls it is not in
// trap context.
func (w *world) interrupt() {
	if !w.event || w.masked {
		return
	}
	w.event = false // acknowledged
	if !w.levelMask {
		w.napi.Schedule()
		return
	}
	w.masked = true
	if w.napi.SchedulePrep() {
		w.napi.ScheduleNow()
	}
}

func (w *world) unmask() {
	w.masked = false
	w.interrupt()
}

func (w *world) poll(budget int) int {
	if w.polling {
		w.fail("polled twice at a time")
	}
	if w.closed {
		w.fail("polled after Disable returned")
	}
	w.polling = true
	k := 0
	for k < budget && w.ring > 0 {
		w.ring--
		k++
		w.step("took a frame")
	}
	w.step("drained")
	w.polling = false
	if k < budget && w.napi.CompleteDone(k) {
		w.step("completed")
		if w.levelMask {
			w.unmask()
			w.step("unmasked")
		}
	}
	return k
}

func (w *world) netThread() {
	for {
		for !w.raised {
			w.net.idle = true
			w.step("idle")
			w.net.idle = false
		}
		w.raised = false
		for w.soft.Poll() {
			w.step("work left")
		}
	}
}

func (w *world) administrator() {
	w.step("start")
	w.masked = true
	w.step("masked")
	w.napi.Disable()
	w.closed = true
	w.step("disabled")
	w.closed = false
	w.napi.Enable()
	w.step("enabled")
	w.unmask()
	w.step("unmasked")
	// What came while it was closed raised no interrupt that counted.
	trap.Run(func(unsafe.Pointer) {
		if w.ring > 0 {
			w.masked = w.levelMask
			if !w.napi.Schedule() && w.levelMask && !w.napi.Scheduled() {
				w.fail("kick refused")
			}
		}
	}, nil)
}

func (w *world) fail(why string) {
	w.t.Fatalf("%s after:\n%s", why, strings.Join(w.trace, "\n"))
}

// choices lists what can happen next.
func (w *world) choices() (c []func()) {
	if !w.net.done && (!w.net.idle || w.raised) {
		c = append(c, func() { w.run(&w.net) })
	}
	if !w.admin.done && !w.admin.idle {
		c = append(c, func() { w.run(&w.admin) })
	}
	if w.arrivals > 0 {
		c = append(c, w.arrive)
	}
	return c
}

// state identifies everything that can influence what happens from here.
func (w *world) state() string {
	return fmt.Sprint(w.arrivals, w.ring, w.event, w.masked, w.closed, w.raised, w.polling, w.looked == w.steps,
		w.napi.state.Load(), w.soft.tail.Load()-w.soft.head.Load(),
		w.net.idle, w.net.where, "|", w.admin.idle, w.admin.done, w.admin.where)
}

// explore runs the world once, making the given choices and then always the
// first, and returns the choices made and how many there were at each.
func explore(t *testing.T, sc scene, path []int, seen map[string]bool) (taken, width []int) {
	w := &world{scene: sc, t: t}
	w.soft = NewSoftnet(func() { w.raised = true })
	w.soft.budget.Store(uint32(2 * w.weight))
	w.soft.SetClock(func() int64 { w.step("clock"); return 0 })
	w.napi.Init(w.soft, "n", w.weight, w.poll)
	w.napi.state.Store(0)
	w.napi.enabled = true

	trap.Enter = func(fn func(unsafe.Pointer), arg unsafe.Pointer) {
		w.step("before trap")
		if w.current == &w.admin {
			w.looked = w.steps
		}
		fn(arg)
		w.step("after trap")
	}
	pause = func() {
		// Looking again makes no difference until somebody else has run.
		w.admin.idle = w.looked == w.steps
		w.admin.where = ""
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
			if w.admin.idle {
				w.fail("Disable waits for ever")
			}
			break
		}
		pick := 0
		if len(taken) < len(path) {
			pick = path[len(taken)]
		} else {
			st := w.state()
			if seen[st] {
				return taken, width
			}
			seen[st] = true
		}
		taken, width = append(taken, pick), append(width, len(c))
		c[pick]()
		if !strings.HasPrefix(w.trace[len(w.trace)-1], "admin:") {
			w.steps++
			w.admin.idle = false
		}
	}
	if w.ring != 0 || w.napi.Scheduled() || w.masked || w.event {
		w.fail(fmt.Sprintf("frames left for ever: ring %d, scheduled %v, masked %v, event %v",
			w.ring, w.napi.Scheduled(), w.masked, w.event))
	}
	if b := w.soft.bugs.Load(); b != 0 {
		w.fail("rules broken")
	}
	return taken, width
}

func TestNoOrderOfEventsLosesAFrame(t *testing.T) {
	for _, sc := range []scene{
		{levelMask: true, weight: 1, arrivals: 3},
		{levelMask: true, weight: 2, arrivals: 3},
		{levelMask: false, weight: 1, arrivals: 3},
		{levelMask: false, weight: 2, arrivals: 3},
	} {
		name := fmt.Sprintf("level=%v/weight=%d", sc.levelMask, sc.weight)
		t.Run(name, func(t *testing.T) {
			if testing.Short() {
				sc.arrivals--
			}
			seen := map[string]bool{}
			todo := [][]int{nil}
			runs := 0
			for len(todo) > 0 {
				path := todo[len(todo)-1]
				todo = todo[:len(todo)-1]
				taken, width := explore(t, sc, path, seen)
				runs++
				for i := len(path); i < len(taken); i++ {
					for alt := 1; alt < width[i]; alt++ {
						todo = append(todo, append(append([]int{}, taken[:i]...), alt))
					}
				}
			}
			t.Logf("%d runs, %d states", runs, len(seen))
		})
	}
}

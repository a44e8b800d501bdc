package netdev

import (
	"fmt"
	"iter"
	"strconv"
	"strings"
	"unsafe"

	"github.com/gasp-go/gasp/board/trap"
)

// This file is a world of one CPU, for interleave_test.go: network cards, the
// network thread, an administrator who disables and enables a card, netpoll,
// timers, and software that feeds the backlog. It is run through every order in
// which they can follow each other. What happens in trap context is one step,
// since interrupts are masked there; between any two steps everything else may
// happen. NAPI's own words change by compare and swap only, so that what comes
// between its load and its store is as if it had come before.

// scene is what a world begins with.
type scene struct {
	name     string
	cards    []cardScene
	budget   int    // of a softirq run
	admin    bool   // somebody disables and enables card 0
	netpoll  int    // times netpoll looks at card 0
	software int    // frames for the backlog
	defers   uint32 // napi_defer_hard_irqs
	timeout  uint32 // gro_flush_timeout
	hold     bool   // GRO holds packets as long as it may
}

type cardScene struct {
	level    bool // it has a mask and a level interrupt; otherwise an edge and no mask
	weight   int
	arrivals int // frames still to come
}

// broken is how a driver, or NAPI itself, does things wrong; nil: right.
type broken struct {
	complete func(c *card, work int) bool
	top      func(c *card)
	disable  func(c *card)
	netpoll  func(c *card)
	netifRx  func(w *world)
	lateAck  bool
}

type world struct {
	scene
	bad   broken
	soft  *Softnet
	cards []*card
	lo    *Device // what software feeds

	raised    bool
	arrived   int
	delivered int
	used      int // frames of this softirq run

	net, admin actor
	current    *actor
	trace      []string
	failure    string
}

// card is a network card and its driver.
type card struct {
	cardScene
	w    *world
	dev  *Device
	napi NAPI

	ring    int  // frames waiting
	event   bool // latched and not acknowledged
	masked  bool
	held    int  // packets in GRO
	armed   bool // the timer runs
	polling bool // the ring is being drained
	busy    bool // somewhere in poll
	closed  bool // between Disable and Enable
	admin   bool // in the administrator's hands
}

// actor is a thread: a coroutine that hands over at every point at which it
// can be preempted.
type actor struct {
	name   string
	resume func() (string, bool)
	stop   func()
	yield  func(string) bool
	where  string // what it did since it was last in a known state: identifies its local one
	idle   bool   // waits for others
	done   bool
}

// abandoned ends a coroutine, or a step of trap context.
type abandoned struct{}

func abandon() {
	if r := recover(); r != nil && r != (abandoned{}) {
		panic(r)
	}
}

func (w *world) fail(format string, args ...any) {
	if w.failure == "" {
		w.failure = fmt.Sprintf(format, args...)
	}
	panic(abandoned{})
}

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
		defer abandon()
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
	w.trace = append(w.trace, a.name+": "+what)
}

// event is something that trap context does, between two steps of a thread.
func (w *world) event(what string, fn func()) {
	w.trace = append(w.trace, what)
	defer abandon()
	fn()
}

// arrive is a frame from the wire.
func (c *card) arrive() {
	c.arrivals--
	c.ring++
	c.w.arrived++
	c.event = true
	c.interrupt()
}

// interrupt runs the top half if the line is up. Whoever calls it is not in
// trap context.
func (c *card) interrupt() {
	if c.event && !c.masked {
		c.event = false // acknowledged
		c.schedule()
	}
}

// schedule is the rest of the top half.
func (c *card) schedule() {
	if c.w.bad.top != nil {
		c.w.bad.top(c)
		return
	}
	if c.napi.SchedulePrep() {
		c.masked = c.level
		c.napi.ScheduleNow()
	}
}

func (c *card) poll(budget int) int {
	w := c.w
	if budget == 0 {
		return 0
	}
	if c.polling {
		w.fail("polled twice at a time")
	}
	if c.closed {
		w.fail("polled after Disable returned")
	}
	c.polling, c.busy = true, true
	w.net.where = fmt.Sprintf("%s %d;", c.napi.name, w.used)
	if c.level && !w.bad.lateAck {
		c.event = false // events first, then the ring
		w.step("acknowledged")
	}
	k := 0
	for k < budget && c.ring > 0 {
		c.ring--
		c.held++
		k++
		w.step("took a frame")
	}
	w.step("drained")
	if w.bad.lateAck {
		c.event = false
	}
	c.polling = false
	complete := func(c *card, work int) bool { return c.napi.CompleteDone(work) }
	if w.bad.complete != nil {
		complete = w.bad.complete
	}
	if k < budget && complete(c, k) {
		w.step("completed")
		c.masked = false
		c.interrupt()
		w.step("unmasked")
	}
	c.busy = false
	w.used += k
	return k
}

// flush is GRO's.
func (c *card) flush(old bool) (held bool) {
	if !old || !c.w.hold {
		c.w.delivered += c.held
		c.held = 0
	}
	c.w.step("flushed")
	return c.held > 0
}

// look is netpoll's: PollController, poll_one_napi and PollRx.
func (c *card) look() {
	if c.event && !c.admin {
		c.event = false
		c.schedule()
	}
	if c.w.bad.netpoll != nil {
		c.w.bad.netpoll(c)
	} else {
		c.napi.PollTrap()
	}
	if !c.busy && c.ring > 0 {
		c.ring--
		c.w.delivered++
	}
}

// Start and Cancel are the timer's.
func (c *card) Start(int64) { c.armed = true }
func (c *card) Cancel()     { c.armed = false }

func (c *card) runOut() {
	c.armed = false
	c.napi.timeout()
}

// rx is software that puts a frame in the backlog.
func (w *world) rx() {
	w.software--
	w.arrived++
	if w.bad.netifRx != nil {
		w.bad.netifRx(w)
	} else if !w.lo.NetifRxTrap([]byte{1}, 0) {
		w.fail("the backlog dropped a frame")
	}
}

func (w *world) netThread() {
	for {
		for !w.raised {
			w.net.idle = true
			w.step("idle")
			w.net.idle = false
		}
		w.raised, w.used = false, 0
		for w.soft.Poll() {
			w.step("work left")
			w.net.where, w.used = "", 0
		}
	}
}

func (w *world) administrator() {
	c := w.cards[0]
	w.step("start")
	c.admin = true
	c.masked = c.level
	w.step("masked")
	if w.bad.disable != nil {
		w.bad.disable(c)
	} else {
		c.napi.Disable()
	}
	c.closed = true
	w.step("disabled")
	c.closed = false
	c.napi.Enable()
	w.step("enabled")
	c.masked = false
	c.interrupt()
	w.step("unmasked")
	// What came while it was closed raised no interrupt that counted.
	trap.Run(func(unsafe.Pointer) {
		c.admin = false
		if c.ring > 0 {
			c.schedule()
		}
	}, nil)
}

// choices lists what can happen next.
func (w *world) choices() (c []func()) {
	if !w.net.done && (!w.net.idle || w.raised) {
		c = append(c, func() { w.run(&w.net) })
	}
	if w.scene.admin && !w.admin.done && !w.admin.idle {
		c = append(c, func() { w.run(&w.admin) })
	}
	for _, d := range w.cards {
		if d.arrivals > 0 {
			c = append(c, func() { w.event("frame for "+d.napi.name, d.arrive) })
		}
		if d.armed {
			c = append(c, func() { w.event("timer of "+d.napi.name, d.runOut) })
		}
	}
	if w.scene.netpoll > 0 {
		c = append(c, func() { w.scene.netpoll--; w.event("netpoll", w.cards[0].look) })
	}
	if w.software > 0 {
		c = append(c, func() { w.event("frame for the backlog", w.rx) })
	}
	return c
}

// listed returns the instances in the poll list.
func (w *world) listed() (l []byte) {
	for h, t := w.soft.head.Load(), w.soft.tail.Load(); h != t; h++ {
		l = append(l, '0'+w.soft.list[h%maxNAPI])
	}
	return l
}

// state identifies everything that can influence what happens from here.
func (w *world) state() string {
	b := fmt.Appendf(nil, "%d %d %d %s %v %d %v %s|%v %v %s", w.scene.netpoll, w.software, w.arrived-w.delivered, w.listed(), w.raised,
		w.used, w.net.idle, w.net.where, w.admin.idle, w.admin.done, w.admin.where)
	if w.lo != nil {
		b = fmt.Appendf(b, " %d %d", w.soft.backlog.len(), w.soft.backlog.napi.state.Load())
	}
	for _, c := range w.cards {
		flags := 0
		for i, f := range [...]bool{c.event, c.masked, c.armed, c.polling, c.busy, c.closed, c.admin, c.napi.held.Load(), c.napi.flushing.Load()} {
			if f {
				flags |= 1 << i
			}
		}
		for _, v := range [...]int{c.arrivals, c.ring, c.held, flags, int(c.napi.deferCount), int(c.napi.state.Load())} {
			b = strconv.AppendInt(append(b, ' '), int64(v), 10)
		}
	}
	return string(b)
}

// check fails if something is wrong that must never be.
func (w *world) check() {
	defer abandon()
	list := string(w.listed())
	for i, n := range w.soft.napi[:w.soft.n.Load()] {
		in := strings.Count(list, string(rune('0'+i)))
		if in > 1 {
			w.fail("%s is in the list twice", n.name)
		}
		if in > 0 && n.state.Load()&stateSched == 0 {
			w.fail("%s is in the list and not owned", n.name)
		}
		if in > 0 && i < len(w.cards) && w.cards[i].polling {
			w.fail("%s is in the list and being polled", n.name)
		}
	}
	if list != "" && w.net.idle && !w.raised {
		w.fail("the network thread sleeps while there is work")
	}
	for _, c := range w.cards {
		switch st := c.napi.state.Load(); {
		case c.closed && (strings.Contains(list, string(rune('0'+c.napi.index))) || c.armed):
			w.fail("%s is listed or its timer runs after Disable returned", c.napi.name)
		case c.masked && !c.admin && !c.busy && !c.armed && st&stateSched == 0:
			w.fail("%s is masked and nobody will unmask it", c.napi.name)
		}
	}
	if n := w.soft.bugs.Load(); n != 0 {
		w.fail("%d NAPI rules broken", n)
	}
}

// checkEnd fails if something is left when nothing can happen any more.
func (w *world) checkEnd() {
	defer abandon()
	if w.scene.admin && w.admin.idle {
		w.fail("Disable waits for ever")
	}
	for _, c := range w.cards {
		if c.ring != 0 || c.event || c.masked || c.armed || c.held != 0 || c.napi.state.Load() != 0 {
			w.fail("%s is left with %d frames in the ring, event %v, masked %v, timer %v, %d held, state %d",
				c.napi.name, c.ring, c.event, c.masked, c.armed, c.held, c.napi.state.Load())
		}
	}
	if n := w.soft.backlog.len(); n != 0 {
		w.fail("%d frames are left in the backlog", n)
	}
	if w.arrived != w.delivered {
		w.fail("%d frames arrived, %d were delivered", w.arrived, w.delivered)
	}
}

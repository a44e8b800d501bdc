package netdev

import (
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/gasp-go/gasp/board/trap"
	"github.com/gasp-go/gasp/board/word"
)

// Linux's defaults for net_rx_action.
const (
	Budget    = 300       // frames a Softnet.Poll may take before it yields (net.core.netdev_budget)
	Weight    = 64        // frames one NAPI may take at a time (NAPI_POLL_WEIGHT, net.core.dev_weight)
	TimeLimit = 2_000_000 // ns a Softnet.Poll may take after its first poll: two ticks of 1 ms (net.core.netdev_budget_usecs)
)

// maxNAPI is how many NAPI instances one softnet can poll. A power of two.
const maxNAPI = 16

// Softnet is what one network thread polls (Linux: softnet_data): a list of
// the NAPI instances that have work, in the order in which they are due.
//
// The list is a ring of indices. Instances are put in from trap context only,
// and taken out by the network thread only, so neither needs a lock: each side
// stores its own index before it looks at the other's. An instance is in the
// list at most once, since putting it there takes the ownership of its SCHED
// bit; the ring can therefore not overflow.
type Softnet struct {
	raise    func()                  // trap context; wakes the network thread
	clock    func() int64            // ns, monotonic; nil: no time limit
	newTimer func(fire func()) Timer // nil: no deferral

	// What can be set at any time; see sysctl.go.
	budget atomic.Uint32
	limit  atomic.Uint32 // ns
	weight atomic.Uint32

	admin   sync.Mutex     // serialises NAPI.Init and Device.UseBacklog
	napi    [maxNAPI]*NAPI // filled by NAPI.Init, never changed afterwards
	n       atomic.Uint32
	backlog backlog

	list [maxNAPI]uint8
	head atomic.Uint32 // next to poll; free-running; the network thread's
	tail atomic.Uint32 // next free slot; free-running; trap context's

	timeSqueeze atomic.Uint64
	raised      word.Counter // trap context
	bugs        atomic.Uint64
}

// SoftnetStat is a snapshot of a softnet's counters, as in
// /proc/net/softnet_stat, and what this implementation adds.
type SoftnetStat struct {
	Processed   uint64 `json:"processed"`    // frames taken in polls
	Dropped     uint64 `json:"dropped"`      // frames the backlog had no room for
	TimeSqueeze uint64 `json:"time_squeeze"` // Polls that ended with work left
	BacklogLen  uint32 `json:"backlog_len"`  // frames in the backlog now

	Polls  uint64 `json:"polls"`  // calls of NAPI poll functions
	Raised uint64 `json:"raised"` // times the network thread was woken
	Bugs   uint64 `json:"bugs"`   // broken NAPI rules, survived

	// Work is a histogram of frames a poll: 0, 1, 2-3, 4-7, 8-15, 16-31,
	// 32-63, 64 or more.
	Work [workBuckets]uint64 `json:"work"`
}

// NewSoftnet returns an empty softnet. raise is called in trap context
// whenever the list of work becomes non-empty; it makes the network thread
// call Poll.
func NewSoftnet(raise func()) *Softnet {
	s := &Softnet{raise: raise}
	s.budget.Store(Budget)
	s.limit.Store(TimeLimit)
	s.weight.Store(Weight)
	s.backlog.limit.Store(MaxBacklog)
	return s
}

// SetClock sets the clock of the time limit: nanoseconds, monotonic. Without
// one only the budget limits Poll. To be set before the first Poll.
func (s *Softnet) SetClock(now func() int64) { s.clock = now }

// add puts instance i at the end of the list and reports whether the list was
// empty. The caller owns its SCHED bit. Trap context.
func (s *Softnet) add(i uint8) (wasEmpty bool) {
	t := word.Load(&s.tail)
	s.list[t%maxNAPI] = i
	word.Store(&s.tail, t+1)
	// After the store: either we see that the network thread took all there
	// was before us, or it sees our entry.
	return word.Load(&s.head) == t
}

// next takes the first instance from the list. Network thread.
func (s *Softnet) next() *NAPI {
	h := word.Load(&s.head)
	if h == word.Load(&s.tail) {
		return nil
	}
	i := s.list[h%maxNAPI]
	word.Store(&s.head, h+1)
	return s.napi[i%maxNAPI]
}

// Poll is net_rx_action, once: it polls the instances in the list in turn,
// each for up to its weight, until the list is empty, the budget is spent or
// the time is up. It returns true if work is left; the caller then calls it
// again, but below the applications' priority, so that overload drops frames
// in the ring and does not starve them. Network thread; one caller at a time.
func (s *Softnet) Poll() (workLeft bool) {
	n := s.next()
	if n == nil {
		return false
	}
	budget := int(word.Load(&s.budget))
	deadline := int64(0)
	for {
		budget -= s.pollOne(n)
		if word.Load(&s.head) == word.Load(&s.tail) {
			return false
		}
		if budget <= 0 || s.late(&deadline) {
			s.timeSqueeze.Add(1)
			s.flushHeld()
			return true
		}
		n = s.next()
	}
}

// late reports whether the time is up. It runs from the first call on, which
// comes after one poll: most often that is all there is, and the clock is not
// needed.
func (s *Softnet) late(deadline *int64) bool {
	if s.clock == nil {
		return false
	}
	now := s.clock()
	if *deadline == 0 {
		*deadline = now + int64(s.limit.Load())
	}
	return now >= *deadline
}

// pollOne polls n, which it has taken from the list, and puts it back if it
// used up its weight. With less work done the driver has completed it.
func (s *Softnet) pollOne(n *NAPI) int {
	if word.Load(&n.state)&stateNPSVC != 0 { // put in the list by Disable
		n.flush(0, false)
		n.flushing.Store(false)
		return 0
	}
	weight := n.weight
	if weight == 0 {
		weight = word.Load(&s.weight)
	}
	n.budget = int(weight)
	work := n.poll(n.budget)
	n.work[bucket(work)].Add(1)
	if work <= 0 {
		return 0
	}
	n.processed.Add(uint32(work))
	if work >= n.budget {
		n.flush(work, true)
		trap.Run(repoll, unsafe.Pointer(n))
	}
	return work
}

// repoll puts an instance that used up its weight at the end of the list, or
// completes it if somebody waits in Disable.
func repoll(p unsafe.Pointer) {
	n := (*NAPI)(p)
	st := n.state.Load()
	switch {
	case st&stateSched == 0 || st&stateNPSVC != 0:
		// The driver completed although it used up its weight. Whoever owns
		// SCHED now puts it in the list; once more would be twice.
		n.soft.bugs.Add(1)
	case st&stateDisable != 0:
		x := completeSection{napi: n}
		complete(trap.NoEscape(unsafe.Pointer(&x)))
	default:
		n.soft.add(n.index)
	}
}

func bucket(work int) int {
	b := 0
	for ; work > 0 && b < workBuckets-1; work >>= 1 {
		b++
	}
	return b
}

// Stat returns a snapshot of the counters. Any context.
func (s *Softnet) Stat() SoftnetStat {
	st := SoftnetStat{
		Dropped:     s.backlog.dropped.Load(),
		TimeSqueeze: s.timeSqueeze.Load(),
		BacklogLen:  s.backlog.len(),
		Raised:      s.raised.Load(),
		Bugs:        s.bugs.Load(),
	}
	for _, n := range s.napi[:s.n.Load()] {
		st.Processed += n.processed.Load()
		for i := range st.Work {
			w := n.work[i].Load()
			st.Work[i] += w
			st.Polls += w
		}
	}
	return st
}

// NAPIStats returns a snapshot of every instance's counters, in the order of
// Init. Goroutine.
func (s *Softnet) NAPIStats() []NAPIStat {
	all := s.napi[:s.n.Load()]
	st := make([]NAPIStat, len(all))
	for i, n := range all {
		st[i] = n.Stat()
	}
	return st
}

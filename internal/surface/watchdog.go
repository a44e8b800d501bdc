//go:build linux && arm

package surface

import (
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// watchdog ends calls that wait: it sends the thread that makes them a signal,
// and if the call begins again after that, as the handler asks for, it closes the
// descriptors.
type watchdog struct {
	seq    atomic.Uint32 // odd: a call is under way
	stop   chan bool
	tid    int
	mu     sync.Mutex // held while seq becomes even, and while descriptors are closed
	closed bool       // the descriptors were

	nr   uint32 // the call
	args [6]uintptr
}

const (
	tick     = 500 * time.Microsecond
	maxWaits = 10_000 // ticks
)

func (w *watchdog) start() {
	w.tid = syscall.Gettid()
	w.stop = make(chan bool)
	go func() {
		last, waits := uint32(0), 0
		for {
			select {
			case <-w.stop:
				return
			case <-time.After(tick):
			}
			now := w.seq.Load()
			if now != last || now&1 == 0 {
				waits = 0
			} else {
				if waits++; waits == maxWaits {
					panic(callText(w.nr, w.args) + " does not end")
				}
				if waits > 3 {
					w.closeUnder(now)
				}
				syscall.RawSyscall(syscall.SYS_TGKILL, uintptr(syscall.Getpid()), uintptr(w.tid), uintptr(syscall.SIGURG))
			}
			last = now
		}
	}()
}

// closeUnder closes the descriptors under call seq, unless it has ended: its
// successors have new ones.
func (w *watchdog) closeUnder(seq uint32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.seq.Load() == seq {
		closeFDs()
		w.closed = true
	}
}

func (w *watchdog) end() { close(w.stop) }

// done ends a call; it reports whether the descriptors are gone.
func (w *watchdog) done() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seq.Add(1)
	c := w.closed
	w.closed = false
	return c
}

func (w *watchdog) begin(nr uint32, args [6]uintptr) {
	w.nr, w.args = nr, args
	w.seq.Add(1)
}

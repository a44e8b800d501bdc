//go:build linux && arm

package surface

import (
	"sync/atomic"
	"syscall"
	"time"
)

// watchdog ends calls that wait: it sends the thread that makes them a signal,
// and if the call begins again after that, as the handler asks for, it closes the
// descriptors.
type watchdog struct {
	seq  atomic.Uint32 // odd: a call is under way
	stop chan bool
	tid  int
}

const tick = 500 * time.Microsecond

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
				waits++
				if waits > 3 {
					closeFDs()
				}
				syscall.RawSyscall(syscall.SYS_TGKILL, uintptr(syscall.Getpid()), uintptr(w.tid), uintptr(syscall.SIGURG))
			}
			last = now
		}
	}()
}

func (w *watchdog) end()   { close(w.stop) }
func (w *watchdog) begin() { w.seq.Add(1) }
func (w *watchdog) done()  { w.seq.Add(1) }

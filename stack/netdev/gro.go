package netdev

import (
	"unsafe"

	"github.com/gasp-go/gasp/board/trap"
	"github.com/gasp-go/gasp/board/word"
)

// SetGROFlush sets what delivers the packets that generic receive offload
// holds back, to be merged with those behind them. The frames that Receive gets
// in one poll are a batch; fn is called on the network thread, never in trap
// context, never within Receive:
//
//   - when a poll completes (CompleteDone), before the instance is released and
//     the driver unmasks its interrupts;
//   - after a poll that used up its weight, when more frames are certain to
//     come: then with old set;
//   - when Softnet.Poll returns with work left, as it may be long until the next;
//   - when an instance that held something back is disabled.
//
// With old set only what has been held for a millisecond or more must go; all
// may. Without it everything must. fn reports whether it still holds something:
// it is called again, at the latest after the device's gro_flush_timeout. After
// a poll without frames it is called only if it held something before.
//
// To be set before Open. Instances belong to the device by NAPI.Attach.
func (d *Device) SetGROFlush(fn func(old bool) (held bool)) { d.groFlush = fn }

// Attach makes n one of d's instances, whose polls end with d's flush. To be
// called once, after Init and before Enable.
func (n *NAPI) Attach(d *Device) { n.dev = d }

// flush ends a batch of work frames. Network thread.
func (n *NAPI) flush(work int, old bool) {
	if n.dev != nil && n.dev.groFlush != nil && (work > 0 || word.LoadBool(&n.held)) {
		if held := n.dev.groFlush(old) && old; held != word.LoadBool(&n.held) {
			n.held.Store(held)
		}
	}
}

// flushDisabled has the network thread deliver what n's completion held back for
// its timer. n is owned by Disable.
func (n *NAPI) flushDisabled() {
	if !n.held.Load() {
		return
	}
	n.flushing.Store(true)
	trap.Run(addDisabled, unsafe.Pointer(n))
	for n.flushing.Load() {
		pause()
	}
}

func addDisabled(p unsafe.Pointer) {
	if n := (*NAPI)(p); n.soft.add(n.index) {
		n.soft.raise()
	}
}

// flushHeld delivers what polls that did not complete have held back. Network
// thread.
func (s *Softnet) flushHeld() {
	for _, n := range s.napi[:s.n.Load()] {
		if n.held.Load() {
			n.flush(0, false)
		}
	}
}

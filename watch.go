//go:build arm

package gasp

import (
	"unsafe"

	"github.com/gasp-go/gasp/board/kernel"
	"github.com/gasp-go/gasp/board/trap"
	"github.com/gasp-go/gasp/console"
	panics "github.com/gasp-go/gasp/panic"
	"github.com/gasp-go/gasp/stack/netpoll"
)

// watcher notices that an interface's stack is stuck, and has netpoll poll the device
// meanwhile (netpoll.Endpoint.Watch).
type watcher struct {
	timer *kernel.Timer
	text  panics.Text
}

// startWatch starts the interface's watcher. Goroutine.
func (n *Interface) startWatch() {
	n.watch.timer = kernel.NewTimer(n.look)
	if n.watch.timer != nil {
		trap.Run(look, unsafe.Pointer(n))
	}
}

func look(p unsafe.Pointer) { (*Interface)(p).look() }

// look is the watcher's timer's function. Trap context.
func (n *Interface) look() {
	w := &n.watch
	again, ev, stuck := n.Poll.Watch()
	t := w.text.Reset()
	switch ev {
	case netpoll.Stuck:
		t.Str("NETDEV WATCHDOG: ").Str(n.Port.Name).Str(": NAPI stuck for ").Dec(uint64(stuck) / 1e6).
			Str(" ms: netpoll polls instead")
		console.Emit(console.Crit, console.FacKern, t.Bytes(), nil)
	case netpoll.Recovered:
		t.Str("NETDEV WATCHDOG: ").Str(n.Port.Name).Str(": NAPI polls again after ").Dec(uint64(stuck) / 1e6).Str(" ms")
		console.Emit(console.Warning, console.FacKern, t.Bytes(), nil)
	}
	if n.Poll.Stuck() {
		console.Flush() // the goroutine that does may be stuck too
	}
	w.timer.Start(again)
}

// linkInPanic says what has become of the link. It is told of in a panic only. Trap
// context.
func (n *Interface) linkInPanic(up bool) {
	t := n.watch.text.Reset().Str(n.Port.Name)
	if up {
		t.Str(": link is up again: the log follows")
	} else {
		t.Str(": link is down: the log waits for it")
	}
	console.Emit(console.Emerg, console.FacKern, t.Bytes(), nil)
}

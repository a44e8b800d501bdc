package guest

import (
	"errors"
	"time"

	"github.com/gasp-go/gasp/internal/bench/wire"
)

// xdper is a Platform that has a program look at received frames before anything
// else does (XDP), which drops them, or sends them back to where they came from.
type xdper interface {
	XDP(back bool) (detach func())
}

// xdp measures frames that such a program deals with.
func (b *bench) xdp(back bool) Result {
	p, ok := b.Platform.(xdper)
	if !ok {
		return failed(errors.New("wants a BPF program"))
	}
	defer b.empty()
	defer p.XDP(back)()
	return b.dropSaturated()
}

// empty takes all that is on its way to the far end, whose ring is smaller than
// what was sent back: the rest of it waits in QEMU until there is room.
func (b *bench) empty() {
	for tries := 0; tries < 1000 && b.drain(wire.KindAny) > 0; tries++ {
		time.Sleep(time.Millisecond)
	}
}

package guest

import "errors"

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
	defer p.XDP(back)()
	return b.dropSaturated()
}

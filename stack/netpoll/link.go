package netpoll

// The link in a panic. Nobody watches the PHY any more, and a MAC without a link sends
// into nowhere and says that all is well. So netpoll looks at the PHY itself: after the
// first frame, which does not wait for that, and then now and then. A frame that was
// sent when there was no link has not been sent. Somebody who sends then waits, once,
// within a bound; after that sending fails at once, the log keeps what it has, and the
// device's polls notice when the link is back.

const (
	linkTime   = 10e6 // ns between looks while frames are sent or the link is waited for
	linkRetry  = 50e6 // the same in polls
	linkWait   = 2e9  // ns that a panic waits for the link in all
	linkFrames = 8    // frames sent between looks at the time
	linkLooks  = 2000 // looks in that time, should the clock stand still
)

// linker is a driver that can look at the PHY in trap context, within a bound.
type linker interface {
	// LinkTrap reports whether the link is up, as it does if that cannot be
	// found out, and has the MAC follow the link's mode. Only after Seize. Trap
	// context.
	LinkTrap() (up bool)
}

type link struct {
	drv    linker // nil: it cannot
	notify func(up bool)
	down   bool
	frames uint32 // sent in the panic
	seen   int64  // when it was looked at; 0: never
	waited bool   // once is enough
}

// OnLink sets who is told, in a panic, that the link is down and that it is back. fn is
// called in trap context, possibly within a console's Write. To be set before the
// device is in use.
func (e *Endpoint) OnLink(fn func(up bool)) { e.link.notify = fn }

// linked reports whether the link is up, in a panic; a frame was sent just now. To ask
// for the time is dear, so that is not done after each.
func (e *Endpoint) linked() bool {
	l := &e.link
	l.frames++
	if l.frames%linkFrames != 1 && !l.down {
		return true
	}
	return !e.lookAtLink(linkTime) || !l.down
}

// lookAtLink looks at the PHY if that is due and reports whether it did.
func (e *Endpoint) lookAtLink(every int64) bool {
	l := &e.link
	now := e.now()
	if l.drv == nil || l.seen != 0 && now-l.seen < every {
		return false
	}
	l.seen = max(now, 1)
	up := l.drv.LinkTrap()
	if up == l.down && l.notify != nil {
		l.notify(up)
	}
	l.down = !up
	return true
}

// waitLink waits for the link, the first time it is down.
func (e *Endpoint) waitLink() bool {
	l := &e.link
	if l.waited {
		return false
	}
	l.waited = true
	start := e.now()
	for range linkLooks {
		for range linkLooks { // or that many times at the clock
			if now := e.now(); now-l.seen >= linkTime {
				break
			}
		}
		l.seen = 0
		if e.lookAtLink(0); !l.down || e.now()-start > linkWait {
			break
		}
	}
	return !l.down
}

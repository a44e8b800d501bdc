//go:build arm

package kernel

// epoll, level- and edge-triggered, for what readiness (file.go) knows.

const (
	epollIn  = 0x1
	epollOut = 0x4
	epollErr = 0x8
	epollHup = 0x10
	epollRDH = 0x2000 // EPOLLRDHUP
	epollET  = 1 << 31

	maxWatches = 128
)

// watch is one descriptor in one epoll's interest list.
type watch struct {
	epoll, fd int16 // epoll 0: the entry is free
	events    uint32
	edges     uint32 // edge-triggered: what happened since it was last told
	data      [2]uint32
}

var watches [maxWatches]watch

func forgetWatches(fd uint32) {
	for i := range watches {
		if w := &watches[i]; w.epoll == int16(fd) || w.fd == int16(fd) {
			w.epoll = 0
		}
	}
}

func sysEpollCtl(ep, op, fd, event uint32) uint32 {
	e := fileOf(ep)
	f := fileOf(fd)
	if e == nil || f == nil {
		return errno(EBADF)
	}
	if e.kind != fileEpoll || ep == fd {
		return errno(EINVAL)
	}
	if f.kind < fileEvent || f.kind == fileEpoll {
		return errno(EPERM)
	}
	const add, del, mod = 1, 2, 3
	var w, free *watch
	for i := range watches {
		switch x := &watches[i]; {
		case x.epoll == int16(ep) && x.fd == int16(fd):
			w = x
		case x.epoll == 0 && free == nil:
			free = x
		}
	}
	if op != del && !accessible(event, 16, false) {
		return errno(EFAULT)
	}
	switch op {
	case add:
		if w != nil {
			return errno(EEXIST)
		}
		if free == nil {
			return errno(ENOSPC)
		}
		w = free
	case del:
		if w == nil {
			return errno(ENOENT)
		}
		w.epoll = 0
		return 0
	case mod:
		if w == nil {
			return errno(ENOENT)
		}
	default:
		return errno(EINVAL)
	}
	w.epoll, w.fd = int16(ep), int16(fd)
	w.events = load32(event) | epollErr | epollHup
	w.edges = ^uint32(0) // what holds now is told once
	w.data[0], w.data[1] = load32(event+8), load32(event+12)
	wakeEpolls(ep)
	return 0
}

// ready stores up to max events of epoll ep at events and returns how many.
func ready(ep, events, max uint32) uint32 {
	n := uint32(0)
	for i := range watches {
		w := &watches[i]
		if w.epoll != int16(ep) || n == max {
			continue
		}
		got := readiness(uint32(w.fd)) & w.events
		if w.events&epollET != 0 {
			got &= w.edges
			w.edges &^= got
		}
		if got == 0 {
			continue
		}
		at := events + n*16
		store32(at, got)
		store32(at+8, w.data[0])
		store32(at+12, w.data[1])
		n++
	}
	return n
}

// sysEpollWait answers epoll_pwait; timeout in ms, negative: none.
func sysEpollWait(t *thread, ep, events, max, timeout uint32) uint32 {
	e := fileOf(ep)
	if e == nil {
		return errno(EBADF)
	}
	if e.kind != fileEpoll || max == 0 || max > 1<<20 {
		return errno(EINVAL)
	}
	if !accessible(events, max*16, true) {
		return errno(EFAULT)
	}
	if n := ready(ep, events, max); n > 0 || timeout == 0 {
		return n
	}
	deadline := int64(0)
	if int32(timeout) > 0 {
		deadline = after(int64(timeout) * 1_000_000)
	}
	block(t, waitEpoll, ep, deadline, 0)
	return 0
}

// watchesChanged notes the edge on every watch of fd and wakes the waiters.
func watchesChanged(fd, events uint32) {
	for i := range watches {
		if w := &watches[i]; w.epoll != 0 && w.fd == int16(fd) {
			w.edges |= events
			wakeEpolls(uint32(w.epoll))
		}
	}
}

// wakeEpolls wakes a thread that waits for epoll ep if there is an event now.
func wakeEpolls(ep uint32) {
	for i := range threads {
		t := &threads[i]
		if t.state != threadBlocked || t.wait != waitEpoll || t.waitAddr != ep {
			continue
		}
		// The thread's own arguments: it sleeps in the call.
		if n := ready(ep, t.ctx.r[1], t.ctx.r[2]); n > 0 {
			wake(int16(i), n)
		}
	}
}

//go:build arm

package kernel

// epoll, level- and edge-triggered, for what readiness (file.go) knows. A watch
// is in its file's list and, while there may be something to tell, in its
// epoll's queue; nothing is ever searched.

const (
	epollIn  = 0x1
	epollOut = 0x4
	epollErr = 0x8
	epollHup = 0x10
	epollRDH = 0x2000 // EPOLLRDHUP
	epollET  = 1 << 31

	maxWatches = 2048
	maxEvents  = 1024 // that one call tells
)

// watch is one entry of an epoll's interest list: as on Linux a descriptor and the
// file it referred to, so that it lasts as long as the file.
type watch struct {
	epoll, file int16  // indices in files
	fd          uint32 // the descriptor
	next        int16  // of the same file; in the free list
	queueNext   int16  // in the epoll's queue
	queued      bool
	events      uint32
	edges       uint32 // edge-triggered: what happened since it was last told
	data        [2]uint32
}

var (
	watches     [maxWatches]watch
	watchesUsed int16          // entries beyond were never used
	watchesFree int16 = nobody // list of those that were

	epollWaiters int16 // threads in epoll_wait
)

// newWatch takes a free entry; nobody if there is none.
func newWatch() int16 {
	if i := watchesFree; i != nobody {
		watchesFree = watches[i].next
		return i
	}
	if watchesUsed == maxWatches {
		return nobody
	}
	watchesUsed++
	return watchesUsed - 1
}

// dropWatch removes watch i from its epoll and frees it; the caller has taken it
// out of its file's list.
func dropWatch(i int16) {
	w := &watches[i]
	if w.queued {
		e := &files[w.epoll]
		prev := int16(nobody)
		for j := e.queue; j != nobody; prev, j = j, watches[j].queueNext {
			if j != i {
				continue
			}
			if prev == nobody {
				e.queue = w.queueNext
			} else {
				watches[prev].queueNext = w.queueNext
			}
			if e.queueEnd == i {
				e.queueEnd = prev
			}
			break
		}
	}
	*w = watch{next: watchesFree}
	watchesFree = i
}

// forgetWatches drops the watches of f, which ends, and if it is an epoll, those
// in it.
func forgetWatches(f *file) {
	for i := f.watches; i != nobody; {
		next := watches[i].next
		dropWatch(i)
		i = next
	}
	f.watches = nobody
	if f.kind != fileEpoll {
		return
	}
	for j := range files {
		if files[j].kind == fileNone {
			continue
		}
		for unwatch(&files[j], f.self, anyFD) {
		}
	}
	if epollWaiters == 0 {
		return
	}
	for i := range threads { // another thread's wait ends too
		t := &threads[i]
		if t.state == threadBlocked && t.wait == waitEpoll && t.waitAddr == uint32(f.self) {
			wake(int16(i), errno(EBADF))
		}
	}
}

const anyFD = ^uint32(0)

// unwatch removes a watch of f, by descriptor fd, in epoll ep and reports whether
// there was one.
func unwatch(f *file, ep int16, fd uint32) bool {
	prev := int16(nobody)
	for i := f.watches; i != nobody; prev, i = i, watches[i].next {
		if watches[i].epoll != ep || fd != anyFD && watches[i].fd != fd {
			continue
		}
		if prev == nobody {
			f.watches = watches[i].next
		} else {
			watches[prev].next = watches[i].next
		}
		dropWatch(i)
		return true
	}
	return false
}

func sysEpollCreate(flags uint32) uint32 {
	if flags&^oCloexec != 0 {
		return errno(EINVAL)
	}
	return newFile(fileEpoll, 2|flags)
}

func sysEpollCtl(ep, op, fd, event uint32) uint32 {
	e := fileOf(ep)
	f := fileOf(fd)
	if e == nil || f == nil {
		return errno(EBADF)
	}
	if e.kind != fileEpoll || e == f {
		return errno(EINVAL)
	}
	if !watchable(f.kind) {
		return errno(EPERM)
	}
	const add, del, mod = 1, 2, 3
	if op == del {
		if !unwatch(f, e.self, fd) {
			return errno(ENOENT)
		}
		return 0
	}
	if op != add && op != mod {
		return errno(EINVAL)
	}
	if !accessible(event, 16, false) {
		return errno(EFAULT)
	}
	i := f.watches
	for i != nobody && (watches[i].epoll != e.self || watches[i].fd != fd) {
		i = watches[i].next
	}
	switch {
	case op == mod && i == nobody:
		return errno(ENOENT)
	case op == add && i != nobody:
		return errno(EEXIST)
	case op == add:
		if i = newWatch(); i == nobody {
			return errno(ENOSPC)
		}
		watches[i] = watch{epoll: e.self, file: f.self, fd: fd, next: f.watches}
		f.watches = i
	}
	w := &watches[i]
	w.events = load32(event) | epollErr | epollHup
	w.edges = ^uint32(0) // what holds now is told once
	w.data[0], w.data[1] = load32(event+8), load32(event+12)
	queueWatch(i)
	return 0
}

func watchable(k fileKind) bool {
	return k == fileEvent || k == filePipeRead || k == filePipeWrite || k == fileSocket
}

// queueWatch has watch i looked at by its epoll's next wait, or one that waits
// now.
func queueWatch(i int16) {
	w := &watches[i]
	e := &files[w.epoll]
	if !w.queued {
		w.queued = true
		w.queueNext = nobody
		if e.queue == nobody {
			e.queue = i
		} else {
			watches[e.queueEnd].queueNext = i
		}
		e.queueEnd = i
	}
	if epollWaiters > 0 {
		wakeEpoll(e)
	}
}

// ready stores up to max events of epoll e at events and returns how many.
func ready(e *file, events, max uint32) uint32 {
	n := uint32(0)
	last := e.queueEnd // level-triggered watches go behind it again
	for e.queue != nobody && n < max {
		i := e.queue
		w := &watches[i]
		e.queue = w.queueNext
		w.queued = false
		got := readiness(&files[w.file]) & w.events
		if w.events&epollET != 0 {
			got &= w.edges
			w.edges &^= got
		} else if got != 0 {
			w.queued = true
			w.queueNext = nobody
			if e.queue == nobody {
				e.queue = i
			} else {
				watches[e.queueEnd].queueNext = i
			}
			e.queueEnd = i
		}
		if got != 0 {
			at := events + n*16
			store32(at, got)
			store32(at+8, w.data[0])
			store32(at+12, w.data[1])
			n++
		}
		if i == last {
			break
		}
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
	max = min(max, maxEvents)
	if !accessible(events, max*16, true) {
		return errno(EFAULT)
	}
	if n := ready(e, events, max); n > 0 || timeout == 0 {
		return n
	}
	deadline := int64(0)
	if int32(timeout) > 0 {
		deadline = after(int64(timeout) * 1_000_000)
	}
	block(t, waitEpoll, uint32(e.self), deadline, 0)
	epollWaiters++
	return 0
}

// watchesChanged notes on every watch of f that events became possible.
func watchesChanged(f *file, events uint32) {
	for i := f.watches; i != nobody; i = watches[i].next {
		watches[i].edges |= events
		queueWatch(i)
	}
}

// wakeEpoll wakes a thread that waits for epoll e if there is an event now.
func wakeEpoll(e *file) {
	for i := range threads {
		t := &threads[i]
		if t.state != threadBlocked || t.wait != waitEpoll || t.waitAddr != uint32(e.self) {
			continue
		}
		// The thread's own arguments: it sleeps in the call. Another one may have
		// given back the memory meanwhile.
		events, max := t.ctx.r[1], min(t.ctx.r[2], maxEvents)
		if !accessible(events, max*16, true) {
			wake(int16(i), errno(EFAULT))
		} else if n := ready(e, events, max); n > 0 {
			wake(int16(i), n)
		}
		return
	}
}

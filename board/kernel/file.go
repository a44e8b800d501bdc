//go:build arm

package kernel

// File descriptors: 0 (empty), 1 and 2 (console), and what the runtime's
// network poller needs: eventfd and epoll. There are no files yet: open fails
// with ENOENT, which the runtime and the standard library accept.

type fileKind uint8

const (
	fileNone fileKind = iota
	fileStdin
	fileConsole
	fileEvent
	fileEpoll
)

const (
	maxFiles   = 64
	maxWatches = 64

	epollIn, epollOut = 1, 4
)

type file struct {
	kind  fileKind
	flags uint32
	count uint64 // eventfd's counter
}

// watch is one descriptor in one epoll's interest list.
type watch struct {
	epoll, fd int16 // epoll 0: the entry is free
	events    uint32
	data      [2]uint32
}

var (
	files   [maxFiles]file
	watches [maxWatches]watch
)

func initFiles() {
	files[0].kind = fileStdin
	files[1] = file{kind: fileConsole, flags: 1}
	files[2] = file{kind: fileConsole, flags: 1}
}

// fileOf returns the open file fd, nil if there is none.
func fileOf(fd uint32) *file {
	if fd >= maxFiles || files[fd].kind == fileNone {
		return nil
	}
	return &files[fd]
}

func newFile(k fileKind, flags uint32) uint32 {
	for i := range files {
		if files[i].kind == fileNone {
			files[i] = file{kind: k, flags: flags}
			return uint32(i)
		}
	}
	return errno(EMFILE)
}

func sysClose(fd uint32) uint32 {
	f := fileOf(fd)
	if f == nil {
		return errno(EBADF)
	}
	f.kind = fileNone
	for i := range watches {
		if w := &watches[i]; w.epoll == int16(fd) || w.fd == int16(fd) {
			w.epoll = 0
		}
	}
	return 0
}

func sysRead(fd, p, n uint32) uint32 {
	f := fileOf(fd)
	if f == nil {
		return errno(EBADF)
	}
	if !accessible(p, n, true) {
		return errno(EFAULT)
	}
	switch f.kind {
	case fileStdin:
		return 0
	case fileEvent:
		if n < 8 {
			return errno(EINVAL)
		}
		if f.count == 0 {
			return errno(EAGAIN) // blocking reads are not offered
		}
		store32(p, uint32(f.count))
		store32(p+4, uint32(f.count>>32))
		f.count = 0
		return 8
	}
	return errno(EINVAL)
}

func sysWrite(fd, p, n uint32) uint32 {
	f := fileOf(fd)
	if f == nil {
		return errno(EBADF)
	}
	if n > 64<<10 {
		n = 64 << 10 // bounds the time in here; callers write the rest
	}
	if !accessible(p, n, false) {
		return errno(EFAULT)
	}
	switch f.kind {
	case fileConsole:
		consoleWrite(fd, p, n)
		return n
	case fileEvent:
		if n < 8 {
			return errno(EINVAL)
		}
		f.count += uint64(load32(p)) | uint64(load32(p+4))<<32
		wakeEpolls()
		return 8
	}
	return errno(EBADF)
}

// sysWritev gathers; the standard library uses it for net.Buffers only.
func sysWritev(fd, iov, n uint32) uint32 {
	if n > 1024 {
		return errno(EINVAL)
	}
	if !accessible(iov, 8*n, false) {
		return errno(EFAULT)
	}
	total := uint32(0)
	for i := uint32(0); i < n; i++ {
		r := sysWrite(fd, load32(iov+8*i), load32(iov+8*i+4))
		if int32(r) < 0 {
			if total > 0 {
				return total
			}
			return r
		}
		total += r
		if r < load32(iov+8*i+4) {
			break
		}
	}
	return total
}

// sysFcntl answers what os and internal/poll ask of their descriptors.
func sysFcntl(fd, cmd, arg uint32) uint32 {
	f := fileOf(fd)
	if f == nil {
		return errno(EBADF)
	}
	const getFD, setFD, getFL, setFL = 1, 2, 3, 4
	switch cmd {
	case getFD, setFD:
		return 0
	case getFL:
		return f.flags
	case setFL:
		f.flags = f.flags&3 | arg&^3
		return 0
	}
	return errno(EINVAL)
}

// sysFstat tells that the standard descriptors are a terminal-like device.
func sysFstat(fd, st uint32) uint32 {
	if fileOf(fd) == nil {
		return errno(EBADF)
	}
	if !accessible(st, 104, true) {
		return errno(EFAULT)
	}
	zero(st, 104)
	store32(st+16, 0o020620) // st_mode: character device
	store32(st+20, 1)        // st_nlink
	return 0
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
	if f.kind != fileEvent {
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
	w.events = load32(event)
	w.data[0], w.data[1] = load32(event+8), load32(event+12)
	wakeEpolls()
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
		got := uint32(epollOut)
		if files[w.fd].count > 0 {
			got |= epollIn
		}
		if got &= w.events; got == 0 {
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

// wakeEpolls wakes the threads in epoll_wait that now have an event.
func wakeEpolls() {
	for i := range threads {
		t := &threads[i]
		if t.state != threadBlocked || t.wait != waitEpoll {
			continue
		}
		if n := ready(t.waitAddr, t.ctx.r[1], t.ctx.r[2]); n > 0 {
			wake(int16(i), n)
		}
	}
}

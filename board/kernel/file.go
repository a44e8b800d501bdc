//go:build arm

package kernel

// File descriptors: 0 (empty), 1 and 2 (console), files (open.go), and what the
// runtime and the standard library need to wait: eventfd, epoll, pipes.

type fileKind uint8

const (
	fileNone fileKind = iota
	fileStdin
	fileConsole
	fileNode
	fileEvent
	fileEpoll
	filePipeRead
	filePipeWrite
	fileSocket
)

const (
	maxFiles = 1024

	oNonblock = 0x800
)

type file struct {
	kind  fileKind
	pipe  uint8  // index in pipes; console: 1 output, 2 error
	open  uint16 // index in opens
	flags uint32 // open(2)'s: access mode, O_NONBLOCK
	sock  uint16 // index in socks

	watches         int16 // list of the watches on it, see epoll.go
	queue, queueEnd int16 // an epoll's watches that may have something to tell

	count uint64 // eventfd's counter
}

var files [maxFiles]file

func initFiles() {
	newFile(fileStdin, 0)
	for fd := uint8(1); fd <= 2; fd++ {
		newFile(fileConsole, 1)
		files[fd].pipe = fd
	}
	initVFS()
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
			files[i] = file{kind: k, flags: flags, watches: nobody, queue: nobody, queueEnd: nobody}
			return uint32(i)
		}
	}
	return errno(EMFILE)
}

// readiness returns the epoll events that hold for descriptor fd now.
func readiness(fd uint32) uint32 {
	f := &files[fd]
	switch f.kind {
	case fileEvent:
		if f.count > 0 {
			return epollIn | epollOut
		}
		return epollOut
	case filePipeRead, filePipeWrite:
		return pipeReadiness(f)
	case fileSocket:
		return sockReadiness(f)
	}
	return 0
}

func sysClose(fd uint32) uint32 {
	f := fileOf(fd)
	if f == nil {
		return errno(EBADF)
	}
	forgetWatches(fd)
	kind := f.kind
	f.kind = fileNone
	fileChanged(fd, 0) // who waits for it makes the call again, and gets EBADF
	if kind == filePipeRead || kind == filePipeWrite {
		closePipe(f, kind)
	}
	if kind == fileNode {
		closeNode(f)
	}
	if kind == fileSocket {
		closeSock(uint32(f.sock))
	}
	return 0
}

func sysRead(t *thread, fd, p, n uint32) uint32 {
	f := fileOf(fd)
	if f == nil {
		return errno(EBADF)
	}
	if p+n < p {
		return errno(EFAULT)
	}
	if int32(n) < 0 {
		return errno(EINVAL)
	}
	n = min(n, 64<<10) // bounds the time in here; callers read the rest
	if !accessible(p, n, true) {
		return errno(EFAULT)
	}
	switch f.kind {
	case fileStdin:
		return 0
	case fileNode:
		return readNode(f, p, n, 0, true)
	case filePipeRead:
		return readPipe(t, fd, p, n)
	case fileSocket:
		return sysRecvfrom(t, fd, p, n, 0, 0, 0)
	case fileEvent:
		if n < 8 {
			return errno(EINVAL)
		}
		if f.count == 0 {
			return waitOrAgain(t, fd)
		}
		store32(p, uint32(f.count))
		store32(p+4, uint32(f.count>>32))
		f.count = 0
		return 8
	}
	return errno(EINVAL)
}

func sysWrite(t *thread, fd, p, n uint32) uint32 {
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
		consoleWrite(uint32(f.pipe), p, n)
		return n
	case fileNode:
		return writeNode(f, n)
	case filePipeWrite:
		return writePipe(t, fd, p, n)
	case fileSocket:
		return sysSendto(t, fd, p, n, 0, 0, 0)
	case fileEvent:
		if n < 8 {
			return errno(EINVAL)
		}
		add := uint64(load32(p)) | uint64(load32(p+4))<<32
		if add == ^uint64(0) {
			return errno(EINVAL)
		}
		if f.count+add < f.count || f.count+add == ^uint64(0) {
			return waitOrAgain(t, fd)
		}
		f.count += add
		fileChanged(fd, epollIn)
		return 8
	}
	return errno(EBADF)
}

var fileWaiters int16 // threads that wait for a descriptor to change

// waitOrAgain is what happens to a read or write that cannot go on: EAGAIN, or,
// for a blocking descriptor, the thread waits until the file changes and makes
// the call again.
func waitOrAgain(t *thread, fd uint32) uint32 {
	if files[fd].flags&oNonblock != 0 {
		return errno(EAGAIN)
	}
	t.restart = true
	block(t, waitFile, fd, 0, 0)
	return 0
}

// fileChanged wakes what waits for descriptor fd: events tells what became
// possible.
func fileChanged(fd, events uint32) {
	if fileWaiters > 0 {
		for i := range threads {
			t := &threads[i]
			if t.state == threadBlocked && t.wait == waitFile && t.waitAddr == fd {
				wake(int16(i), 0)
			}
		}
	}
	watchesChanged(fd, events)
}

// sysWritev gathers; the standard library uses it for net.Buffers only.
func sysWritev(t *thread, fd, iov, n uint32) uint32 {
	if n > 1024 {
		return errno(EINVAL)
	}
	if !accessible(iov, 8*n, false) {
		return errno(EFAULT)
	}
	total := uint32(0)
	for i := uint32(0); i < n; i++ {
		if load32(iov+8*i+4) == 0 {
			continue
		}
		if total > 0 && readiness(fd)&epollOut == 0 && files[fd].kind != fileConsole {
			break // it would wait; what went out so far is the answer
		}
		r := sysWrite(t, fd, load32(iov+8*i), load32(iov+8*i+4))
		if int32(r) < 0 {
			if total > 0 {
				return total
			}
			return r
		}
		total += r
		if r < load32(iov+8*i+4) || total >= 64<<10 {
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
	const dupFD, getFD, setFD, getFL, setFL, dupFDCloexec = 0, 1, 2, 3, 4, 1030
	switch cmd {
	case dupFD, dupFDCloexec:
		return sysDup(fd, arg)
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
	f := fileOf(fd)
	if f == nil {
		return errno(EBADF)
	}
	if f.kind == fileNode {
		return fstatNode(f, st)
	}
	if !accessible(st, 104, true) {
		return errno(EFAULT)
	}
	zero(st, 104)
	store32(st+16, 0o020620) // st_mode: character device
	store32(st+20, 1)        // st_nlink
	return 0
}

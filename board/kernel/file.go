//go:build arm

package kernel

// Open files: the standard three (0 empty, 1 and 2 the console), nodes (open.go),
// and what the runtime and the standard library need to wait: eventfd, epoll,
// pipes, sockets. Descriptors (fd.go) refer to them; who waits, waits for the
// file.

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

// file is an open file description: what descriptors made by dup share.
type file struct {
	kind  fileKind
	self  int16  // index in files
	refs  int16  // descriptors that refer to it
	pipe  uint8  // index in pipes; console: 1 output, 2 error
	flags uint32 // open(2)'s: access mode, O_NONBLOCK
	sock  uint16 // index in socks

	node    int16 // a node's open file: index in nodes
	content int16 // as it was when the file was opened; noNode: none
	off     int64 // a directory's: entries that were read

	watches         int16 // list of the watches on it, see epoll.go
	queue, queueEnd int16 // an epoll's watches that may have something to tell

	count uint64 // eventfd's counter
}

var (
	files     [maxFiles]file // as many as descriptors: there is always one for them
	freeFiles int16          // none is free below
)

func initFiles() {
	for fd := range fds {
		fds[fd].file = nobody
	}
	newFile(fileStdin, 0)
	for fd := uint8(1); fd <= 2; fd++ {
		newFile(fileConsole, 1)
		files[fd].pipe = fd
	}
	initVFS()
}

// readiness returns the epoll events that hold for f now.
func readiness(f *file) uint32 {
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

// releaseFile ends f, to which no descriptor refers any more.
func releaseFile(f *file) {
	forgetWatches(f)
	switch f.kind {
	case filePipeRead, filePipeWrite:
		closePipe(f)
	case fileNode:
		closeNode(f)
	case fileSocket:
		closeSock(uint32(f.sock))
	}
	f.kind = fileNone
	freeFiles = min(freeFiles, f.self)
}

// sysEventfd answers eventfd2.
func sysEventfd(count, flags uint32) uint32 {
	if flags&^(oNonblock|oCloexec) != 0 {
		return errno(EINVAL)
	}
	fd := newFile(fileEvent, 2|flags)
	if int32(fd) >= 0 {
		fileOf(fd).count = uint64(count)
	}
	return fd
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
		return readPipe(t, f, p, n)
	case fileSocket:
		return sysRecvfrom(t, fd, p, n, 0, 0, 0)
	case fileEvent:
		if n < 8 {
			return errno(EINVAL)
		}
		if f.count == 0 {
			return waitOrAgain(t, f)
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
		return writePipe(t, f, p, n)
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
			return waitOrAgain(t, f)
		}
		f.count += add
		fileChanged(f, epollIn)
		return 8
	}
	return errno(EBADF)
}

var fileWaiters int16 // threads that wait for a file to change

// waitOrAgain is what happens to a read or write that cannot go on: EAGAIN, or,
// if that may block, the thread waits until the file changes and makes the call
// again.
func waitOrAgain(t *thread, f *file) uint32 {
	if f.flags&oNonblock != 0 {
		return errno(EAGAIN)
	}
	return waitAndRetry(t, f)
}

func waitAndRetry(t *thread, f *file) uint32 {
	t.restart = true
	block(t, waitFile, uint32(f.self), 0, 0)
	return 0
}

// fileChanged wakes what waits for f: events tells what became possible.
func fileChanged(f *file, events uint32) {
	wakeWaiters(f)
	watchesChanged(f, events)
}

// wakeWaiters has the threads that wait for f make their calls again.
func wakeWaiters(f *file) {
	if fileWaiters == 0 {
		return
	}
	for i := range threads {
		t := &threads[i]
		if t.state == threadBlocked && t.wait == waitFile && t.waitAddr == uint32(f.self) {
			wake(int16(i), 0)
		}
	}
}

// sysWritev gathers; the standard library uses it for net.Buffers only.
func sysWritev(t *thread, fd, iov, n uint32) uint32 {
	f := fileOf(fd)
	if f == nil {
		return errno(EBADF)
	}
	if n > 1024 {
		return errno(EINVAL)
	}
	if !accessible(iov, 8*n, false) {
		return errno(EFAULT)
	}
	if f.kind == fileSocket {
		return sockSend(t, fd, &vector{addr: iov, n: n}, 0, 0, 0)
	}
	total := uint32(0)
	for i := uint32(0); i < n; i++ {
		if load32(iov+8*i+4) == 0 {
			continue
		}
		if total > 0 && readiness(f)&epollOut == 0 && f.kind != fileConsole {
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

// sysFstat tells a node's attributes, and of everything else what kind it is: the
// standard descriptors are a terminal-like device.
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
	mode := uint32(0o020620) // character device
	switch f.kind {
	case filePipeRead, filePipeWrite:
		mode = 0o010600
	case fileSocket:
		mode = 0o140777
	case fileEvent, fileEpoll:
		mode = 0o600
	}
	store32(st+16, mode)
	store32(st+20, 1) // st_nlink
	return 0
}

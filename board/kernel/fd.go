//go:build arm

package kernel

// Descriptors: numbers for open files. Several may refer to one file, as dup
// makes them; the file ends with the last.

const oCloexec = 0o2000000

// descriptor is what a number stands for.
type descriptor struct {
	file    int16 // index in files, nobody: not open
	cloexec bool  // FD_CLOEXEC, of no effect: there is no exec
}

var (
	fds     [maxFiles]descriptor
	freeFDs uint32 // none is free below
)

// fileOf returns the open file behind descriptor fd, nil if there is none.
func fileOf(fd uint32) *file {
	if fd >= maxFiles || fds[fd].file == nobody {
		return nil
	}
	return &files[fds[fd].file]
}

// newFD takes the lowest free descriptor from least on for f, or returns an
// errno.
func newFD(f *file, least uint32, cloexec bool) uint32 {
	for fd := max(least, freeFDs); fd < maxFiles; fd++ {
		if fds[fd].file == nobody {
			if fd == freeFDs {
				freeFDs++
			}
			fds[fd] = descriptor{f.self, cloexec}
			f.refs++
			return fd
		}
	}
	return errno(EMFILE)
}

// newFile makes an open file and a descriptor for it, which it returns, or an
// errno. flags are open(2)'s.
func newFile(k fileKind, flags uint32) uint32 {
	for int(freeFiles) < len(files) && files[freeFiles].kind != fileNone {
		freeFiles++
	}
	if int(freeFiles) == len(files) {
		return errno(EMFILE)
	}
	f := &files[freeFiles]
	*f = file{self: freeFiles, flags: flags &^ oCloexec, watches: nobody, queue: nobody, queueEnd: nobody}
	fd := newFD(f, 0, flags&oCloexec != 0)
	if int32(fd) >= 0 {
		f.kind = k
	}
	return fd
}

// sysClose answers close. Who waits for the file makes the call again, and gets
// EBADF if it did so by this descriptor.
func sysClose(fd uint32) uint32 {
	f := fileOf(fd)
	if f == nil {
		return errno(EBADF)
	}
	fds[fd].file = nobody
	freeFDs = min(freeFDs, fd)
	f.refs--
	wakeWaiters(f)
	if f.refs == 0 {
		releaseFile(f)
	}
	return 0
}

// sysDup answers dup and fcntl's F_DUPFD: the lowest free descriptor from least
// on for the file that fd refers to.
func sysDup(fd, least uint32, cloexec bool) uint32 {
	f := fileOf(fd)
	if f == nil {
		return errno(EBADF)
	}
	if least >= maxFiles {
		return errno(EINVAL)
	}
	return newFD(f, least, cloexec)
}

// sysDup2 answers dup2, which leaves a descriptor alone that it is to copy onto
// itself.
func sysDup2(fd, to uint32) uint32 {
	if fd == to && fileOf(fd) != nil {
		return fd
	}
	if r := sysDup3(fd, to, 0); r != errno(EINVAL) {
		return r
	}
	return errno(EBADF)
}

// sysDup3 makes descriptor to refer to fd's file; what it was is closed.
func sysDup3(fd, to, flags uint32) uint32 {
	f := fileOf(fd)
	switch {
	case flags&^oCloexec != 0 || fd == to:
		return errno(EINVAL)
	case f == nil || to >= maxFiles:
		return errno(EBADF)
	}
	sysClose(to)
	fds[to] = descriptor{f.self, flags&oCloexec != 0}
	f.refs++
	return to
}

// sysFcntl answers what os and internal/poll ask of their descriptors.
func sysFcntl(fd, cmd, arg uint32) uint32 {
	f := fileOf(fd)
	if f == nil {
		return errno(EBADF)
	}
	const dupFD, getFD, setFD, getFL, setFL, dupFDCloexec = 0, 1, 2, 3, 4, 1030
	const settable = oAppend | oNonblock
	switch cmd {
	case dupFD, dupFDCloexec:
		return sysDup(fd, arg, cmd == dupFDCloexec)
	case getFD:
		if fds[fd].cloexec {
			return 1
		}
		return 0
	case setFD:
		fds[fd].cloexec = arg&1 != 0
		return 0
	case getFL:
		return f.flags
	case setFL:
		f.flags = f.flags&^settable | arg&settable
		return 0
	}
	return errno(EINVAL)
}

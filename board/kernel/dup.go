//go:build arm

package kernel

// sysDup makes the lowest free descriptor from least on a copy of fd. What
// other ends know by its number (pipes, eventfd, epoll) cannot be copied.
func sysDup(fd, least uint32) uint32 {
	if fileOf(fd) == nil {
		return errno(EBADF)
	}
	if least >= maxFiles {
		return errno(EINVAL)
	}
	for i := least; i < maxFiles; i++ {
		if files[i].kind == fileNone {
			return copyFile(i, fd)
		}
	}
	return errno(EMFILE)
}

// sysDup3 makes descriptor to a copy of fd; what it was is closed.
func sysDup3(fd, to uint32) uint32 {
	if fileOf(fd) == nil || to >= maxFiles {
		return errno(EBADF)
	}
	if fd == to {
		return errno(EINVAL)
	}
	if !canCopy(fd) {
		return errno(EINVAL)
	}
	if fileOf(to) != nil {
		sysClose(to)
	}
	return copyFile(to, fd)
}

func canCopy(fd uint32) bool {
	switch files[fd].kind {
	case fileStdin, fileConsole, fileNode:
		return true
	}
	return false
}

func copyFile(to, fd uint32) uint32 {
	if !canCopy(fd) {
		return errno(EINVAL)
	}
	files[to] = files[fd]
	files[to].watches = nobody
	if files[fd].kind == fileNode {
		opens[files[fd].open].refs++
	}
	return to
}

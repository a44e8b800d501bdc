//go:build arm

package kernel

// cwd is the current directory, where paths without a slash in front start.
var cwd int16

func sysChdir(p uint32) uint32 {
	i, e := find(atFDCWD, p)
	switch {
	case e != 0:
		return errno(e)
	case nodes[i].kind == nodeLink:
		return errno(ENOENT)
	case nodes[i].kind != nodeDir:
		return errno(ENOTDIR)
	}
	cwd = i
	return 0
}

func sysFchdir(fd uint32) uint32 {
	i, e := dirOf(fd)
	switch {
	case fd == atFDCWD:
		return errno(EBADF)
	case e != 0:
		return errno(e)
	case nodes[i].kind != nodeDir:
		return errno(ENOTDIR)
	}
	cwd = i
	return 0
}

// sysGetcwd stores the current directory's path and returns its length, with
// the NUL.
func sysGetcwd(p, n uint32) uint32 {
	size := uint32(1)
	for i := cwd; i != 0; i = nodes[i].parent {
		size += 1 + uint32(len(nodes[i].name))
	}
	size = max(size, 2) // the root
	if n < size {
		return errno(ERANGE)
	}
	if !accessible(p, size, true) {
		return errno(EFAULT)
	}
	store8(p, '/')
	at := p + size - 1
	store8(at, 0)
	for i := cwd; i != 0; i = nodes[i].parent {
		name := nodes[i].name
		at -= uint32(len(name))
		copy(bytesAt(at, uint32(len(name))), name)
		at--
		store8(at, '/')
	}
	return size
}

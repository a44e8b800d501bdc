//go:build arm

package kernel

// What is known about files without reading them.

const (
	atSymlinkNoFollow = 0x100
	atEmptyPath       = 0x1000

	direntHead = 19 // bytes of struct linux_dirent64 before the name
)

// mode is st_mode of a node.
func (n *node) mode() uint32 {
	switch n.kind {
	case nodeDir:
		return 0o040555
	case nodeDevice:
		return 0o020666
	case nodeLink:
		return 0o120777
	}
	return 0o100444
}

// target finds the node that a stat-like call is about. A link is followed,
// into nothing, unless flags say otherwise.
func target(dirfd, p, flags uint32) (i int16, e int32) {
	i, e = find(dirfd, p)
	if e == ENOENT && pathname.len == 0 && flags&atEmptyPath != 0 {
		return dirOf(dirfd)
	}
	if e == 0 && nodes[i].kind == nodeLink && flags&atSymlinkNoFollow == 0 {
		return noNode, ENOENT
	}
	return i, e
}

// statNode fills in struct stat64 for node i, whose content is that many bytes.
func statNode(i int16, size int, st uint32) uint32 {
	if !accessible(st, 104, true) {
		return errno(EFAULT)
	}
	n := &nodes[i]
	zero(st, 104)
	store32(st, 1) // st_dev
	store32(st+12, uint32(i)+1)
	store32(st+16, n.mode())
	store32(st+20, 1) // st_nlink
	if n.kind == nodeDevice {
		store32(st+32, 1<<8|uint32(n.id)) // st_rdev
	}
	store32(st+48, uint32(size))
	store32(st+56, pageSize) // st_blksize
	store32(st+64, uint32(size+511)/512)
	store32(st+96, uint32(i)+1) // st_ino; the time stamps are 0
	return 0
}

func sysStat(dirfd, p, st, flags uint32) uint32 {
	i, e := target(dirfd, p, flags)
	if e != 0 {
		return errno(e)
	}
	return statNode(i, len(nodes[i].data()), st)
}

// fstatNode is fstat of f.
func fstatNode(f *file, st uint32) uint32 {
	size := 0
	if f.content != noNode {
		size = len(contents[f.content].data)
	}
	return statNode(f.node, size, st)
}

// sysAccess answers access and its like: mode is made of 4 (read), 2 (write), 1
// (execute).
func sysAccess(dirfd, p, mode, flags uint32) uint32 {
	if mode > 7 {
		return errno(EINVAL)
	}
	i, e := target(dirfd, p, flags)
	if e != 0 {
		return errno(e)
	}
	switch k := nodes[i].kind; {
	case mode&2 != 0 && k != nodeDevice:
		return errno(EROFS)
	case mode&1 != 0 && k != nodeDir:
		return errno(EACCES)
	}
	return 0
}

func sysReadlink(dirfd, p, buf, n uint32) uint32 {
	i, e := find(dirfd, p)
	switch {
	case int32(n) <= 0:
		return errno(EINVAL)
	case e != 0:
		return errno(e)
	case nodes[i].kind != nodeLink:
		return errno(EINVAL)
	}
	text := nodes[i].data()
	n = min(n, uint32(len(text)))
	if !accessible(buf, n, true) {
		return errno(EFAULT)
	}
	return uint32(copy(bytesAt(buf, n), text))
}

// sysGetdents answers getdents64 with as many entries as fit. The first two are
// "." and "..".
func sysGetdents(fd, p, n uint32) uint32 {
	f := fileOf(fd)
	if f == nil {
		return errno(EBADF)
	}
	if f.kind != fileNode || nodes[f.node].kind != nodeDir {
		return errno(ENOTDIR)
	}
	n = min(n, maxIO)
	if !accessible(p, n, true) {
		return errno(EFAULT)
	}
	next := nodes[f.node].child
	for k := int64(2); k < f.off && next != noNode; k++ {
		next = nodes[next].next
	}
	done := uint32(0)
	for {
		i, name := next, ""
		switch f.off {
		case 0:
			i, name = f.node, "."
		case 1:
			i, name = nodes[f.node].parent, ".."
		default:
			if next == noNode {
				return done
			}
			name = nodes[next].name
		}
		size := (direntHead + uint32(len(name)) + 1 + 7) &^ 7
		if size > n-done {
			if done == 0 {
				return errno(EINVAL)
			}
			return done
		}
		if f.off >= 2 {
			next = nodes[next].next
		}
		f.off++
		at := p + done
		zero(at, size)
		store32(at, uint32(i)+1)
		store32(at+8, uint32(f.off))
		store8(at+16, byte(size))
		store8(at+17, byte(size>>8))
		store8(at+18, byte(nodes[i].mode()>>12)) // d_type
		copy(bytesAt(at+direntHead, uint32(len(name))), name)
		done += size
	}
}

// sysAlter answers the calls that would change the tree; create: that would
// make an entry.
func sysAlter(dirfd, p uint32, create bool) uint32 {
	_, e := find(dirfd, p)
	switch {
	case e == 0 && create:
		return errno(EEXIST)
	case e == 0, e == ENOENT && create && pathname.len > 0:
		return errno(EROFS)
	}
	return errno(e)
}

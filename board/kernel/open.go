//go:build arm

package kernel

// Descriptors of the file system: open, read, seek.

// Flags of open(2) on ARM.
const (
	oAccess    = 3 // O_RDONLY, O_WRONLY or O_RDWR
	oCreate    = 0o100
	oExcl      = 0o200
	oTrunc     = 0o1000
	oDirectory = 0o40000
	oNoFollow  = 0o100000

	oAppend = 0o2000

	oStatus = oAccess | oAppend | oNonblock | 0o400000 | oCloexec // what F_GETFL tells: LARGEFILE too; F_GETFD
)

// maxIO bounds the bytes that one call moves, and so the time in it; callers go
// on with the rest.
const maxIO = 64 << 10

func sysOpen(dirfd, p, flags uint32) uint32 {
	i, e := find(dirfd, p)
	write := flags&oAccess != 0 || flags&oTrunc != 0
	switch {
	case e == ENOENT && flags&oCreate != 0 && pathname.len > 0:
		return errno(EROFS)
	case e != 0:
		return errno(e)
	case flags&(oCreate|oExcl) == oCreate|oExcl:
		return errno(EEXIST)
	}
	n := &nodes[i]
	switch {
	case n.kind == nodeLink && flags&oNoFollow != 0:
		return errno(ELOOP)
	case n.kind == nodeLink:
		return errno(ENOENT)
	case n.kind == nodeDir && (write || flags&oCreate != 0):
		return errno(EISDIR)
	case n.kind != nodeDir && flags&oDirectory != 0:
		return errno(ENOTDIR)
	case n.kind != nodeDevice && write:
		return errno(EROFS)
	}
	fd := newFile(fileNode, flags&oStatus)
	if int32(fd) < 0 {
		return fd
	}
	f := fileOf(fd)
	f.node, f.content = i, n.content
	if n.content != noNode {
		contents[n.content].refs++
	}
	return fd
}

// closeNode is what close does for f.
func closeNode(f *file) {
	if f.content != noNode {
		contents[f.content].refs--
	}
}

// readNode reads at off; with advance at the descriptor's own offset, which it
// moves.
func readNode(f *file, p, n uint32, off int64, advance bool) uint32 {
	if f.flags&oAccess == 1 {
		return errno(EBADF)
	}
	if nodes[f.node].kind == nodeDir {
		return errno(EISDIR)
	}
	if int32(n) < 0 {
		return errno(EINVAL)
	}
	n = min(n, maxIO)
	if !accessible(p, n, true) {
		return errno(EFAULT)
	}
	if advance {
		off = f.off
	}
	r := uint32(0)
	switch id := nodes[f.node].id; nodes[f.node].kind {
	case nodeFile:
		if f.content != noNode {
			if data := contents[f.content].data; off < int64(len(data)) {
				r = uint32(copy(bytesAt(p, n), data[int(off):]))
			}
		}
	case nodeProc:
		r = readProc(id, p, n, off)
	case nodeDevice:
		r = readDevice(id, p, n)
	}
	if advance && int32(r) > 0 {
		f.off += int64(r)
	}
	return r
}

// readDevice reads /dev/null, zero and random.
func readDevice(id uint8, p, n uint32) uint32 {
	switch id {
	case devZero:
		zero(p, n)
		return n
	case devRandom:
		done := uint32(0)
		for n = min(n, 4096); done < n; {
			done += fillRandom(p+done, n-done)
		}
		return n
	}
	return 0
}

// writeNode is a write to f: only devices can be open for it, and none of them
// keeps anything.
func writeNode(f *file, n uint32) uint32 {
	if f.flags&oAccess == 0 {
		return errno(EBADF)
	}
	return n
}

func sysPread(fd, p, n uint32, off int64) uint32 {
	f := fileOf(fd)
	switch {
	case f == nil:
		return errno(EBADF)
	case f.kind != fileNode:
		return errno(ESPIPE)
	case off < 0:
		return errno(EINVAL)
	}
	return readNode(f, p, n, off, false)
}

// sysPwrite is for devices only, too.
func sysPwrite(fd, p, n uint32, off int64) uint32 {
	f := fileOf(fd)
	switch {
	case f == nil:
		return errno(EBADF)
	case f.kind != fileNode:
		return errno(ESPIPE)
	case off < 0:
		return errno(EINVAL)
	case !accessible(p, min(n, maxIO), false):
		return errno(EFAULT)
	}
	return writeNode(f, min(n, maxIO))
}

// seek moves f's offset and returns it.
func seek(fd uint32, off int64, whence uint32) (int64, int32) {
	f := fileOf(fd)
	if f == nil {
		return 0, EBADF
	}
	if f.kind != fileNode {
		return 0, ESPIPE
	}
	switch whence {
	case 0:
	case 1:
		if off > 0 && f.off > 1<<62-off {
			return 0, EOVERFLOW
		}
		off += f.off
	case 2:
		if nodes[f.node].kind != nodeFile || off > 1<<62 {
			return 0, EINVAL
		}
		if f.content != noNode {
			off += int64(len(contents[f.content].data))
		}
	default:
		return 0, EINVAL
	}
	if off < 0 || off > 1<<62 {
		return 0, EINVAL
	}
	if nodes[f.node].kind == nodeDevice {
		off = 0
	}
	f.off = off
	return off, 0
}

func sysLseek(fd, off, whence uint32) uint32 {
	at, e := seek(fd, int64(int32(off)), whence)
	switch {
	case e != 0:
		return errno(e)
	case at > 1<<31-1:
		return errno(EOVERFLOW)
	}
	return uint32(at)
}

// sysLLseek answers _llseek: the new offset goes to result.
func sysLLseek(fd, hi, lo, result, whence uint32) uint32 {
	if fileOf(fd) != nil && !accessible(result, 8, true) {
		return errno(EFAULT)
	}
	at, e := seek(fd, int64(uint64(hi)<<32|uint64(lo)), whence)
	if e != 0 {
		return errno(e)
	}
	store32(result, uint32(at))
	store32(result+4, uint32(at>>32))
	return 0
}

// sysReadv scatters, as sysWritev gathers.
func sysReadv(t *thread, fd, iov, n uint32) uint32 {
	f := fileOf(fd)
	switch {
	case f == nil:
		return errno(EBADF)
	case n > 1024:
		return errno(EINVAL)
	case !accessible(iov, 8*n, false):
		return errno(EFAULT)
	}
	if f.kind == fileSocket {
		r, _ := sockRecv(t, fd, &vector{addr: iov, n: n}, 0, nil)
		return r
	}
	total := uint32(0)
	for i := uint32(0); i < n; i++ {
		p, size := load32(iov+8*i), load32(iov+8*i+4)
		if size == 0 {
			continue
		}
		r := sysRead(t, fd, p, size)
		if int32(r) < 0 && total > 0 {
			break
		}
		total += r
		if f.kind != fileNode || int32(r) < 0 || r < size || total >= maxIO {
			break // more would wait, or there is no more
		}
	}
	return total
}

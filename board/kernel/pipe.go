//go:build arm

package kernel

const (
	pipeSize = 64 << 10 // bytes, power of two
	maxPipes = 8
)

// pipe is a ring of bytes between two descriptors. r and w run freely.
type pipe struct {
	buf      [pipeSize]byte
	r, w     uint32
	fdR, fdW int16 // the ends, -1: closed
	used     bool
}

var pipes [maxPipes]pipe

// sysPipe answers pipe2.
func sysPipe(fds, flags uint32) uint32 {
	if !accessible(fds, 8, true) {
		return errno(EFAULT)
	}
	for i := range pipes {
		p := &pipes[i]
		if p.used {
			continue
		}
		r := newFile(filePipeRead, flags&oNonblock)
		if int32(r) < 0 {
			return r
		}
		w := newFile(filePipeWrite, flags&oNonblock|1)
		if int32(w) < 0 {
			files[r].kind = fileNone
			return w
		}
		files[r].pipe, files[w].pipe = uint8(i), uint8(i)
		p.used = true
		p.r, p.w = 0, 0
		p.fdR, p.fdW = int16(r), int16(w)
		store32(fds, r)
		store32(fds+4, w)
		return 0
	}
	return errno(EMFILE)
}

func pipeReadiness(f *file) uint32 {
	p := &pipes[f.pipe]
	e := uint32(0)
	if f.kind == filePipeRead {
		if p.w != p.r {
			e |= epollIn
		}
		if p.fdW < 0 {
			e |= epollHup
		}
		return e
	}
	if p.w-p.r < pipeSize {
		e |= epollOut
	}
	if p.fdR < 0 {
		e |= epollErr
	}
	return e
}

func readPipe(t *thread, fd, addr, n uint32) uint32 {
	p := &pipes[files[fd].pipe]
	n = min(n, p.w-p.r)
	if n == 0 {
		if p.fdW < 0 {
			return 0
		}
		return waitOrAgain(t, fd)
	}
	to := bytesAt(addr, n)
	done := copy(to, p.buf[p.r&(pipeSize-1):])
	copy(to[done:], p.buf[:])
	p.r += n
	if p.fdW >= 0 {
		fileChanged(uint32(p.fdW), epollOut)
	}
	return n
}

func writePipe(t *thread, fd, addr, n uint32) uint32 {
	p := &pipes[files[fd].pipe]
	if p.fdR < 0 {
		return errno(EPIPE)
	}
	room := pipeSize - (p.w - p.r)
	if n > 0 && room == 0 {
		return waitOrAgain(t, fd)
	}
	n = min(n, room)
	from := bytesAt(addr, n)
	done := copy(p.buf[p.w&(pipeSize-1):], from)
	copy(p.buf[:], from[done:])
	p.w += n
	if n > 0 {
		fileChanged(uint32(p.fdR), epollIn)
	}
	return n
}

// closePipe closes f's end; the other one learns of it.
func closePipe(f *file, kind fileKind) {
	p := &pipes[f.pipe]
	if kind == filePipeRead {
		p.fdR = -1
		if p.fdW >= 0 {
			fileChanged(uint32(p.fdW), epollOut|epollErr)
		}
	} else {
		p.fdW = -1
		if p.fdR >= 0 {
			fileChanged(uint32(p.fdR), epollIn|epollHup)
		}
	}
	p.used = p.fdR >= 0 || p.fdW >= 0
}

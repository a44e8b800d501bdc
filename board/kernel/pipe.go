//go:build arm

package kernel

const (
	pipeSize = 64 << 10 // bytes a pipe holds, as on Linux
	pipeBuf  = 4096     // PIPE_BUF: a write of no more goes in whole
	maxPipes = 128
)

// pipe is a ring of bytes between two open files. Its pages come with what is
// written and go when both ends are closed.
type pipe struct {
	ring
	fileR, fileW int16 // the ends, nobody: closed
	used         bool
}

var (
	pipes    [maxPipes]pipe
	pipeBase uint32 // of the rings' addresses, 0: no pipe was made yet
)

// sysPipe answers pipe2.
func sysPipe(at, flags uint32) uint32 {
	if flags&^(oNonblock|oCloexec) != 0 {
		return errno(EINVAL)
	}
	if !accessible(at, 8, true) {
		return errno(EFAULT)
	}
	if pipeBase == 0 {
		base := findFree(maxPipes * pipeSize)
		if base == 0 {
			return errno(ENFILE)
		}
		setState(base, maxPipes*pipeSize, pageBSS)
		pipeBase = base
		buffers[1] = region{base, base + maxPipes*pipeSize}
	}
	for i := range pipes {
		p := &pipes[i]
		if p.used {
			continue
		}
		p.init(pipeBase+uint32(i)*pipeSize, pipeSize)
		p.fileR, p.fileW, p.used = nobody, nobody, true
		r := newFile(filePipeRead, flags)
		if int32(r) < 0 {
			p.used = false
			return r
		}
		fileOf(r).pipe = uint8(i)
		p.fileR = fileOf(r).self
		w := newFile(filePipeWrite, flags|1)
		if int32(w) < 0 {
			sysClose(r)
			return w
		}
		fileOf(w).pipe = uint8(i)
		p.fileW = fileOf(w).self
		store32(at, r)
		store32(at+4, w)
		return 0
	}
	return errno(ENFILE)
}

func pipeReadiness(f *file) uint32 {
	p := &pipes[f.pipe]
	e := uint32(0)
	if f.kind == filePipeRead {
		if p.ring.used() > 0 {
			e |= epollIn
		}
		if p.fileW == nobody {
			e |= epollHup
		}
		return e
	}
	if p.free() >= pipeBuf {
		e |= epollOut
	}
	if p.fileR == nobody {
		e |= epollErr
	}
	return e
}

func readPipe(t *thread, f *file, addr, n uint32) uint32 {
	p := &pipes[f.pipe]
	if n == 0 {
		return 0
	}
	n = min(n, p.ring.used())
	if n == 0 {
		if p.fileW == nobody {
			return 0
		}
		return waitOrAgain(t, f)
	}
	p.peek(0, addr, n)
	p.r += n
	if p.fileW != nobody {
		fileChanged(&files[p.fileW], epollOut)
	}
	return n
}

func writePipe(t *thread, f *file, addr, n uint32) uint32 {
	p := &pipes[f.pipe]
	if n == 0 {
		return 0
	}
	if p.fileR == nobody {
		return errno(EPIPE)
	}
	if p.free() == 0 || n <= pipeBuf && p.free() < n {
		return waitOrAgain(t, f)
	}
	n = min(n, p.free())
	if !p.room(n) {
		return errno(ENOMEM)
	}
	p.put(addr, n)
	fileChanged(&files[p.fileR], epollIn)
	return n
}

// closePipe closes f's end; the other one learns of it.
func closePipe(f *file) {
	p := &pipes[f.pipe]
	if f.kind == filePipeRead {
		p.fileR = nobody
		if p.fileW != nobody {
			fileChanged(&files[p.fileW], epollOut|epollErr)
		}
	} else {
		p.fileW = nobody
		if p.fileR != nobody {
			fileChanged(&files[p.fileR], epollIn|epollHup)
		}
	}
	if p.fileR == nobody && p.fileW == nobody {
		p.release()
		p.used = false
	}
}

//go:build arm

package kernel

// Requests: system calls that need the protocol stack. The calling thread
// sleeps, uninterruptible but bounded by the service, which never waits itself.

// Operations of a request.
const (
	OpNone = iota
	OpBind
	OpConnect
	OpListen
	OpShutdown
	OpSetOption
	OpGetOption
)

// Work bits: what the service is to look at.
const (
	WorkRequest = 1 << iota
	WorkSend    // there is something in the send ring, or a FIN to follow
	WorkRecv    // there is room in the receive ring
	WorkAccept  // there is room for a connection
	WorkClose   // the descriptor is gone
)

// request makes thread t wait for the service to do op on socket i.
func request(t *thread, fd, op, a0, a1, a2 uint32) uint32 {
	f := fileOf(fd)
	i := uint32(f.sock)
	s := &socks[i]
	if s.reqBusy { // another thread's: try again when that is done
		return waitAndRetry(t, f)
	}
	s.op, s.reqBusy, s.reqTaken, s.thread = op, true, false, cur
	s.args = [3]uint32{a0, a1, a2}
	block(t, waitSocket, i, 0, 0)
	wantWork(i, WorkRequest)
	return 0
}

// finish ends the request of s with result.
func finish(s *sock, result uint32) {
	s.reqBusy = false
	if t := &threads[s.thread]; t.state == threadBlocked && t.wait == waitSocket {
		if s.op == OpConnect && result == errno(EINPROGRESS) && s.file != nobody && files[s.file].flags&oNonblock == 0 {
			s.connWait = true // it waits on, and calls again when that is decided
			t.restart = true
			result = 0
		}
		wake(s.thread, result)
	}
	s.changed(0) // whoever waits to make the next one
}

func sysBind(t *thread, fd, addr, n uint32) uint32 {
	s, _, e := sockOf(fd)
	if e != 0 {
		return e
	}
	if s.reqBusy {
		return request(t, fd, OpBind, 0, 0, 0)
	}
	var a sockAddr
	if e := loadAddr(&a, s.domain, addr, n); e != 0 {
		return e
	}
	copy(s.buf[:], a.b[:a.n])
	s.bufLen = a.n
	return request(t, fd, OpBind, 0, 0, 0)
}

func sysConnect(t *thread, fd, addr, n uint32) uint32 {
	s, _, e := sockOf(fd)
	if e != 0 {
		return e
	}
	if s.reqBusy {
		return request(t, fd, OpConnect, 0, 0, 0)
	}
	if s.typ == sockStream {
		switch s.state {
		case sockIdle:
			if s.connWait && s.err != 0 {
				s.connWait = false
				return s.takeError()
			}
		case sockConnected:
			if s.connWait {
				s.connWait = false
				return 0
			}
			return errno(EISCONN)
		case sockConnecting:
			f := fileOf(fd)
			if f.flags&oNonblock != 0 {
				return errno(EALREADY)
			}
			return waitAndRetry(t, f)
		case sockListening:
			return errno(EISCONN)
		}
	}
	var a sockAddr
	if n >= 2 && accessible(addr, 2, false) && load8(addr) == 0 && load8(addr+1) == 0 {
		a.n = 2 // AF_UNSPEC: dissolve the association
		if s.typ == sockStream {
			return errno(EINVAL)
		}
	} else if e := loadAddr(&a, s.domain, addr, n); e != 0 {
		return e
	}
	copy(s.buf[:], a.b[:a.n])
	s.bufLen = a.n
	return request(t, fd, OpConnect, 0, 0, 0)
}

func sysListen(t *thread, fd, backlog uint32) uint32 {
	s, _, e := sockOf(fd)
	if e != 0 {
		return e
	}
	if s.typ != sockStream {
		return errno(EOPNOTSUPP)
	}
	if s.state != sockIdle && s.state != sockListening {
		return errno(EINVAL)
	}
	// Linux lets one more than the backlog wait: half of them here, the others in
	// the stack, which has room for one at least.
	backlog = min(backlog, maxAccept)
	here := max(backlog/2, 1)
	s.accMax = uint8(here)
	return request(t, fd, OpListen, max(backlog+1-here, 1), 0, 0)
}

func sysShutdown(t *thread, fd, how uint32) uint32 {
	s, i, e := sockOf(fd)
	if e != 0 {
		return e
	}
	if how > 2 {
		return errno(EINVAL)
	}
	if s.state == sockListening {
		return request(t, fd, OpShutdown, how, 0, 0)
	}
	if s.typ == sockStream && s.state != sockConnected || s.typ == sockDgram && s.peer.n == 0 {
		return errno(ENOTCONN)
	}
	if how != 1 {
		s.rdShut = true
	}
	if how != 0 {
		s.wrShut = true
		wantWork(i, WorkSend)
	}
	s.changed(epollIn | epollOut | epollRDH | epollHup)
	return 0
}

const solSocket, soBroadcast = 1, 6

func sysSetsockopt(t *thread, fd, level, name, val, n uint32) uint32 {
	s, _, e := sockOf(fd)
	if e != 0 {
		return e
	}
	if n > reqBytes {
		return errno(EINVAL)
	}
	if !accessible(val, n, false) {
		return errno(EFAULT)
	}
	if !s.reqBusy {
		copy(s.buf[:n], bytesAt(val, n))
		s.bufLen = n
		if level == solSocket && name == soBroadcast && n >= 4 {
			s.bcast = s.buf[0]|s.buf[1]|s.buf[2]|s.buf[3] != 0
		}
	}
	return request(t, fd, OpSetOption, level, name, 0)
}

func sysGetsockopt(t *thread, fd, level, name, val, lenAddr uint32) uint32 {
	const soType, soError, soAcceptConn, soProtocol, soDomain = 3, 4, 30, 38, 39
	s, _, e := sockOf(fd)
	if e != 0 {
		return e
	}
	if !accessible(lenAddr, 4, true) {
		return errno(EFAULT)
	}
	n := load32(lenAddr)
	if int32(n) < 0 {
		return errno(EINVAL)
	}
	n = min(n, reqBytes)
	if !accessible(val, n, true) {
		return errno(EFAULT)
	}
	if level == solSocket {
		v := uint32(0)
		switch name {
		case soError:
			v = -s.takeError()
		case soType:
			v = uint32(s.typ)
		case soDomain:
			v = uint32(s.domain)
		case soProtocol:
			v = 6
			if s.typ == sockDgram {
				v = 17
			}
		case soAcceptConn:
			if s.state == sockListening {
				v = 1
			}
		default:
			return getOption(t, fd, s, level, name, val, n, lenAddr)
		}
		w := [1]uint32{v}
		n = min(n, 4)
		copy(bytesAt(val, n), bytesAt(uint32(addrOf(&w)), n))
		store32(lenAddr, n)
		return 0
	}
	return getOption(t, fd, s, level, name, val, n, lenAddr)
}

func getOption(t *thread, fd uint32, s *sock, level, name, val, n, lenAddr uint32) uint32 {
	if !s.reqBusy {
		s.out, s.outLen = val, lenAddr
		s.bufLen = n
	}
	return request(t, fd, OpGetOption, level, name, 0)
}

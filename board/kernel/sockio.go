//go:build arm

package kernel

// Sending and receiving: between a program's memory and a socket's rings.

// vector is a list of buffers: one, or a struct iovec array.
type vector struct {
	addr, n uint32 // of the array; addr 0: one buffer
	one     [2]uint32
}

// at returns buffer i.
func (v *vector) at(i uint32) (p, n uint32) {
	if v.addr == 0 {
		return v.one[0], v.one[1]
	}
	return load32(v.addr + 8*i), load32(v.addr + 8*i + 4)
}

// check returns the buffers' total length, or an errno. Of them no more than the
// first most bytes will be touched, and are looked at.
func (v *vector) check(write bool, most uint32) (total, e uint32) {
	if v.addr != 0 {
		if v.n > 1024 {
			return 0, errno(EMSGSIZE)
		}
		if !accessible(v.addr, 8*v.n, false) {
			return 0, errno(EFAULT)
		}
	}
	for i := uint32(0); i < v.n; i++ {
		p, n := v.at(i)
		if n > 1<<30 || total+n > 1<<30 {
			return 0, errno(EINVAL)
		}
		touched := min(n, most)
		if !accessible(p, touched, write) {
			return 0, errno(EFAULT)
		}
		most -= touched
		total += min(n, slotSize)
	}
	return total, 0
}

// sockSend answers the send family. addr is the destination, 0: none.
func sockSend(t *thread, fd uint32, v *vector, flags, addr, addrLen uint32) uint32 {
	s, i, e := sockOf(fd)
	if e != 0 {
		return e
	}
	most := uint32(slotSize)
	if s.typ == sockStream {
		most = max(s.tx.free(), 1)
	}
	total, e := v.check(false, most)
	if e != 0 {
		return e
	}
	if s.err != 0 {
		return s.takeError()
	}
	if s.wrShut {
		return errno(EPIPE)
	}
	if s.typ == sockDgram {
		return sendDatagram(t, fd, s, i, v, total, flags, addr, addrLen)
	}
	switch s.state {
	case sockConnected:
	case sockConnecting:
		return sockWait(t, fd, flags)
	default:
		return errno(EPIPE)
	}
	if s.hup {
		return errno(EPIPE)
	}
	n := min(total, s.tx.free())
	s.noSpace = s.noSpace || n < total
	if n == 0 && total > 0 {
		if f := fileOf(fd); flags&msgDontWait == 0 && f.flags&oNonblock != 0 {
			return s.linger(t, f, epollOut)
		}
		return sockWait(t, fd, flags)
	}
	if !s.tx.room(n) {
		return errno(ENOBUFS)
	}
	left := n
	for j := uint32(0); j < v.n && left > 0; j++ {
		p, m := v.at(j)
		m = min(m, left)
		s.tx.put(p, m)
		left -= m
	}
	if s.sending.untold {
		s.used(epollOut)
	}
	wantWork(i, WorkSend)
	return n
}

func sendDatagram(t *thread, fd uint32, s *sock, i uint32, v *vector, total, flags, addr, addrLen uint32) uint32 {
	var to sockAddr
	if addr != 0 {
		if e := loadAddr(&to, s.domain, addr, addrLen); e != 0 {
			return e
		}
	} else if s.peer.n == 0 {
		return errno(EDESTADDRREQ)
	}
	if !s.bcast && to.b[0] == afInet && to.b[4]&to.b[5]&to.b[6]&to.b[7] == 0xff {
		return errno(EACCES)
	}
	if total > 65507 {
		return errno(EMSGSIZE)
	}
	if s.direct && s.tx.used() == 0 && sendDirect(s, v, total, &to) {
		return total
	}
	if s.tx.free() < recordSize(total) {
		s.noSpace = true
		return sockWait(t, fd, flags)
	}
	if !s.tx.putRecord(&to, v, total) {
		return errno(ENOBUFS)
	}
	wantWork(i, WorkSend)
	return total
}

// sockWait is what happens to a call that cannot go on yet.
func sockWait(t *thread, fd, flags uint32) uint32 {
	if flags&msgDontWait != 0 {
		return errno(EAGAIN)
	}
	return waitOrAgain(t, fileOf(fd))
}

// sockRecv answers the receive family. It stores the sender's address in from,
// if that is not nil, and reports in trunc whether a datagram was cut.
func sockRecv(t *thread, fd uint32, v *vector, flags uint32, from *sockAddr) (n uint32, trunc bool) {
	s, i, e := sockOf(fd)
	if e != 0 {
		return e, false
	}
	room, e := v.check(true, max(s.rx.used(), 1))
	if e != 0 {
		return e, false
	}
	if s.rx.used() == 0 {
		switch {
		case s.err != 0:
			return s.takeError(), false
		case s.eof || s.rdShut:
			return 0, false
		case s.typ == sockStream && s.state != sockConnected && s.state != sockConnecting:
			return errno(ENOTCONN), false
		case s.typ == sockStream && room == 0:
			return 0, false
		}
		if f := fileOf(fd); flags&msgDontWait == 0 && f.flags&oNonblock != 0 {
			return s.linger(t, f, epollIn), false
		}
		return sockWait(t, fd, flags), false
	}
	off, size := uint32(0), s.rx.used()
	if s.typ == sockDgram {
		size = s.rx.word(0)
		off = recordHead
		if from != nil {
			from.n = s.rx.word(4)
			s.rx.peek(8, uint32(addrOf(&from.b)), addrSize)
		}
	} else if from != nil {
		from.n = 0
	}
	n = min(room, size)
	left := n
	for j := uint32(0); j < v.n && left > 0; j++ {
		p, m := v.at(j)
		m = min(m, left)
		if j > 0 && !accessible(p, m, true) {
			// What went into a buffer has changed the list of them.
			return errno(EFAULT), false
		}
		s.rx.peek(off, p, m)
		off += m
		left -= m
	}
	if flags&msgPeek == 0 {
		full := s.rx.free() < s.rx.size/2
		if s.typ == sockDgram {
			s.rx.r += recordSize(size)
		} else {
			s.rx.r += n
		}
		if s.receiving.untold {
			s.used(epollIn)
		}
		if full {
			wantWork(i, WorkRecv) // the service may have stopped for want of room
		}
	}
	if s.typ == sockDgram && size > n {
		if flags&msgTrunc != 0 {
			return size, true
		}
		return n, true
	}
	return n, false
}

func sysSendto(t *thread, fd, p, n, flags, addr, addrLen uint32) uint32 {
	v := vector{n: 1, one: [2]uint32{p, n}}
	return sockSend(t, fd, &v, flags, addr, addrLen)
}

func sysRecvfrom(t *thread, fd, p, n, flags, addr, addrLen uint32) uint32 {
	v := vector{n: 1, one: [2]uint32{p, n}}
	var from sockAddr
	r, _ := sockRecv(t, fd, &v, flags, &from)
	if int32(r) >= 0 && t.state == threadRunning && addr != 0 {
		if e := storeAddr(&from, addr, addrLen); e != 0 {
			return e
		}
	}
	return r
}

// struct msghdr: name, namelen, iov, iovlen, control, controllen, flags.
const msghdrSize = 28

// msgVector is the buffers of a message.
func msgVector(msg uint32) (v vector, e uint32) {
	switch addr, n := load32(msg+8), load32(msg+12); {
	case n > 1024:
		return v, errno(EMSGSIZE)
	case n > 0 && addr == 0: // which would mean one buffer, so many times
		return v, errno(EFAULT)
	case n > 0:
		v = vector{addr: addr, n: n}
	}
	return v, 0
}

func sysSendmsg(t *thread, fd, msg, flags uint32) uint32 {
	if !accessible(msg, msghdrSize, false) {
		return errno(EFAULT)
	}
	v, e := msgVector(msg)
	if e != 0 {
		return e
	}
	return sockSend(t, fd, &v, flags, load32(msg), load32(msg+4))
}

func sysRecvmsg(t *thread, fd, msg, flags uint32) uint32 {
	if !accessible(msg, msghdrSize, true) {
		return errno(EFAULT)
	}
	v, e := msgVector(msg)
	if e != 0 {
		return e
	}
	var from sockAddr
	r, cut := sockRecv(t, fd, &v, flags, &from)
	if int32(r) < 0 || t.state != threadRunning {
		return r
	}
	if name := load32(msg); name != 0 {
		if e := storeAddr(&from, name, msg+4); e != 0 {
			return e
		}
	}
	store32(msg+20, 0) // no control messages
	out := uint32(0)
	if cut {
		out = msgTrunc
	}
	store32(msg+24, out)
	return r
}

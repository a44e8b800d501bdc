//go:build arm

package kernel

import (
	"unsafe"

	"github.com/gasp-go/gasp/board/trap"
)

// The socket service's side: what package stack/sockets calls, from goroutines.
// A socket is named by its index and generation, so that an event that comes
// late does not reach its successor.

// SocketID names a socket.
type SocketID struct {
	Index int
	Gen   uint32
}

var (
	sockEvent  *Event // wakes the service
	sockQueue  [maxSockets]uint16
	sockQueueR uint32
	sockQueueW uint32
)

// wantWork queues socket i for the service. Trap context.
func wantWork(i, work uint32) {
	s := &socks[i]
	s.work |= work
	if s.queued {
		return
	}
	s.queued = true
	sockQueue[sockQueueW%maxSockets] = uint16(i)
	sockQueueW++
	sockEvent.Signal()
}

// ServeSockets makes sockets available: ev is signalled when NextSocket has
// something. Until it is called, socket(2) fails with EAFNOSUPPORT.
func ServeSockets(ev *Event) {
	sockEvent = ev
	trap.Run(func(unsafe.Pointer) {
		const size = maxSockets * slotSize
		if sockBase == 0 {
			if base := findFree(size); base != 0 {
				setState(base, size, pageBSS)
				sockBase = base
				buffers[0] = region{base, base + size}
			}
		}
	}, nil)
}

// SocketWork is one socket that the service is to look at.
type SocketWork struct {
	ID     SocketID
	Work   uint32 // Work bits
	Domain int
	Type   int

	// The request, if Work has WorkRequest.
	Op   int
	Args [3]uint32
	Data [reqBytes]byte
	N    int
}

// NextSocket takes the next socket that wants work; false: none does. One caller
// at a time. Most often none does, which takes no trap to see: who queues one
// signals the event afterwards.
func NextSocket(w *SocketWork) bool {
	if sockQueueR == sockQueueW {
		return false
	}
	w.Work = 0
	trap.Run(nextSocket, unsafe.Pointer(w))
	return w.Work != 0
}

func nextSocket(p unsafe.Pointer) {
	w := (*SocketWork)(p)
	for sockQueueR != sockQueueW {
		i := sockQueue[sockQueueR%maxSockets]
		sockQueueR++
		s := &socks[i]
		s.queued = false
		work := s.work
		s.work = 0
		if s.state == sockFree || work == 0 {
			continue
		}
		w.ID = SocketID{int(i), s.gen}
		w.Work, w.Domain, w.Type = work, int(s.domain), int(s.typ)
		w.Op = OpNone
		if work&WorkRequest != 0 && s.reqBusy && !s.reqTaken {
			s.reqTaken = true
			w.Op = int(s.op)
			w.Args = s.args
			w.Data = s.buf
			w.N = int(s.bufLen)
		}
		return
	}
}

// sockCall are the arguments of the functions below in trap context.
type sockCall struct {
	id     SocketID
	errno  int
	p      unsafe.Pointer
	n      int
	ok     bool
	addr   *SockAddr
	addr2  *SockAddr
	events uint32
	child  SocketID

	ring     uint32 // where the send ring begins
	wrapped  int    // bytes from there
	unwanted int    // bytes behind
}

// live returns the socket, nil if it is another one by now.
func (c *sockCall) live() *sock {
	s := &socks[c.id.Index]
	if s.gen != c.id.Gen || s.state == sockFree {
		return nil
	}
	return s
}

// SockAddr is a struct sockaddr_in or sockaddr_in6 as bytes.
type SockAddr struct {
	N int
	B [addrSize]byte
}

func (a *sockAddr) set(b *SockAddr) {
	if b != nil {
		a.n, a.b = uint32(b.N), b.B
	}
}

// FinishSocket answers the socket's request: errno 0 is success. data goes to
// the caller's buffer, for OpGetOption.
func FinishSocket(id SocketID, errno int, data []byte) {
	c := sockCall{id: id, errno: errno, n: len(data)}
	if len(data) > 0 {
		c.p = unsafe.Pointer(&data[0])
	}
	trap.Run(finishSocket, unsafe.Pointer(&c))
}

func finishSocket(p unsafe.Pointer) {
	c := (*sockCall)(p)
	s := c.live()
	if s == nil || !s.reqBusy {
		return
	}
	r := errnoOf(c.errno)
	if s.op == OpGetOption && r == 0 {
		n := min(uint32(c.n), s.bufLen)
		switch {
		case !accessible(s.out, n, true) || !accessible(s.outLen, 4, true):
			r = errno(EFAULT)
		default:
			if n > 0 {
				copy(bytesAt(s.out, n), unsafe.Slice((*byte)(c.p), n))
			}
			store32(s.outLen, n)
		}
	}
	finish(s, r)
}

func errnoOf(e int) uint32 { return uint32(-int32(e)) }

// SocketBound stores the socket's local address and, if peer is not nil, the
// address it is connected to.
func SocketBound(id SocketID, local, peer *SockAddr) {
	c := sockCall{id: id, addr: local, addr2: peer}
	trap.Run(func(p unsafe.Pointer) {
		c := (*sockCall)(p)
		if s := c.live(); s != nil {
			s.local.set(c.addr)
			s.peer.set(c.addr2)
		}
	}, unsafe.Pointer(&c))
}

// SocketConnecting, SocketConnected, SocketListening and SocketFailed tell what
// became of a stream socket; SocketFailed leaves an error behind and the socket
// without a connection.
func SocketConnecting(id SocketID) { setSockState(id, sockConnecting, 0, 0) }
func SocketConnected(id SocketID)  { setSockState(id, sockConnected, 0, epollOut) }
func SocketListening(id SocketID)  { setSockState(id, sockListening, 0, 0) }
func SocketFailed(id SocketID, errno int) {
	setSockState(id, sockIdle, errno, epollIn|epollOut|epollErr|epollHup)
}

func setSockState(id SocketID, state sockState, errno int, events uint32) {
	c := sockCall{id: id, n: int(state), errno: errno, events: events}
	trap.Run(func(p unsafe.Pointer) {
		c := (*sockCall)(p)
		s := c.live()
		if s == nil || s.state == sockClosing {
			return
		}
		s.state = sockState(c.n)
		if c.errno != 0 {
			s.err = int32(c.errno)
			s.hup = s.typ == sockStream
		}
		s.changed(c.events)
	}, unsafe.Pointer(&c))
}

// SocketError leaves an error for the program to find.
func SocketError(id SocketID, errno int) {
	c := sockCall{id: id, errno: errno}
	trap.Run(func(p unsafe.Pointer) {
		c := (*sockCall)(p)
		if s := c.live(); s != nil {
			s.err = int32(c.errno)
			s.changed(epollIn | epollOut | epollErr)
		}
	}, unsafe.Pointer(&c))
}

// SocketEOF tells that the peer sends no more (FIN).
func SocketEOF(id SocketID) {
	c := sockCall{id: id}
	trap.Run(func(p unsafe.Pointer) {
		c := (*sockCall)(p)
		if s := c.live(); s != nil && !s.eof {
			s.eof = true
			s.changed(epollIn | epollRDH | epollHup)
		}
	}, unsafe.Pointer(&c))
}

// SocketReset tells that the connection is gone, with an error for the program
// if errno is not 0.
func SocketReset(id SocketID, errno int) {
	c := sockCall{id: id, errno: errno}
	trap.Run(func(p unsafe.Pointer) {
		c := (*sockCall)(p)
		if s := c.live(); s != nil && !s.hup {
			s.hup, s.eof = true, true
			if c.errno != 0 {
				s.err = int32(c.errno)
			}
			s.changed(epollIn | epollOut | epollErr | epollRDH | epollHup)
		}
	}, unsafe.Pointer(&c))
}

// SocketRoom returns how many bytes the receive ring has room for. A datagram
// needs RecordOverhead more than its length.
func SocketRoom(id SocketID) int {
	c := sockCall{id: id}
	trap.Run(func(p unsafe.Pointer) {
		c := (*sockCall)(p)
		if s := c.live(); s != nil && s.state != sockClosing && !s.rdShut {
			c.n = int(s.rx.free())
		}
	}, unsafe.Pointer(&c))
	return c.n
}

// RecordOverhead is what a datagram takes in a ring beyond its data, at most.
const RecordOverhead = recordHead + 3

// SocketReceived appends a datagram to the receive ring. It reports false if
// there is no room; then nothing was taken.
func SocketReceived(id SocketID, data []byte, from *SockAddr) bool {
	c := sockCall{id: id, n: len(data), addr: from}
	if len(data) > 0 {
		c.p = unsafe.Pointer(&data[0])
	}
	trap.Run(socketReceived, unsafe.Pointer(&c))
	return c.ok
}

func socketReceived(p unsafe.Pointer) {
	c := (*sockCall)(p)
	s := c.live()
	if s == nil || s.state == sockClosing || s.typ != sockDgram {
		return
	}
	var a sockAddr
	a.set(c.addr)
	v := vector{n: 1, one: [2]uint32{uint32(uintptr(c.p)), uint32(c.n)}}
	if s.rx.putRecord(&a, &v, uint32(c.n)) {
		c.ok = true
		s.came(epollIn)
	}
}

// SocketRxSpace returns the contiguous free part of a stream's receive ring, at
// most max bytes; SocketRxCommit tells how many of them were filled.
func SocketRxSpace(id SocketID, max int) []byte {
	c := sockCall{id: id, n: max}
	trap.Run(socketRxSpace, unsafe.Pointer(&c))
	if c.n == 0 {
		return nil
	}
	return bytesAt(c.events, uint32(c.n))
}

func socketRxSpace(p unsafe.Pointer) {
	c := (*sockCall)(p)
	s := c.live()
	want := uint32(c.n)
	c.n = 0
	if s == nil || s.state == sockClosing || s.rdShut {
		return
	}
	at := s.rx.w & (s.rx.size - 1)
	n := min(want, s.rx.free(), s.rx.size-at)
	if n == 0 || !s.rx.room(n) {
		return
	}
	at = s.rx.w & (s.rx.size - 1) // room may have gone back to the start
	c.events, c.n = s.rx.base+at, int(n)
}

// SocketRxCommit appends the first n bytes of what SocketRxSpace returned.
func SocketRxCommit(id SocketID, n int) {
	c := sockCall{id: id, n: n}
	trap.Run(func(p unsafe.Pointer) {
		c := (*sockCall)(p)
		if s := c.live(); s != nil && uint32(c.n) <= s.rx.free() {
			s.rx.w += uint32(c.n)
			s.came(epollIn)
		}
	}, unsafe.Pointer(&c))
}

// SocketTxData returns the start of a stream's send ring, which is in two parts
// where the ring ends, at most max bytes, and how many bytes are behind. It stays
// until SocketSent.
func SocketTxData(id SocketID, max int) (data [2][]byte, behind int) {
	c := sockCall{id: id, n: max}
	trap.Run(func(p unsafe.Pointer) {
		c := (*sockCall)(p)
		s := c.live()
		want := uint32(c.n)
		c.n = 0
		if s == nil {
			return
		}
		at, used := s.tx.r&(s.tx.size-1), s.tx.used()
		want = min(want, used)
		first := min(want, s.tx.size-at)
		c.events, c.n = s.tx.base+at, int(first)
		c.ring, c.wrapped, c.unwanted = s.tx.base, int(want-first), int(used-want)
	}, unsafe.Pointer(&c))
	if c.n > 0 {
		data[0] = bytesAt(c.events, uint32(c.n))
		data[1] = bytesAt(c.ring, uint32(c.wrapped))
	}
	return data, c.unwanted
}

// SocketOutgoing copies the first datagram of the send ring to buf, and its
// destination to to (N is 0 if it has none). It reports whether there was one.
// SocketSent takes it out.
func SocketOutgoing(id SocketID, buf []byte, to *SockAddr) (n int, ok bool) {
	c := sockCall{id: id, p: unsafe.Pointer(&buf[0]), n: len(buf), addr: to}
	trap.Run(socketOutgoing, unsafe.Pointer(&c))
	return c.n, c.ok
}

func socketOutgoing(p unsafe.Pointer) {
	c := (*sockCall)(p)
	s := c.live()
	room := uint32(c.n)
	c.n = 0
	if s == nil || s.tx.used() == 0 || s.typ != sockDgram {
		return
	}
	c.ok = true
	n := min(s.tx.word(0), room)
	c.addr.N = int(s.tx.word(4))
	s.tx.peek(8, uint32(addrOf(&c.addr.B)), addrSize)
	s.tx.peek(recordHead, uint32(uintptr(c.p)), n)
	c.n = int(n)
}

// SocketSent takes n bytes of a stream, or the first datagram, out of the send
// ring.
func SocketSent(id SocketID, n int) {
	c := sockCall{id: id, n: n}
	trap.Run(func(p unsafe.Pointer) {
		c := (*sockCall)(p)
		s := c.live()
		if s == nil || s.tx.used() == 0 {
			return
		}
		if s.typ == sockDgram {
			s.tx.r += recordSize(s.tx.word(0))
		} else {
			s.tx.r += min(uint32(c.n), s.tx.used())
		}
		if s.noSpace && s.tx.free() >= s.tx.size/4 {
			s.noSpace = false
			s.came(epollOut)
		}
	}, unsafe.Pointer(&c))
}

// SocketFinished reports whether the program has said that it sends no more and
// everything it sent was taken.
func SocketFinished(id SocketID) bool {
	c := sockCall{id: id}
	trap.Run(func(p unsafe.Pointer) {
		c := (*sockCall)(p)
		if s := c.live(); s != nil {
			c.ok = (s.wrShut || s.state == sockClosing) && s.tx.used() == 0
		}
	}, unsafe.Pointer(&c))
	return c.ok
}

// AcceptSocket makes a socket for a connection that came in on listening socket
// id and queues it for accept; false if the queue is full or sockets are out.
func AcceptSocket(id SocketID, local, peer *SockAddr) (SocketID, bool) {
	c := sockCall{id: id, addr: local, addr2: peer}
	trap.Run(acceptSocket, unsafe.Pointer(&c))
	return c.child, c.ok
}

func acceptSocket(p unsafe.Pointer) {
	c := (*sockCall)(p)
	s := c.live()
	if s == nil || s.state != sockListening || s.accW-s.accR >= s.accMax {
		return
	}
	i := newSock(s.domain, s.typ)
	if i < 0 {
		return
	}
	n := &socks[i]
	n.state = sockConnected
	n.local.set(c.addr)
	n.peer.set(c.addr2)
	s.accepted[s.accW%maxAccept] = uint16(i)
	s.accW++
	c.child = SocketID{int(i), n.gen}
	c.ok = true
	s.changed(epollIn)
}

// AcceptRoom reports whether AcceptSocket has room for one more.
func AcceptRoom(id SocketID) bool {
	c := sockCall{id: id}
	trap.Run(func(p unsafe.Pointer) {
		c := (*sockCall)(p)
		if s := c.live(); s != nil && s.state == sockListening {
			c.ok = s.accW-s.accR < s.accMax && sockStat.InUse < maxSockets-8
		}
	}, unsafe.Pointer(&c))
	return c.ok
}

// FreeSocket ends a socket whose descriptor was closed.
func FreeSocket(id SocketID) {
	c := sockCall{id: id}
	trap.Run(func(p unsafe.Pointer) {
		c := (*sockCall)(p)
		if s := c.live(); s != nil && s.state == sockClosing {
			freeSock(uint32(c.id.Index))
		}
	}, unsafe.Pointer(&c))
}

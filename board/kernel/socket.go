//go:build arm

package kernel

import "unsafe"

// Sockets. The kernel knows no protocol: it has a table of sockets, each with a
// ring of bytes or datagrams in either direction, and answers send and receive
// from those alone, without a switch of threads. Behind the rings the socket
// service (package stack/sockets), a goroutine with the network thread's
// priority, moves data between them and the protocol stack. What needs the stack
// itself (bind, connect, options, …) is a request: the calling thread sleeps
// until the service has answered.
//
// socket, getsockname and getpeername are answered here in any case: the runtime
// makes them without giving up the caller's P, so they must not wait for a
// goroutine.

type sockState uint8

const (
	sockFree       sockState = iota
	sockIdle                 // not connected (TCP), or UDP, connected or not
	sockConnecting           // TCP: SYN sent
	sockConnected            // TCP
	sockListening            // TCP
	sockClosing              // no descriptor any more: the service drains and closes
)

const (
	maxSockets = 1024
	slotSize   = 256 << 10 // virtual memory of a socket's two rings

	afInet     = 2
	afInet6    = 10
	sockStream = 1
	sockDgram  = 2
	addrSize   = 28 // struct sockaddr_in6

	msgPeek     = 0x2
	msgTrunc    = 0x20
	msgDontWait = 0x40

	maxAccept = 128 // connections that wait for accept
	reqBytes  = 128 // of a request's argument or answer
)

// sock is one socket. Fields are written in trap context only.
type sock struct {
	state    sockState
	domain   uint8 // afInet, afInet6
	typ      uint8 // sockStream, sockDgram
	file     int16 // its open file, nobody: none (not accepted yet, or closed)
	gen      uint32
	rx, tx   ring
	eof      bool // the peer will send no more, behind what rx holds
	rdShut   bool // shutdown(SHUT_RD)
	wrShut   bool // shutdown(SHUT_WR): the service is to send FIN behind what tx holds
	hup      bool // the connection is gone
	connWait bool // a thread waits in connect for what becomes of it
	direct   bool // datagrams may be sent by DirectHook
	err      int32

	receiving, sending patience // see linger.go
	noSpace            bool     // somebody found too little room to send: an epoll is to be told of more (Linux: SOCK_NOSPACE)

	local    sockAddr
	peer     sockAddr
	accepted [maxAccept]uint16 // ring of children
	accR     uint8
	accW     uint8
	accMax   uint8 // of them; as many more wait in the stack
	bcast    bool  // SO_BROADCAST: may send to 255.255.255.255

	work   uint32 // what the service is to look at, Work bits
	queued bool

	// The request that a thread waits for.
	op       uint32
	reqBusy  bool
	reqTaken bool
	thread   int16
	args     [3]uint32
	buf      [reqBytes]byte
	bufLen   uint32
	out      uint32 // where the answer goes, and its length
	outLen   uint32
}

// sockAddr is a struct sockaddr_in or sockaddr_in6, as bytes.
type sockAddr struct {
	n uint32
	b [addrSize]byte
}

var (
	socks    [maxSockets]sock
	sockBase uint32 // of the rings' memory, 0: no service, no sockets
	nextSock uint32 // where the search for a free one begins

	// SocketStat counts what happened to sockets.
	sockStat SocketCounters
)

// SocketCounters count sockets.
type SocketCounters struct {
	Opened, Closed uint64
	InUse          uint64
	Lingered       uint64 // calls that waited though they need not, see linger.go
	NoBuffers      uint64 // sends and receives that failed for want of memory
}

// SocketStat returns the counters.
func SocketStat() SocketCounters { return sockStat }

// sockOf returns the socket behind descriptor fd and its index, or an errno.
func sockOf(fd uint32) (s *sock, i uint32, e uint32) {
	f := fileOf(fd)
	if f == nil {
		return nil, 0, errno(EBADF)
	}
	if f.kind != fileSocket {
		return nil, 0, errno(ENOTSOCK)
	}
	return &socks[f.sock], uint32(f.sock), 0
}

// newSock takes a free socket; its index, or -1: there is none, or no memory.
func newSock(domain, typ uint8) int32 {
	for range maxSockets {
		i := nextSock
		nextSock = (nextSock + 1) % maxSockets
		s := &socks[i]
		a := uint32(addrOf(s)) // the table is there on demand
		if !present(a) || !present(a+uint32(unsafe.Sizeof(*s))-1) {
			continue
		}
		if s.state != sockFree {
			continue
		}
		gen := s.gen + 1
		*s = sock{state: sockIdle, domain: domain, typ: typ, file: nobody, gen: gen}
		half := uint32(slotSize / 2)
		if typ == sockStream {
			half /= 2
		}
		s.rx.init(sockBase+i*slotSize, half)
		s.tx.init(sockBase+i*slotSize+slotSize/2, half)
		s.local.any(domain)
		sockStat.Opened++
		sockStat.InUse++
		return int32(i)
	}
	return -1
}

// any makes a the unspecified address of a domain.
func (a *sockAddr) any(domain uint8) {
	*a = sockAddr{n: 16}
	a.b[0] = domain
	if domain == afInet6 {
		a.n = addrSize
	}
}

func sysSocket(domain, typ, proto uint32) uint32 {
	if sockBase == 0 || domain != afInet && domain != afInet6 {
		return errno(EAFNOSUPPORT)
	}
	kind := typ & 0xf
	switch {
	case kind == sockStream && (proto == 0 || proto == 6):
	case kind == sockDgram && (proto == 0 || proto == 17):
	case kind == sockStream || kind == sockDgram:
		return errno(EPROTONOSUPPORT)
	default:
		return errno(ESOCKTNOSUPPORT)
	}
	i := newSock(uint8(domain), uint8(kind))
	if i < 0 {
		return errno(ENFILE)
	}
	fd := newSockFile(uint32(i), typ&(oNonblock|oCloexec))
	if int32(fd) < 0 {
		freeSock(uint32(i))
	}
	return fd
}

// newSockFile gives socket i a descriptor.
func newSockFile(i, flags uint32) uint32 {
	fd := newFile(fileSocket, flags|2)
	if int32(fd) >= 0 {
		f := fileOf(fd)
		f.sock = uint16(i)
		socks[i].file = f.self
	}
	return fd
}

// freeSock ends socket i and gives its memory back.
func freeSock(i uint32) {
	s := &socks[i]
	s.rx.release()
	s.tx.release()
	s.state = sockFree
	sockStat.Closed++
	sockStat.InUse--
}

// closeSock is close(2): the descriptor is gone, the rest is the service's.
func closeSock(i uint32) {
	s := &socks[i]
	s.file = nobody
	if s.reqBusy {
		finish(s, errno(EBADF))
	}
	s.state = sockClosing
	s.rdShut = true
	for s.accR != s.accW { // children nobody will accept
		c := s.accepted[s.accR%maxAccept]
		s.accR++
		closeSock(uint32(c))
	}
	wantWork(i, WorkClose)
}

// sockReadiness returns the epoll events that hold for a socket.
func sockReadiness(f *file) uint32 {
	s := &socks[f.sock]
	e := uint32(0)
	if s.err != 0 {
		e |= epollErr
	}
	switch {
	case s.state == sockListening:
		if s.accR != s.accW {
			e |= epollIn
		}
		return e
	case s.state == sockConnecting:
		return e
	case s.typ == sockStream && s.state == sockIdle:
		return e | epollOut | epollHup
	}
	if s.rx.used() > 0 || s.err != 0 {
		e |= epollIn
	}
	if s.eof || s.rdShut {
		e |= epollIn | epollRDH
	}
	if s.hup || (s.eof || s.rdShut) && s.wrShut {
		e |= epollHup | epollOut
	}
	if s.wrShut || s.tx.free() >= s.tx.size/4 {
		e |= epollOut
	} else {
		s.noSpace = true
	}
	return e
}

// changed tells those who wait for the socket.
func (s *sock) changed(events uint32) {
	if s.lingers(epollIn) && events&^epollOut != 0 || s.lingers(epollOut) && events&^epollIn != 0 {
		wake(lingering, 0)
	}
	if s.file != nobody {
		fileChanged(&files[s.file], events)
	}
}

// takeError returns and clears the pending error, as an errno result; 0: none.
func (s *sock) takeError() uint32 {
	e := s.err
	s.err = 0
	return uint32(-e)
}

// sysAccept answers accept4.
func sysAccept(t *thread, fd, addr, addrLen, flags uint32) uint32 {
	s, i, e := sockOf(fd)
	if e != 0 {
		return e
	}
	if s.typ != sockStream {
		return errno(EOPNOTSUPP)
	}
	if s.state != sockListening {
		return errno(EINVAL)
	}
	if s.accR == s.accW {
		if s.err != 0 {
			return s.takeError()
		}
		return waitOrAgain(t, fileOf(fd))
	}
	c := uint32(s.accepted[s.accR%maxAccept])
	if e := storeAddr(&socks[c].peer, addr, addrLen); e != 0 {
		return e
	}
	n := newSockFile(c, flags&(oNonblock|oCloexec))
	if int32(n) < 0 {
		return n
	}
	s.accR++
	wantWork(i, WorkAccept) // there is room for another
	return n
}

// storeAddr stores a at addr, whose room is at addrLen, as getsockname does.
func storeAddr(a *sockAddr, addr, addrLen uint32) uint32 {
	if addr == 0 {
		return 0
	}
	if !accessible(addrLen, 4, true) {
		return errno(EFAULT)
	}
	room := load32(addrLen)
	if int32(room) < 0 {
		return errno(EINVAL)
	}
	n := min(room, a.n)
	if !accessible(addr, n, true) {
		return errno(EFAULT)
	}
	copy(bytesAt(addr, n), a.b[:n])
	store32(addrLen, a.n)
	return 0
}

// loadAddr reads a sockaddr of length n for a socket of the given domain.
func loadAddr(a *sockAddr, domain uint8, addr, n uint32) uint32 {
	if n < 2 || n > 128 {
		return errno(EINVAL)
	}
	if !accessible(addr, n, false) {
		return errno(EFAULT)
	}
	family := uint32(load8(addr)) | uint32(load8(addr+1))<<8
	want := uint32(16)
	if family == afInet6 {
		want = 24 // without the scope
	}
	if family != afInet && family != afInet6 || family == afInet6 && domain == afInet {
		return errno(EAFNOSUPPORT)
	}
	if n < want {
		return errno(EINVAL)
	}
	*a = sockAddr{n: min(n, addrSize)}
	if family == afInet {
		a.n = 16
	}
	copy(a.b[:a.n], bytesAt(addr, a.n))
	return 0
}

func sysGetsockname(fd, addr, addrLen uint32, peer bool) uint32 {
	s, _, e := sockOf(fd)
	if e != 0 {
		return e
	}
	a := &s.local
	if peer {
		a = &s.peer
		if a.n == 0 || s.typ == sockStream && s.state != sockConnected {
			return errno(ENOTCONN)
		}
	}
	if addr == 0 {
		return errno(EFAULT)
	}
	return storeAddr(a, addr, addrLen)
}

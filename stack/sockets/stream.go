//go:build arm

package sockets

import (
	"io"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/waiter"

	"github.com/gasp-go/gasp/board/dma"
	"github.com/gasp-go/gasp/board/kernel"
)

// chunk is how many bytes move between a ring and an endpoint at a time.
const chunk = 64 << 10

// source is what an endpoint is to read, sink what it may fill. Both move on.
type (
	source [2][]byte
	sink   []byte
)

// Len is part of tcpip.Payloader.
func (s *source) Len() int { return len(s[0]) + len(s[1]) }

// Read is part of tcpip.Payloader.
func (s *source) Read(p []byte) (int, error) {
	if len(s[0]) == 0 {
		s[0], s[1] = s[1], nil
	}
	if len(s[0]) == 0 {
		return 0, io.EOF
	}
	n := dma.Copy(p, s[0])
	s[0] = s[0][n:]
	return n, nil
}

// limit cuts s to n bytes.
func (s *source) limit(n int) {
	if first := len(s[0]); n <= first {
		s[0], s[1] = s[0][:n], nil
	} else {
		s[1] = s[1][:n-first]
	}
}

func (s *sink) Write(p []byte) (int, error) {
	n := dma.Copy(*s, p)
	*s = (*s)[n:]
	if n < len(p) {
		return n, io.ErrShortWrite
	}
	return n, nil
}

// sendStream hands what the program sent to the endpoint, as far as that has
// room, and then its end.
func (c *conn) sendStream() {
	for {
		var behind int
		c.out, behind = kernel.SocketTxData(c.id, chunk)
		size := c.out.Len()
		if size == 0 {
			break
		}
		if mss := c.svc.stack.SegmentSize(); behind > 0 && mss > 0 && size >= 8*mss {
			// Whole segments: what is left over goes with what is behind it.
			c.out.limit(size - size%mss)
		}
		// Atomic, for nobody else writes: the endpoint keeps its lock.
		n, err := c.ep.Write(&c.out, tcpip.WriteOptions{Atomic: true})
		c.out = source{}
		kernel.SocketSent(c.id, int(n))
		if err != nil {
			if _, wait := err.(*tcpip.ErrWouldBlock); wait {
				return
			}
			c.fail(err)
			return
		}
		if n == 0 {
			return
		}
	}
	if !c.finSent && !c.closing && kernel.SocketFinished(c.id) {
		c.finSent = true
		c.ep.Shutdown(tcpip.ShutdownWrite)
	}
}

// receiveStream takes what the endpoint has received, as far as the ring has
// room. What is not taken keeps the peer's window closed.
func (c *conn) receiveStream() {
	for !c.readDone {
		space := kernel.SocketRxSpace(c.id, chunk)
		if len(space) == 0 {
			return
		}
		c.in = space
		res, err := c.ep.Read(&c.in, tcpip.ReadOptions{})
		c.in = nil
		if err == nil {
			kernel.SocketRxCommit(c.id, res.Count)
			continue
		}
		switch err.(type) {
		case *tcpip.ErrWouldBlock:
			if c.ep.Readiness(waiter.EventErr)&waiter.EventErr != 0 {
				if err := c.ep.LastError(); err != nil {
					c.fail(err)
				}
			}
		case *tcpip.ErrClosedForReceive:
			c.readDone = true
			kernel.SocketEOF(c.id)
		default:
			c.fail(err)
		}
		return
	}
	if c.ep.Readiness(waiter.EventHUp)&waiter.EventHUp != 0 {
		kernel.SocketReset(c.id, 0)
		c.connected = false
	}
}

// fail passes the end of the connection on.
func (c *conn) fail(err tcpip.Error) {
	c.readDone = true
	c.connected = false
	kernel.SocketReset(c.id, errnoOf(err))
}

// accept takes the connections that came in, as far as the kernel has room.
func (c *conn) accept() {
	for kernel.AcceptRoom(c.id) {
		var peer tcpip.FullAddress
		ep, wq, err := c.ep.Accept(&peer)
		if err != nil {
			return // none, or none any more
		}
		local, err := ep.GetLocalAddress()
		if err != nil {
			ep.Abort()
			continue
		}
		l, p := c.sockaddr(local), c.sockaddr(peer)
		id, ok := kernel.AcceptSocket(c.id, &l, &p)
		if !ok {
			ep.Abort()
			return
		}
		n := &conn{svc: c.svc, id: id, inet6: c.inet6, tcp: true, wq: wq, connected: true}
		n.attach(ep)
		n.advance() // the peer may have sent already
	}
}

// connectResult tells what became of a connection attempt, if that is known.
func (c *conn) connectResult() {
	ready := c.ep.Readiness(waiter.EventOut | waiter.EventErr | waiter.EventHUp)
	switch {
	case ready&(waiter.EventErr|waiter.EventHUp) != 0:
		c.connecting = false
		e := eCONNREFUSED
		if err := c.ep.LastError(); err != nil {
			e = errnoOf(err)
		}
		kernel.SocketFailed(c.id, e)
	case ready&waiter.EventOut != 0:
		c.connecting = false
		c.connected = true
		c.bound(true)
		kernel.SocketConnected(c.id)
	}
}

//go:build arm

package sockets

import (
	"bytes"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/waiter"

	"github.com/gasp-go/gasp/board/kernel"
)

// sendDatagrams sends what the program wrote. As on Linux, what the device or
// the route cannot take is lost; an ICMP error comes back with the next call.
func (c *conn) sendDatagrams() {
	for {
		var to kernel.SockAddr
		n, ok := kernel.SocketOutgoing(c.id, c.svc.buf, &to)
		if !ok {
			return
		}
		var opts tcpip.WriteOptions
		if to.N > 0 {
			addr := c.fullAddress(to.B[:to.N])
			opts.To = &addr
		}
		_, err := c.ep.Write(bytes.NewReader(c.svc.buf[:n]), opts)
		if _, wait := err.(*tcpip.ErrWouldBlock); wait {
			return // the endpoint will tell
		}
		kernel.SocketSent(c.id, n)
		if err != nil {
			if _, lost := err.(*tcpip.ErrNoBufferSpace); !lost {
				kernel.SocketError(c.id, errnoOf(err))
			}
			continue
		}
		if to.N > 0 {
			c.boundOnce()
		}
	}
}

// receiveDatagrams takes what the endpoint has received, as far as the ring has
// room for the largest datagram.
func (c *conn) receiveDatagrams() {
	c.behind = false
	for kernel.SocketRoom(c.id) >= len(c.svc.buf)+kernel.RecordOverhead {
		w := tcpip.SliceWriter(c.svc.buf)
		res, err := c.ep.Read(&w, tcpip.ReadOptions{NeedRemoteAddr: true})
		if err != nil {
			switch err.(type) {
			case *tcpip.ErrWouldBlock, *tcpip.ErrClosedForReceive, *tcpip.ErrInvalidEndpointState, *tcpip.ErrNotConnected:
			default:
				kernel.SocketError(c.id, errnoOf(err))
			}
			return
		}
		from := c.sockaddr(res.RemoteAddr)
		if !kernel.SocketReceived(c.id, c.svc.buf[:res.Count], &from) {
			return
		}
	}
	c.behind = c.ep.Readiness(waiter.EventIn) != 0
}

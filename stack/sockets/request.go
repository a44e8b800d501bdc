//go:build arm

package sockets

import (
	"gvisor.dev/gvisor/pkg/tcpip"

	"github.com/gasp-go/gasp/board/kernel"
)

// request carries out one request of the kernel and answers it.
func (c *conn) request(w *kernel.SocketWork) {
	data := w.Data[:w.N]
	var err tcpip.Error
	switch w.Op {
	case kernel.OpBind:
		if err = c.ep.Bind(c.fullAddress(data)); err == nil {
			c.bound(false)
		}
	case kernel.OpConnect:
		c.connect(data)
		return
	case kernel.OpListen:
		// A socket that was not bound gets a port of the stack's choice.
		if err = c.ep.Listen(int(w.Args[0])); err == nil {
			c.listening = true
			c.bound(false)
			kernel.SocketListening(c.id)
		}
	case kernel.OpShutdown:
		err = c.ep.Shutdown(tcpip.ShutdownRead | tcpip.ShutdownWrite)
	case kernel.OpSetOption:
		e := c.setOption(w.Args[0], w.Args[1], data)
		c.optionSet(w.Args[0], w.Args[1])
		kernel.FinishSocket(c.id, e, nil)
		return
	case kernel.OpGetOption:
		out, e := c.getOption(w.Args[0], w.Args[1])
		kernel.FinishSocket(c.id, e, out)
		return
	default:
		kernel.FinishSocket(c.id, eOPNOTSUPP, nil)
		return
	}
	kernel.FinishSocket(c.id, errnoOf(err), nil)
}

// connect begins a connection; of a datagram socket, it sets the peer.
func (c *conn) connect(data []byte) {
	if len(data) == 2 { // AF_UNSPEC
		err := c.ep.Disconnect()
		kernel.SocketBound(c.id, nil, &kernel.SockAddr{})
		c.direct()
		kernel.FinishSocket(c.id, errnoOf(err), nil)
		return
	}
	err := c.ep.Connect(c.fullAddress(data))
	if _, started := err.(*tcpip.ErrConnectStarted); started {
		c.connecting = true
		kernel.SocketConnecting(c.id)
		c.bound(false)
		kernel.FinishSocket(c.id, eINPROGRESS, nil)
		return
	}
	if err == nil {
		c.bound(true)
		if c.tcp {
			c.connected = true
			kernel.SocketConnected(c.id)
		}
	}
	kernel.FinishSocket(c.id, errnoOf(err), nil)
}

// bound tells the kernel the endpoint's address and, with peer, the other one's.
func (c *conn) bound(peer bool) {
	c.direct()
	a, err := c.ep.GetLocalAddress()
	if err != nil {
		return
	}
	local := c.sockaddr(a)
	if !peer {
		kernel.SocketBound(c.id, &local, nil)
		return
	}
	a, err = c.ep.GetRemoteAddress()
	if err != nil {
		kernel.SocketBound(c.id, &local, nil)
		return
	}
	p := c.sockaddr(a)
	kernel.SocketBound(c.id, &local, &p)
}

// boundOnce is bound for a datagram socket that got its port by sending.
func (c *conn) boundOnce() {
	if !c.connected {
		c.connected = true // of no other meaning for datagrams
		c.bound(false)
	}
}

package main

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gasp-go/gasp/internal/ncrx"
)

// netconsole is a socket that receives it.
type netconsole struct {
	conn *net.UDPConn
	recv *ncrx.Receiver

	// each is called at every turn of serve, at least every tick; nil: nothing.
	each func()
}

// receiveBuffer is what is asked of the host's kernel for the socket, so that
// a burst of a crash is not lost while we are not scheduled.
const receiveBuffer = 4 << 20

// tick is how often a Receiver is asked for what has waited too long.
const tick = 250 * time.Millisecond

// drainMax is how many datagrams are taken after the end: more than fit in the
// socket.
const drainMax = 1 << 16

// waiting reports whether there is a datagram in the socket.
func waiting(conn *net.UDPConn) bool {
	raw, err := conn.SyscallConn()
	if err != nil {
		return false
	}
	n := 0
	err = raw.Control(func(fd uintptr) {
		for {
			n, err = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
			if err != unix.EINTR {
				return
			}
		}
	})
	return err == nil && n > 0
}

// listenNetconsole opens a socket at addr; port 0 picks a free one.
func listenNetconsole(addr netip.AddrPort) (*netconsole, error) {
	return listenOptions(addr, ncrx.Options{})
}

func listenOptions(addr netip.AddrPort, o ncrx.Options) (*netconsole, error) {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(addr))
	if err != nil {
		return nil, err
	}
	conn.SetReadBuffer(receiveBuffer) // the host may grant less
	return &netconsole{conn: conn, recv: ncrx.New(o)}, nil
}

// port is the port of the socket.
func (n *netconsole) port() uint16 { return n.conn.LocalAddr().(*net.UDPAddr).AddrPort().Port() }

// serve hands every record to deliver until ctx is done. It then takes what
// the socket still holds, and what is incomplete, and closes the socket.
func (n *netconsole) serve(ctx context.Context, deliver func(*ncrx.Record)) error {
	defer n.conn.Close()
	each := func(rs []ncrx.Record) {
		for i := range rs {
			deliver(&rs[i])
		}
		for _, a := range n.recv.Responses() {
			n.conn.WriteToUDPAddrPort(a.Data, a.To) // lost, as on the wire: it is asked for again
		}
	}
	// One more byte than a datagram can have.
	buf := make([]byte, 1<<16)
	fell := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		n.conn.SetReadDeadline(time.Unix(1, 0))
		close(fell)
	})
	defer stop()
	for ctx.Err() == nil {
		if n.each != nil {
			n.each()
		}
		n.conn.SetReadDeadline(time.Now().Add(tick))
		if ctx.Err() != nil {
			break
		}
		size, from, err := n.conn.ReadFromUDPAddrPort(buf)
		switch {
		case err == nil:
			each(n.recv.Datagram(unmap(from), buf[:size], time.Now()))
		case errors.Is(err, os.ErrDeadlineExceeded):
			each(n.recv.Tick(time.Now()))
		default:
			return err
		}
	}
	<-fell // nothing of ours is left behind when serve returns
	// A deadline says nothing of the socket: it can be over before it was looked at.
	for i := 0; i < drainMax && waiting(n.conn); i++ {
		n.conn.SetReadDeadline(time.Now().Add(tick))
		if size, from, err := n.conn.ReadFromUDPAddrPort(buf); err == nil {
			each(n.recv.Datagram(unmap(from), buf[:size], time.Now()))
		}
	}
	each(n.recv.Flush(time.Now()))
	return nil
}

// unmap shows an IPv4 sender as one on a socket for both families.
func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

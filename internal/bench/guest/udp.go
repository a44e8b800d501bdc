package guest

import (
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/gasp-go/gasp/internal/bench/wire"
)

// udpPort is where the application is.
const udpPort = 4001

func (b *bench) datagram() []byte {
	to := b.Self()
	to.Port = udpPort
	return wire.UDP(Far, to, size)
}

// listen opens the application's socket and has handle called with it, on a
// goroutine of its own that ends with the socket. close waits for that.
func listen(handle func(c *net.UDPConn)) (c *net.UDPConn, close func(), err error) {
	c, err = net.ListenUDP("udp4", &net.UDPAddr{Port: udpPort})
	if err != nil {
		return nil, nil, err
	}
	done := make(chan bool)
	go func() {
		handle(c)
		done <- true
	}()
	return c, func() { c.Close(); <-done }, nil
}

// read counts datagrams until the socket is closed.
func read(n *atomic.Int64) func(c *net.UDPConn) {
	return func(c *net.UDPConn) {
		buf := make([]byte, 2048)
		for {
			if _, _, err := c.ReadFromUDPAddrPort(buf); err != nil {
				return
			}
			n.Add(1)
		}
	}
}

func (b *bench) udpUnread() Result {
	_, closeIt, err := listen(func(*net.UDPConn) {})
	if err != nil {
		return failed(err)
	}
	defer closeIt()
	n := saturate / b.scale
	c, err := b.saturated(b.datagram(), n)
	if err != nil {
		return failed(err)
	}
	return c.per(int64(n))
}

func (b *bench) udpApp() Result {
	var got atomic.Int64
	_, closeIt, err := listen(read(&got))
	if err != nil {
		return failed(err)
	}
	defer closeIt()
	n := isolated / b.scale
	c := b.onePer(b.datagram(), n, isolation)
	if got.Load() != int64(n) {
		return failed(fmt.Errorf("%d of %d datagrams were read", got.Load(), n))
	}
	return c.per(int64(n))
}

func (b *bench) udpEcho() Result {
	_, closeIt, err := listen(func(c *net.UDPConn) {
		buf := make([]byte, 2048)
		for {
			n, from, err := c.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			c.WriteToUDPAddrPort(buf[:n], from)
		}
	})
	if err != nil {
		return failed(err)
	}
	defer closeIt()
	n := isolated / b.scale
	c := b.onePer(b.datagram(), n, isolation)
	if got := b.drain(wire.KindUDP); got != n {
		return failed(fmt.Errorf("%d of %d answers came", got, n))
	}
	return c.per(int64(n))
}

func (b *bench) udpTransmit() Result {
	s, closeIt, err := listen(func(*net.UDPConn) {})
	if err != nil {
		return failed(err)
	}
	defer closeIt()
	n := isolated / b.scale
	to := netip.AddrPortFrom(netip.AddrFrom4(Far.IP), Far.Port)
	data := make([]byte, size)
	b.drain(wire.KindUDP)
	var sendErr error
	c := b.measure(func() {
		for range n {
			if _, err := s.WriteToUDPAddrPort(data, to); err != nil {
				sendErr = err
			}
		}
		time.Sleep(tail)
	})
	if got := b.drain(wire.KindUDP); got != n {
		return failed(fmt.Errorf("%d of %d datagrams left (last error: %v)", got, n, sendErr))
	}
	return c.per(int64(n))
}

// rate has datagrams come at a rate, for an application that reads them.
func (b *bench) rate(perSecond int) Result {
	var got atomic.Int64
	_, closeIt, err := listen(read(&got))
	if err != nil {
		return failed(err)
	}
	defer closeIt()
	n := max(isolated, perSecond/10) / b.scale
	c := b.onePer(b.datagram(), n, time.Second/time.Duration(perSecond))
	r := c.per(int64(n))
	r.Read = float64(got.Load()) / float64(n)
	return r
}

// rateSaturated has as many datagrams come as there is room for.
func (b *bench) rateSaturated() Result {
	var got atomic.Int64
	_, closeIt, err := listen(read(&got))
	if err != nil {
		return failed(err)
	}
	defer closeIt()
	n := saturate / b.scale
	c, err := b.saturated(b.datagram(), n)
	if err != nil {
		return failed(err)
	}
	r := c.per(int64(n))
	r.Read = float64(got.Load()) / float64(n)
	return r
}

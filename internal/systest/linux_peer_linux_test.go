package systest

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func TestLinuxsOwnStackGetsAlongWithIt(t *testing.T) {
	t.Parallel()
	n := newNamespace(t)
	g := n.boot(staticIP)
	to := n.way()
	t.Run("ping", func(t *testing.T) {
		p := n.pinger(t)
		for _, size := range []int{0, 1, 56, 1472, 1473, 4000, 20000} {
			p.ping(g, size)
		}
	})
	t.Run("services", func(t *testing.T) { testServices(t, to, 4<<20, 50) })
	t.Run("UDP echo", func(t *testing.T) { testUDPEcho(t, to, 1, 17, 18, 19, 511, 512, 1000, 1471, 1472) })
	t.Run("an empty datagram is echoed too", func(t *testing.T) { testUDPEcho(t, to, 0) })
	t.Run("UDP echo in fragments", func(t *testing.T) { testUDPEcho(t, to, 1473, 2944, 4000, 9000, 30000, 65507) })
	t.Run("a closed port is refused", func(t *testing.T) {
		if _, err := to("tcp", 4242); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("TCP: %v", err)
		}
		c := connect(t, to, "udp", 4242)
		g.retry("UDP to a closed port", func() error {
			c.Write([]byte("x"))
			c.SetReadDeadline(time.Now().Add(time.Second))
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNREFUSED) {
				return fmt.Errorf("got %v", err)
			}
			return nil
		})
	})
	t.Run("what was sent was counted", func(t *testing.T) {
		s := getStats(t, to)
		i := &s.Interfaces[0]
		consistent(t, i)
		if i.Stack.ICMP["InEchos"] < 7 || i.Stack.TCP["PassiveOpens"] < 30 || i.Stack.Device["rx_bytes"] < 8<<20 ||
			i.Stack.Device["tx_bytes"] < 4<<20 || i.Stack.UDP["NoPorts"] == 0 {
			t.Errorf("%+v", i)
		}
		for _, c := range []string{"rx_errors", "tx_errors", "tx_dropped"} {
			if v := i.Stack.Device[c]; v != 0 {
				t.Errorf("%s %d", c, v)
			}
		}
	})
	g.unharmed()
}

func TestAFloodNeitherSilencesNorStopsIt(t *testing.T) {
	t.Parallel()
	n := newNamespace(t)
	g := n.boot(staticIP)
	to, p := n.way(), n.pinger(t)
	before := getStats(t, to)

	const least = 20000 // datagrams
	c := connect(t, to, "udp", portDiscard)
	c.SetDeadline(time.Time{})
	var sent atomic.Uint64
	var over atomic.Bool
	var flood sync.WaitGroup
	flood.Go(func() {
		small, big := pattern(18), pattern(1472)
		for i := 0; !over.Load() && g.ctx.Err() == nil; i++ {
			data := small
			if i%8 == 0 {
				data = big
			}
			if _, err := c.Write(data); err == nil {
				sent.Add(1)
			}
			if i%64 == 0 {
				runtime.Gosched()
			}
		}
	})
	t.Cleanup(func() { over.Store(true); flood.Wait() })
	// Answers come through while the flood lasts.
	for i := 0; i < 5 || sent.Load() < least; i++ {
		p.ping(g, 56)
	}
	over.Store(true)
	flood.Wait()

	p.ping(g, 56)
	if err := echo(connect(t, to, "tcp", portEcho), pattern(100000)); err != nil {
		t.Error(err)
	}
	after := getStats(t, to)
	consistent(t, &after.Interfaces[0])
	b, a := before.Interfaces[0], after.Interfaces[0]
	t.Logf("%d datagrams sent, %d frames received, %d datagrams, %d dropped for want of a socket buffer",
		sent.Load(), a.Stack.Device["rx_packets"]-b.Stack.Device["rx_packets"],
		a.Stack.UDP["InDatagrams"]-b.Stack.UDP["InDatagrams"], a.Stack.UDP["RcvbufErrors"]-b.Stack.UDP["RcvbufErrors"])
	if a.Stack.Device["rx_packets"] < b.Stack.Device["rx_packets"]+1000 || a.Interrupts <= b.Interrupts ||
		a.Stack.Softnet.Processed <= b.Stack.Softnet.Processed {
		t.Errorf("counters stand still: %+v, then %+v", b, a)
	}
	g.unharmed()
}

// pinger sends echo requests from a raw socket in the namespace.
type pinger struct {
	conn net.PacketConn
	seq  uint16
	wait time.Duration // before another attempt
}

func (n *namespace) pinger(t *testing.T) *pinger {
	t.Helper()
	p := &pinger{}
	var err error
	n.do(func() { p.conn, err = net.ListenPacket("ip4:icmp", peerIP.String()) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.conn.Close() })
	return p
}

// ping sends requests with size bytes of data until one is answered rightly.
func (p *pinger) ping(g *guest, size int) {
	g.t.Helper()
	to := &net.IPAddr{IP: guestIP.AsSlice()}
	data, buf := pattern(size), make([]byte, 64<<10)
	p.wait = 50 * time.Millisecond // many are lost in a flood
	g.retry(fmt.Sprintf("ping with %d bytes", size), func() error {
		p.seq++
		request := ping(peerIP, guestIP, 0x4747, p.seq, data)[20:]
		if _, err := p.conn.WriteTo(request, to); err != nil {
			return err
		}
		p.conn.SetReadDeadline(time.Now().Add(p.wait))
		p.wait = min(2*p.wait, time.Second)
		for {
			n, _, err := p.conn.ReadFrom(buf)
			if err != nil {
				return err
			}
			if n < 8 || buf[0] != echoReply || be.Uint16(buf[4:]) != 0x4747 {
				continue
			}
			if onesSum(buf[:n]) != 0xffff || !bytes.Equal(buf[8:n], data) {
				return fmt.Errorf("a wrong reply of %d bytes", n)
			}
			return nil
		}
	})
}

package guest

import (
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/gasp-go/gasp/internal/bench/wire"
)

const (
	tcpPort = 4002

	// turn is how often the far end of a connection looks at the wire: its
	// round-trip time.
	turn = 200 * time.Microsecond

	// burst is more segments than come in one turn: one acknowledgement each.
	burst = 1 << 20

	warmUp = 1 << 20 // bytes
	bulk   = 8 << 20
)

// tcp measures a connection in bulk: the application reads all there is
// (receive), or writes. The far end acknowledges every ackEvery segments.
func (b *bench) tcp(receive bool, ackEvery int) Result {
	ln, err := net.ListenTCP("tcp4", &net.TCPAddr{Port: tcpPort})
	if err != nil {
		return failed(err)
	}
	defer ln.Close()
	ln.SetDeadline(time.Now().Add(patience))

	idle := b.turns()
	to := b.Self()
	to.Port = tcpPort
	from := Far
	b.connections++
	from.Port += b.connections
	b.Far(wire.Job{Op: wire.Connect, Period: turn, From: from, To: to, Sends: receive, AckEvery: ackEvery})
	stopped := false
	stop := func() (r wire.Report) {
		if !stopped {
			r = b.Far(wire.Job{Op: wire.Stop})
		}
		stopped = true
		return r
	}
	defer stop()
	conn, err := ln.AcceptTCP()
	if err != nil {
		return failed(err)
	}
	defer conn.Close()
	conn.SetLinger(0)
	conn.SetDeadline(time.Now().Add(patience))
	move := conn.Write
	if receive {
		move = conn.Read
	}
	buf := make([]byte, 64<<10)
	if _, err := repeat(move, buf, warmUp); err != nil {
		return failed(err)
	}
	n := 0
	c := b.measure(func() { n, err = repeat(move, buf, bulk/b.scale) })
	if err != nil {
		return failed(fmt.Errorf("after %d bytes: %w", n, err))
	}
	r := stop()
	if r.Odd > 0 {
		return failed(fmt.Errorf("%d malformed segments came", r.Odd))
	}
	share := float64(c.Ticks) / float64(idle.Ticks)
	c.Busy -= int64(float64(idle.Busy) * share)
	res := c.per(int64(n))
	res.Base = share
	res.Again = int64(r.Again)
	return res
}

// turns measures turns of a far end that has nothing to do.
func (b *bench) turns() Counts {
	const n = 500
	defer b.Far(wire.Job{Op: wire.Stop})
	return b.baseline(func() {
		b.Far(wire.Job{Op: wire.Pace, N: n, Period: turn})
		time.Sleep(n*turn + tail)
	})
}

var errNothing = errors.New("nothing moved")

// repeat reads or writes until n bytes have moved.
func repeat(move func([]byte) (int, error), buf []byte, n int) (moved int, err error) {
	for moved < n {
		m, err := move(buf)
		moved += m
		if err != nil {
			return moved, err
		}
		if m == 0 {
			return moved, errNothing
		}
	}
	return moved, nil
}

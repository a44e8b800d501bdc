//go:build arm

package main

import (
	"encoding/binary"
	"net/netip"
	"time"
	"unsafe"

	"github.com/gasp-go/gasp"
	"github.com/gasp-go/gasp/board/kernel"
	"github.com/gasp-go/gasp/board/trap"
	"github.com/gasp-go/gasp/stack/netpoll"
)

// stream is datagrams by netpoll to a port of the peer's: a number that grows by one
// with each that was sent.
type stream struct {
	poll  *netpoll.Endpoint
	to    netpoll.Dest
	timer *kernel.Timer
	p     [200]byte
}

// streamTime is how often the timer's interrupt sends.
const streamTime = 300_000 // ns

// streams sends one from a timer's interrupt, and two from goroutines.
func streams(sys *gasp.System) {
	for i := range uint16(3) {
		s := &stream{poll: sys.Interfaces[0].Poll}
		s.to, _ = netpoll.NewDest(netip.AddrPortFrom(netip.MustParseAddr("10.77.0.1"), 4000+i), 4000+i, netpoll.Broadcast)
		if i == 0 {
			s.timer = kernel.NewTimer(s.tick)
			trap.Run(func(p unsafe.Pointer) { (*stream)(p).tick() }, unsafe.Pointer(s))
			continue
		}
		go func() {
			for {
				for range 8 {
					if s.poll.Send(&s.to, s.p[:]) {
						s.count()
					}
				}
				time.Sleep(100 * time.Microsecond)
			}
		}()
	}
}

func (s *stream) count() { binary.BigEndian.PutUint32(s.p[:], binary.BigEndian.Uint32(s.p[:])+1) }

// tick is the timer's function. Trap context.
func (s *stream) tick() {
	if s.poll.SendUDP(&s.to, s.p[:]) {
		s.count()
	}
	s.timer.Start(streamTime)
}

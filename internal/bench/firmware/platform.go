//go:build arm

package main

import (
	"errors"
	"fmt"
	"time"
	"unsafe"

	"github.com/gasp-go/gasp"
	"github.com/gasp-go/gasp/board"
	"github.com/gasp-go/gasp/board/kernel"
	"github.com/gasp-go/gasp/board/mmio"
	"github.com/gasp-go/gasp/board/trap"
	"github.com/gasp-go/gasp/internal/bench/guest"
	"github.com/gasp-go/gasp/internal/bench/wire"
	"github.com/gasp-go/gasp/stack/netdev"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// platform is gasp on the i.MX6UL as package guest sees it.
type platform struct {
	sys *gasp.System
	eth *gasp.Interface
	far *wire.End

	ticks uint64 // trap context's
	spent int64  // ns that the far end took; trap context's
}

func newPlatform(sys *gasp.System) (*platform, error) {
	if len(sys.Interfaces) != 1 || len(sys.Board.Ethernet) < 2 {
		return nil, errors.New("wants one interface of two: boot with ip= for eth0")
	}
	p := &platform{sys: sys, eth: sys.Interfaces[0]}
	for wait := 0; !p.eth.Device.Carrier(); wait++ {
		if wait == 1000 {
			return nil, errors.New("no carrier")
		}
		time.Sleep(10 * time.Millisecond)
	}
	ns := sys.Stack().Netstack()
	for id, nic := range ns.NICInfo() {
		if nic.Name != p.eth.Port.Name {
			continue
		}
		if err := ns.AddStaticNeighbor(id, header.IPv4ProtocolNumber, tcpip.AddrFrom4(guest.Far.IP), tcpip.LinkAddress(guest.Far.MAC[:])); err != nil {
			return nil, fmt.Errorf("neighbour: %s", err)
		}
	}
	// The end of the memory for DMA, which gasp fills from its beginning.
	mem, phys := kernel.DMA()
	at := len(mem) - wire.Memory
	port := mmio.At(farEnd(sys.Board, p.eth.Port.Name).Base)
	p.far = wire.NewEnd(wire.New(port, mem[at:], phys+uint32(at)))
	startEPIT(p)
	return p, nil
}

// farEnd is the port that is not under test.
func farEnd(b *board.Board, self string) board.Ethernet {
	for _, e := range b.Ethernet {
		if e.Name != self {
			return e
		}
	}
	return board.Ethernet{}
}

func (p *platform) Self() wire.Host {
	return wire.Host{MAC: p.eth.Device.MAC(), IP: guest.SelfIP}
}

// Far is part of guest.Platform. The timer, if it runs, is stopped first, so that
// the far end has one user. What it sends at once it sends in trap context, and
// the time is put aside; the rest is done while nothing is measured.
func (p *platform) Far(j wire.Job) wire.Report {
	epit.Write32(epitCR, 0)
	if j.Op == wire.Burst {
		x := burst{p, j}
		trap.Run(sendBurst, unsafe.Pointer(&x))
		return wire.Report{}
	}
	r, ticks := p.far.Do(j)
	if ticks {
		p.every(j.Period)
	}
	return r
}

type burst struct {
	p *platform
	j wire.Job
}

func sendBurst(a unsafe.Pointer) {
	b := (*burst)(a)
	t0 := kernel.Nanotime()
	b.p.far.Do(b.j)
	b.p.spent += kernel.Nanotime() - t0
}

// Count is part of guest.Platform. Under icount the time is the number of
// instructions, and an idle CPU's passes all the same.
func (p *platform) Count() guest.Counts {
	st := p.sys.Softnet.Stat()
	return guest.Counts{
		Busy:   kernel.Nanotime() - kernel.CPUStat().Idle - p.spent,
		Ticks:  p.ticks,
		IRQs:   uint64(kernel.IRQCount(p.eth.Port.IRQ)),
		Polls:  st.Polls,
		Frames: p.eth.Device.Stats().RxPackets,
	}
}

// Sender is part of guest.Platform: by the device, below the stack.
func (p *platform) Sender(frame []byte, n int) (send func() error, err error) {
	parts := [][]byte{frame}
	return func() error {
		for i := range n {
			if st := p.eth.Device.Xmit(parts, 0); st != netdev.TxOK {
				return fmt.Errorf("frame %d: status %d", i, st)
			}
		}
		return nil
	}, nil
}

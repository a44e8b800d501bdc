package stack

import (
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"
	"unsafe"

	"gvisor.dev/gvisor/pkg/tcpip"

	"github.com/gasp-go/gasp/board/trap"
	"github.com/gasp-go/gasp/stack/netdev"
)

// port is a network interface in memory: a NAPI driver whose frames go to out.
type port struct {
	dev  *netdev.Device
	soft *netdev.Softnet
	napi netdev.NAPI
	ring [][]byte // received, not yet polled; trap context

	out  func(frame []byte) // trap context
	busy func() bool        // trap context; true: no room in the transmit ring
	drop bool               // trap context; frames to send are thrown away
	dead bool               // trap context; a full ring never has room again
	wake chan struct{}      // for the network thread
}

// makePort returns a port that nobody polls.
func makePort(name string, mac [6]byte) *port {
	p := &port{wake: make(chan struct{}, 1)}
	p.soft = netdev.NewSoftnet(func() { poke(p.wake) })
	p.dev = netdev.New(name, mac, 1500, p, p.soft)
	p.napi.Init(p.soft, name, netdev.Weight, p.poll)
	p.napi.Attach(p.dev)
	p.napi.Attach(p.dev)
	return p
}

// newPort returns a port with a network thread.
func newPort(t *testing.T, name string, mac [6]byte) *port {
	p := makePort(name, mac)
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-p.wake:
				for p.soft.Poll() {
				}
			case <-quit:
				return
			}
		}
	}()
	t.Cleanup(func() {
		if err := p.dev.Stop(); err != nil {
			t.Error(err)
		}
		close(quit)
		<-done
	})
	return p
}

// inTrap runs fn in trap context.
func inTrap(fn func()) { trap.Run(func(unsafe.Pointer) { fn() }, nil) }

// arrive is a frame from the wire. Trap context.
func (p *port) arrive(frame []byte) {
	p.ring = append(p.ring, frame)
	p.napi.Schedule()
}

// inject is arrive for goroutines.
func (p *port) inject(frame []byte) { inTrap(func() { p.arrive(frame) }) }

func (p *port) poll(budget int) int {
	p.dev.TxWake()
	n := 0
	for n < budget {
		var frame []byte
		inTrap(func() {
			if len(p.ring) > 0 {
				frame, p.ring = p.ring[0], p.ring[1:]
			}
		})
		if frame == nil {
			p.napi.CompleteDone(n)
			break
		}
		p.dev.Receive(frame, 0)
		n++
	}
	return n
}

func (p *port) Open() error {
	p.napi.Enable()
	p.dev.SetCarrier(true)
	return nil
}

func (p *port) Stop() error {
	p.napi.Disable()
	return nil
}

func (p *port) StartXmit(parts [][]byte, flags netdev.TxFlags) netdev.TxStatus {
	if p.busy != nil && p.busy() {
		if !p.dead {
			p.napi.Schedule() // the interrupt that says there is room
		}
		return netdev.TxBusy
	}
	if p.drop {
		return netdev.TxOK
	}
	frame := slices.Concat(parts...)
	netdev.InsertChecksums(frame, flags)
	p.out(frame)
	return netdev.TxOK
}

func (p *port) PollController()                    {}
func (p *port) PollRx(int, func(frame []byte)) int { return 0 }
func (p *port) TxIdle() bool                       { return true }
func (p *port) Seize() error                       { return nil }

// node is a stack on a port.
type node struct {
	*port
	*Stack
	mu    sync.Mutex
	infos []AddrInfo
	moved chan struct{} // infos grew
}

func newNode(t *testing.T, name string, last byte, clock tcpip.Clock) *node {
	n := &node{port: newPort(t, name, [6]byte{2, 0, 0, 0, 0, last}), moved: make(chan struct{}, 1)}
	var err error
	n.Stack, err = New(Config{
		Device: n.port.dev, Hostname: name, Clock: clock,
		Log: func(level int, msg string) { t.Logf("<%d> %s: %s", level, name, msg) },
	})
	if err != nil {
		t.Fatal(err)
	}
	n.OnAddress(func(a AddrInfo) {
		n.mu.Lock()
		n.infos = append(n.infos, a)
		n.mu.Unlock()
		poke(n.moved)
	})
	t.Cleanup(n.Close)
	return n
}

// await waits for an AddrInfo that satisfies ok.
func (n *node) await(t *testing.T, what string, ok func(AddrInfo) bool) AddrInfo {
	t.Helper()
	limit := time.After(20 * time.Second)
	for {
		if a := n.Addresses(); ok(a) {
			return a
		}
		select {
		case <-n.moved:
		case <-limit:
			t.Fatalf("%s: still %+v", what, n.Addresses())
		}
	}
}

// pair returns two nodes, 10.0.0.1/24 and 10.0.0.2/24, on one wire.
func pair(t *testing.T) (a, b *node) {
	a, b = newNode(t, "a", 1, nil), newNode(t, "b", 2, nil)
	a.out, b.out = b.arrive, a.arrive
	for i, n := range []*node{a, b} {
		if err := n.port.dev.Open(); err != nil {
			t.Fatal(err)
		}
		if err := n.Configure(t.Context(), IPConfig{
			Client:  netip.AddrFrom4([4]byte{10, 0, 0, byte(1 + i)}),
			Netmask: netip.MustParseAddr("255.255.255.0"),
			Gateway: netip.MustParseAddr("10.0.0.2"),
		}); err != nil && i == 0 {
			t.Fatal(err)
		}
	}
	if err := b.Configure(t.Context(), IPConfig{Client: netip.MustParseAddr("10.0.0.2"), Netmask: netip.MustParseAddr("255.255.255.0")}); err != nil {
		t.Fatal(err)
	}
	return a, b
}

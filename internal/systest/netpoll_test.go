package systest

import (
	"bytes"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/gasp-go/gasp/internal/qemu"
)

// numbers judges a sequence of datagrams: each number once, in order.
type numbers struct{ next, wrong uint32 }

func (n *numbers) take(p []byte) {
	if len(p) < 4 || be.Uint32(p) != n.next {
		n.wrong++
	}
	if len(p) >= 4 {
		n.next = be.Uint32(p) + 1
	}
}

// While netpoll sends from a timer's interrupt and from goroutines, as often as they
// get to, the stack's TCP and UDP lose nothing, double nothing and keep their order,
// and so does what netpoll sends.
func TestNetpollOfALiveSystemDisturbsNothing(t *testing.T) {
	t.Parallel()
	w := newWire(t)
	largeBuffer(w.conn)
	image := loadFirmware(t)
	const window = 16
	var mu sync.Mutex
	var echoed numbers
	var polled [3]numbers
	room := make(chan struct{}, window)
	w.forget = func(p packet) bool { return p.proto == protoUDP }
	w.on(func(p packet) {
		if p.proto != protoUDP {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		switch port := p.to.Port(); {
		case port >= 4000 && port < 4003:
			polled[port-4000].take(p.data)
		case port == 50000:
			echoed.take(p.data)
			select {
			case <-room:
			default:
			}
		}
	})
	g := w.boot(qemu.Options{Kernel: image, BootArgs: staticIP + " gasp.netpoll=1"})
	w.reachable()
	count := func() (n [4]uint32) {
		mu.Lock()
		defer mu.Unlock()
		return [4]uint32{echoed.next, polled[0].next, polled[1].next, polled[2].next}
	}
	before := count()

	page := strings.Repeat("All work and no play makes Jack a dull boy.\n", 465)
	const echoes = 2000
	done := make(chan struct{})
	go func() { // datagrams, while pages come
		defer close(done)
		for i := range uint32(echoes) {
			select {
			case room <- struct{}{}:
			case <-g.ctx.Done():
				return
			}
			data := be.AppendUint32(nil, i)
			w.send(w.to4(udp(netip.AddrPortFrom(peerIP, 50000), netip.AddrPortFrom(guestIP, portEcho), append(data, pattern(200)...))))
		}
	}()
	for range 30 {
		body, err := w.fetch("GET", "/")
		if err != nil || !bytes.Equal([]byte(body), []byte(page)) {
			t.Fatalf("%d bytes of %d, %v", len(body), len(page), err)
		}
	}
	<-done
	g.retry("the last echo", func() error {
		if n := count()[0]; n != echoes {
			return errors.New("it is missing")
		}
		return nil
	})
	after := count()
	mu.Lock()
	defer mu.Unlock()
	if echoed.wrong != 0 {
		t.Errorf("echoes: %d out of order, lost or doubled", echoed.wrong)
	}
	for i, n := range polled {
		if sent := after[i+1] - before[i+1]; n.wrong != 0 || sent < 200 {
			t.Errorf("stream %d of netpoll: %d datagrams meanwhile, %d out of order, lost or doubled", i, sent, n.wrong)
		}
	}
	t.Logf("%v datagrams by netpoll meanwhile", [3]uint32{after[1] - before[1], after[2] - before[2], after[3] - before[3]})
	g.unharmed()
}

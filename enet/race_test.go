package enet

import (
	"bytes"
	"encoding/binary"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gasp-go/gasp/stack/netdev"
)

// Senders, the network thread, the monitor, readers of statistics and netpoll
// at the same time: every frame accepted is sent once and every frame
// delivered is received or seen by netpoll once.
func TestEverybodyAtOnce(t *testing.T) {
	b := openBench(t, rings(16, 16), func(c *Config) { c.Period = time.Millisecond })
	const senders, frames = 4, 300
	var received, polled atomic.Uint64
	b.mac.dev.SetReceive(func(f []byte, _ netdev.RxFlags) { received.Add(1) })
	stop, stopped := make(chan struct{}), make(chan struct{})
	var others, network, work sync.WaitGroup
	repeat := func(stop chan struct{}, others *sync.WaitGroup, fn func()) {
		others.Add(1)
		go func() {
			defer others.Done()
			for {
				select {
				case <-stop:
					return
				default:
					fn()
				}
			}
		}()
	}
	background := func(fn func()) { repeat(stop, &others, fn) }
	repeat(stopped, &network, func() { // interrupts and the network thread, which stopping the device needs
		if b.model.IRQ() {
			inTrap(b.mac.Interrupt)
		}
		b.soft.Poll()
	})
	background(func() { b.mac.Stats() })
	background(func() { // netpoll of a live system
		inTrap(func() {
			b.mac.PollController()
			polled.Add(uint64(b.mac.PollRx(2, func([]byte) {})))
		})
		time.Sleep(50 * time.Microsecond)
	})
	for s := range senders {
		work.Add(1)
		go func() {
			defer work.Done()
			for i := 0; i < frames; {
				f := frame(otherMAC, 100, s<<16|i)
				if b.mac.dev.Xmit([][]byte{f[:14], f[14:]}, 0) == netdev.TxOK {
					i++
				}
			}
		}()
	}
	delivered := uint64(0)
	for delivered < 2000 {
		if b.model.Deliver(frame(ourMAC, 100, int(delivered))) {
			delivered++
		} else {
			time.Sleep(10 * time.Microsecond)
		}
	}
	work.Wait()
	for deadline := time.Now().Add(10 * time.Second); received.Load()+polled.Load() < delivered && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	close(stop)
	others.Wait()
	if n := received.Load() + polled.Load(); n != delivered {
		t.Errorf("%d frames received (%d by netpoll), %d delivered", n, polled.Load(), delivered)
	}
	next := [senders]int{}
	for _, f := range b.model.Sent() {
		id := int(binary.BigEndian.Uint32(f[14:]))
		s := id >> 16
		if id&0xffff != next[s] || !bytes.Equal(f, frame(otherMAC, 100, id)) {
			t.Fatalf("sender %d: frame %d, want %d", s, id&0xffff, next[s])
		}
		next[s]++
	}
	for s := range senders {
		if next[s] != frames {
			t.Errorf("sender %d: %d frames sent", s, next[s])
		}
	}
	b.irqOn = false
	if err := b.mac.dev.Stop(); err != nil {
		t.Error(err)
	}
	close(stopped)
	network.Wait()
}

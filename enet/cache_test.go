package enet

import (
	"bytes"
	"testing"

	"github.com/gasp-go/gasp/board/dma"
	"github.com/gasp-go/gasp/internal/macmodel"
	"github.com/gasp-go/gasp/stack/netdev"
)

// runCached receives frames into buffers behind a cache, with a receiver that
// writes all over them, as an XDP program may, and returns how many of 60 came up
// wrong.
func runCached(t *testing.T, skip func(call int) bool) (wrong int) {
	const phys = 0x90000000
	cache := macmodel.NewCache(64 << 10)
	b := newBench(t, rings(4, 4), func(c *Config) {
		c.RxBuffers = dma.NewStreaming(cache.CPU(), phys, cache)
	})
	b.model.AddMemory(cache.Memory(), phys)
	if err := b.mac.dev.Open(); err != nil {
		t.Fatal(err)
	}
	cache.Skip(skip)
	var want []byte
	b.mac.dev.SetReceive(func(f []byte, _ netdev.RxFlags) {
		b.n++
		if !bytes.Equal(f, want) {
			wrong++
		}
		for i := range f {
			f[i] ^= 0x5a
		}
	})
	for i := range 60 {
		want = frame(ourMAC, 60+i*24, i)
		b.model.Deliver(want)
		if i%6 == 5 { // once in more frames than the ring has buffers
			cache.EvictDirty() // at the worst moment: the device has just written
		}
		b.step()
	}
	if skip == nil && b.n != 60 {
		t.Errorf("%d frames came up", b.n)
	}
	return wrong + 60 - b.n // a wrong address is dropped by the filter
}

func TestCachedReceiveBuffersAreMaintainedInTheRightOrder(t *testing.T) {
	if n := runCached(t, nil); n != 0 {
		t.Errorf("%d of 60 frames came up wrong", n)
	}
	// The test itself would notice: each frame has two invalidations, before
	// the CPU reads it and before the device gets the buffer back.
	for i, name := range []string{"before reading", "before giving back"} {
		if n := runCached(t, func(call int) bool { return call%2 == i }); n == 0 {
			t.Errorf("without the invalidation %s nothing goes wrong", name)
		}
	}
}

func TestStreamingBuffersAreInvalidatedBeforeTheDeviceFirstGetsThem(t *testing.T) {
	cache := macmodel.NewCache(16 << 10)
	for i := range cache.CPU() { // dirty, as memory is that was just cleared
		cache.CPU()[i] = 1
	}
	b := newBench(t, rings(4, 4), func(c *Config) { c.RxBuffers = dma.NewStreaming(cache.CPU(), 0x90000000, cache) })
	b.model.AddMemory(cache.Memory(), 0x90000000)
	if err := b.mac.dev.Open(); err != nil {
		t.Fatal(err)
	}
	f := frame(ourMAC, 60, 1)
	b.model.Deliver(f)
	cache.EvictDirty()
	b.step()
	if len(b.got) != 1 || !bytes.Equal(b.got[0], f) {
		t.Error("the first frame is overwritten by what the buffer was cleared with")
	}
}

// The spare buffer gets to the device only when netpoll takes over from a poll that
// does not come back.
func TestTheSpareBufferIsInvalidatedBeforeTheDeviceGetsIt(t *testing.T) {
	cache := macmodel.NewCache(16 << 10)
	b := newBench(t, rings(4, 4), func(c *Config) { c.RxBuffers = dma.NewStreaming(cache.CPU(), 0x90000000, cache) })
	b.model.AddMemory(cache.Memory(), 0x90000000)
	for i := range cache.CPU() { // dirty, as memory is that was just cleared
		cache.CPU()[i] = 1
	}
	if err := b.mac.dev.Open(); err != nil {
		t.Fatal(err)
	}
	b.mac.dev.SetReceive(func(f []byte, _ netdev.RxFlags) {
		if b.n == 0 {
			inTrap(func() { b.mac.TakeRx(4, func([]byte) {}) })
		}
		b.n++
		b.got = append(b.got, bytes.Clone(f))
	})
	for i := range 5 { // the last one's descriptor has the spare
		b.model.Deliver(frame(ourMAC, 600, i))
		if i == 4 {
			cache.EvictDirty()
		}
		b.step()
	}
	for i, f := range b.got {
		if !bytes.Equal(f, frame(ourMAC, 600, i)) {
			t.Errorf("frame %d is overwritten by what its buffer was cleared with", i)
		}
	}
	if len(b.got) != 5 {
		t.Errorf("%d frames came up", len(b.got))
	}
}

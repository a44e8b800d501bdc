package systest

import (
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
)

// flood puts frames on the wire, to the guest's discard port, to its echo port
// from nowhere in particular and to nobody, until the function it returns is
// called.
func (w *wire) flood() (stop func()) {
	var frames [][]byte
	for i := range 64 {
		us := netip.AddrPortFrom(peerIP, uint16(50000+i))
		port := []uint16{portDiscard, portDiscard, 4242, portEcho}[i%4]
		f := w.to4(udp(us, netip.AddrPortFrom(guestIP, port), pattern(20*i)))
		if i%8 == 7 {
			f[5] ^= 1 // another station
		}
		frames = append(frames, f)
	}
	var over atomic.Bool
	var done sync.WaitGroup
	done.Go(func() {
		for i := 0; !over.Load() && w.t.Context().Err() == nil; i++ {
			w.send(frames[i%len(frames)])
			if i%16 == 15 {
				runtime.Gosched()
			}
		}
	})
	stop = func() {
		over.Store(true)
		done.Wait()
	}
	w.t.Cleanup(stop)
	return stop
}

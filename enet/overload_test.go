package enet

import (
	"testing"

	"github.com/gasp-go/gasp/stack/netdev"
)

// TestFramesBeyondTheCPUAreLostInTheRingAndCounted has twice as many frames
// arrive as are polled. QEMU's ENET never overruns, so that this is shown on the
// model, which counts as the manual says: IEEE_R_MACERR, receive FIFO overflow.
func TestFramesBeyondTheCPUAreLostInTheRingAndCounted(t *testing.T) {
	b := openBench(t, rings(netdev.Weight, 4))
	b.quiet = true
	const rounds = 100
	sent, lost := uint64(0), uint64(0)
	for range rounds {
		for range 2 * netdev.Weight {
			sent++
			if !b.model.Deliver(frame(ourMAC, 60, 0)) {
				lost++
			}
		}
		b.step()
	}
	good := b.stat("rx_good")
	if good != rounds*netdev.Weight || good+lost != sent {
		t.Errorf("of %d frames %d came up and %d found no descriptor", sent, good, lost)
	}
	b.wantStat("IEEE_rx_macerr", lost)
	if s := b.mac.dev.Stats(); s.RxPackets != good || s.RxMissedErrors != lost || s.RxDropped != 0 {
		t.Errorf("work was spent on frames that were lost: %+v", s)
	}
	b.quiet = false
	b.wantAlive()
}

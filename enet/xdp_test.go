package enet

import (
	"bytes"
	"testing"

	"github.com/gasp-go/gasp/internal/macmodel"
	"github.com/gasp-go/gasp/stack/netdev"
)

// swap is an XDP program that sends each frame back to its sender.
func swap(frame []byte) netdev.XDPAction {
	var mac [6]byte
	copy(mac[:], frame)
	copy(frame[:6], frame[6:12])
	copy(frame[6:12], mac[:])
	return netdev.XDPTx
}

func TestXDPSendsBackUntilTheRingIsFullAndCountsTheRest(t *testing.T) {
	b := openBench(t, rings(16, 4))
	up := 0
	b.mac.dev.SetReceive(func(_ []byte, _ netdev.RxFlags) { up++ })
	b.mac.dev.SetXDP(swap)
	b.model.SetFaults(func(f *macmodel.Faults) { f.TxManual = true })
	const frames = 10
	for i := range frames {
		b.model.Deliver(frame(ourMAC, 60+i, i))
		b.step()
	}
	b.model.SetFaults(func(f *macmodel.Faults) { f.TxManual = false })
	b.model.RunTx(frames)
	sent := b.model.Sent()
	st := b.mac.dev.XDPStats()
	if up != 0 || len(sent) == 0 || len(sent) > 4 || st.Tx != uint64(len(sent)) || st.TxErrors != frames-st.Tx {
		t.Fatalf("%d frames sent, %d to the stack, %+v", len(sent), up, st)
	}
	for i, s := range sent {
		want := frame(ourMAC, 60+i, i)
		swap(want)
		if !bytes.Equal(s, want) {
			t.Errorf("frame %d came back as %x", i, s)
		}
	}
	b.mac.dev.SetXDP(nil)
	b.model.Deliver(frame(ourMAC, 60, 0))
	b.step()
	if up != 1 {
		t.Errorf("without the program %d frames came up", up)
	}
	b.wantStat("rx_ring_filled", 0)
}

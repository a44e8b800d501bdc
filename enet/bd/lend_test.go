package bd

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
)

// A lent buffer is the device's again only after Return, and no two descriptors ever
// share one, however often the ring goes round.
func TestALentBufferIsNobodyElses(t *testing.T) {
	const n = 3
	r := newRX(t, n)
	addrs := func() (a []uint32) {
		for s := range n {
			_, addr, _ := r.Words(s)
			a = append(a, addr)
		}
		return a
	}
	fill := func() { // the device fills the next descriptor
		d := r.word(r.next.slot)
		store(d, wordStatus, Last<<16|r.wrap(r.next.slot)|60)
	}
	for round := range 40 {
		fill()
		var d RxDesc
		if !r.Next(&d) {
			t.Fatal("no frame")
		}
		data := r.Data(d.Length)
		if round%4 != 1 {
			r.Recycle()
			continue
		}
		copy(data, bytes.Repeat([]byte{byte(round)}, 60))
		_, own, _ := r.Words(r.Slot())
		if !r.Lend() || r.Lend() || !r.Lent() {
			t.Fatal("one can be lent, and one only")
		}
		for range 2 * n {
			fill()
			r.Next(&d)
			binary.LittleEndian.PutUint32(r.Data(d.Length), 0xffffffff)
			r.Recycle()
			if a := addrs(); slices.Contains(a, own) {
				t.Fatalf("round %d: the lent buffer is in the ring: %x", round, a)
			}
		}
		if !bytes.Equal(data, bytes.Repeat([]byte{byte(round)}, 60)) {
			t.Fatalf("round %d: the lent buffer was written to", round)
		}
		if r.Return(); r.Lent() {
			t.Fatal("lent after Return")
		}
		if a := addrs(); len(slices.Compact(slices.Sorted(slices.Values(a)))) != n {
			t.Fatalf("round %d: buffers %x", round, a)
		}
	}
}

// What waits in a transmit ring can be read back, wherever in the ring it is.
func TestWhatWaitsInATransmitRingCanBeRead(t *testing.T) {
	r := newTX(t, 4)
	for round := range 9 {
		for i := range 3 {
			send(r, 60+i, func(b []byte) { b[0] = byte(round + i) })
		}
		for i := range 3 {
			if f, c := r.Waiting(i); len(f) != 60+i || f[0] != byte(round+i) || c != TxInt {
				t.Fatalf("round %d, frame %d: %d bytes, control %#x", round, i, len(f), c)
			}
		}
		if f, _ := r.Waiting(3); f != nil {
			t.Error("a frame more")
		}
		if f, _ := r.Waiting(-1); f != nil {
			t.Error("a frame before the first")
		}
		for range 3 { // sent
			d := r.word(r.tail.slot)
			store(d, wordStatus, load(d, wordStatus)&^(Ready<<16))
			r.Reclaim()
		}
	}
}

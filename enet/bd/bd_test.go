package bd

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"testing"

	"github.com/gasp-go/gasp/board/dma"
)

const phys = 0x80100000

func region(size int) *dma.Region { return dma.NewRegion(make([]byte, size), phys) }

// receive takes the oldest filled descriptor, has body look at it and gives it
// back.
func receive(r *RX, body func(d RxDesc, data []byte)) bool {
	var d RxDesc
	if !r.Next(&d) {
		return false
	}
	body(d, r.Data(d.Length))
	r.Recycle()
	r.Flush()
	return true
}

// send queues one frame of length bytes that fill has written.
func send(t *TX, length int, fill func(buf []byte)) bool {
	buf := t.Buffer()
	if buf == nil {
		return false
	}
	fill(buf[:length])
	t.Send(length, TxInt)
	t.Flush()
	return true
}

func newRX(t testing.TB, n int) *RX {
	t.Helper()
	mem := region(1 << 20)
	r, err := NewRX(mem, mem, n, 256)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func newTX(t testing.TB, n int) *TX {
	t.Helper()
	r, err := NewTX(region(1<<20), n, 256)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// device is the other side of a ring, byte by byte as the manual has it.
type device struct {
	mem  []byte
	next int
	n    int
}

func (d *device) desc() []byte { return d.mem[d.next*Size : d.next*Size+Size] }
func (d *device) status() uint16 {
	return binary.LittleEndian.Uint16(d.desc()[2:])
}
func (d *device) set(status, length uint16) {
	wrap := d.status()&Wrap != 0
	binary.LittleEndian.PutUint16(d.desc()[0:], length)
	binary.LittleEndian.PutUint16(d.desc()[2:], status)
	d.next++
	if wrap {
		d.next = 0
	}
}

func TestDescriptorsAreLittleEndianLengthStatusAddress(t *testing.T) {
	tx := newTX(t, 3)
	for i := range 3 {
		send(tx, 0x80+i, func([]byte) {})
	}
	for i := range 3 {
		d := tx.desc.Bytes[i*Size:]
		want := uint16(Ready | Last | TxCRC)
		if i == 2 {
			want |= Wrap
		}
		if l, s, a := binary.LittleEndian.Uint16(d), binary.LittleEndian.Uint16(d[2:]), binary.LittleEndian.Uint32(d[4:]); l != uint16(0x80+i) || s != want || a != tx.buf.Phys+uint32(i)*256 {
			t.Errorf("descriptor %d: length %#x status %#x address %#x", i, l, s, a)
		}
	}
}

func TestRingsAndBuffersAreAligned(t *testing.T) {
	reg := region(1 << 20)
	if _, err := reg.Alloc(3, 1); err != nil {
		t.Fatal(err)
	}
	rx, err := NewRX(reg, reg, 5, 192)
	if err != nil {
		t.Fatal(err)
	}
	tx, err := NewTX(reg, 5, 192)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []uint32{rx.Base(), tx.Base(), rx.buf.Phys, tx.buf.Phys} {
		if a%Align != 0 {
			t.Errorf("%#x is not aligned", a)
		}
	}
}

func TestBadRingsAreRefused(t *testing.T) {
	for _, c := range []struct{ n, size int }{{1, 256}, {0, 256}, {-1, 256}, {8, 0}, {8, 100}, {8, 1 << 16}} {
		if _, err := NewRX(region(1<<20), region(1<<20), c.n, c.size); !errors.Is(err, ErrRing) {
			t.Errorf("NewRX(%d, %d): %v", c.n, c.size, err)
		}
		if _, err := NewTX(region(1<<20), c.n, c.size); !errors.Is(err, ErrRing) {
			t.Errorf("NewTX(%d, %d): %v", c.n, c.size, err)
		}
	}
	if _, err := NewRX(region(1024), region(1024), 16, 256); err == nil {
		t.Error("a ring larger than the region was made")
	}
}

func TestReceiveLendsFramesInOrderAndGivesThemBack(t *testing.T) {
	for _, n := range []int{2, 3, 8, 129} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			rx := newRX(t, n)
			rx.next.seq = ^uint32(0) - 3 // the free-running index wraps too
			dev := device{mem: rx.desc.Bytes, n: n}
			sent, got := 0, 0
			for round := range 1000 {
				for burst := round%(n+1) + 1; burst > 0 && dev.status()&Empty != 0; burst-- {
					rx.buf.Bytes[dev.next*256] = byte(sent)
					dev.set(Last|dev.status()&Wrap, 60)
					sent++
				}
				if rx.Filled() != sent-got {
					t.Fatalf("%d filled, want %d", rx.Filled(), sent-got)
				}
				for receive(rx, func(d RxDesc, data []byte) {
					if data[0] != byte(got) || d.Length != 60 || len(data) != 60 {
						t.Fatalf("frame %d: data %d length %d", got, data[0], d.Length)
					}
					got++
				}) {
				}
				if got != sent || rx.Filled() != 0 || rx.Pending() {
					t.Fatal("frames left")
				}
			}
		})
	}
}

func TestRecycledDescriptorForgetsOldFlags(t *testing.T) {
	rx := newRX(t, 2)
	dev := device{mem: rx.desc.Bytes}
	dev.set(Last|TooLong|Truncated|BadCRC|NonOctet|Overrun|Miss, 200)
	receive(rx, func(RxDesc, []byte) {})
	if w, _, _ := rx.Words(0); w != Empty<<16 {
		t.Errorf("recycled as %#x, want only E", w)
	}
	dev.set(Last|Wrap, 200)
	receive(rx, func(RxDesc, []byte) {})
	if w, _, _ := rx.Words(1); w != (Empty|Wrap)<<16 {
		t.Errorf("recycled as %#x, want E and W", w)
	}
}

func TestRecycledDescriptorPointsAtItsOwnBuffer(t *testing.T) {
	rx := newRX(t, 4)
	dev := device{mem: rx.desc.Bytes}
	binary.LittleEndian.PutUint32(dev.desc()[4:], 0xdeadbeef)
	dev.set(Last, 60)
	receive(rx, func(RxDesc, []byte) {})
	if _, a, _ := rx.Words(0); a != rx.buf.Phys {
		t.Errorf("address %#x", a)
	}
}

func TestFullTransmitRingRefusesAndLosesNothing(t *testing.T) {
	for _, n := range []int{2, 3, 16, 130} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			tx := newTX(t, n)
			tx.head.seq, tx.tail.seq = ^uint32(0)-1, ^uint32(0)-1
			dev := device{mem: tx.desc.Bytes}
			next, out := 0, 0
			for range 500 {
				for send(tx, 64, func(b []byte) { binary.LittleEndian.PutUint32(b, uint32(next)) }) {
					next++
				}
				if tx.Free() != 0 || tx.Queued() != n {
					t.Fatalf("full ring: %d free, %d queued", tx.Free(), tx.Queued())
				}
				for range 1 + next%n { // the device sends some, in order
					if dev.status()&Ready == 0 {
						t.Fatal("device found an unready descriptor in a full ring")
					}
					if v := binary.LittleEndian.Uint32(tx.buf.Bytes[dev.next*256:]); v != uint32(out) {
						t.Fatalf("sent %d, want %d", v, out)
					}
					out++
					dev.set(dev.status()&^Ready, 64)
				}
				if !tx.Done() || tx.Reclaim() == 0 {
					t.Fatal("nothing reclaimed")
				}
			}
		})
	}
}

func TestResetForgetsEverything(t *testing.T) {
	tx := newTX(t, 4)
	for range 3 {
		send(tx, 64, func([]byte) {})
	}
	if n := tx.Reset(); n != 3 || tx.Queued() != 0 || tx.Head() != 0 {
		t.Errorf("%d queued, %d left", n, tx.Queued())
	}
	for i := range 4 {
		if w, _, _ := tx.Words(i); w>>16&Ready != 0 {
			t.Errorf("descriptor %d still ready", i)
		}
	}
	// An update that was interrupted for good cannot make the numbers absurd.
	tx.head.seq = 100
	if tx.Queued() != 4 || tx.Free() != 0 {
		t.Errorf("queued %d free %d", tx.Queued(), tx.Free())
	}
}

func TestFramesOfSeveralPartsEndInTheirLastDescriptorOnly(t *testing.T) {
	for start := range 5 { // the frame lies across the end of the ring, too
		tx := newTX(t, 5)
		dev := device{mem: tx.desc.Bytes}
		for range start {
			send(tx, 64, func([]byte) {})
			dev.set(dev.status()&^Ready, 64)
		}
		tx.Reclaim()
		parts := []Part{{0x1000, 14}, {0x2003, 100}, {0x3001, 1}}
		if !tx.SendParts(parts, TxInt|SumProto) {
			t.Fatal("refused")
		}
		if tx.Free() != 2 || tx.SendParts(parts, 0) {
			t.Fatalf("%d free, or a frame went in for which there is no room", tx.Free())
		}
		for i, p := range parts {
			slot := (start + i) % 5
			w, a, c := tx.Words(slot)
			status, control := uint32(Ready), uint32(SumProto)
			if i == 2 {
				status, control = Ready|Last|TxCRC, TxInt|SumProto
			}
			if slot == 4 {
				status |= Wrap
			}
			if w != status<<16|p.Len || a != p.Phys || c != control {
				t.Errorf("start %d, part %d: status %#x address %#x control %#x", start, i, w, a, c)
			}
		}
		for i := range parts {
			dev.set(dev.status()&^Ready, 0)
			if n := tx.Reclaim(); n != i/2 { // counts with its end
				t.Errorf("after %d descriptors %d frames", i+1, n)
			}
		}
		if tx.Queued() != 0 {
			t.Errorf("%d left", tx.Queued())
		}
	}
	tx := newTX(t, 4)
	for _, parts := range [][]Part{nil, make([]Part, 5)} {
		if tx.SendParts(parts, 0) {
			t.Errorf("a frame of %d parts was accepted", len(parts))
		}
	}
	tx.SendParts([]Part{{0x1000, 60}}, 0)
	if w, _, _ := tx.Words(0); w != (Ready|Last|TxCRC)<<16|60 {
		t.Errorf("one part: %#x", w)
	}
	tx.SendParts(make([]Part, 3), 0)
	if n := tx.Reset(); n != 2 {
		t.Errorf("%d frames of four descriptors forgotten", n)
	}
}

// A device at work must never see the beginning of a frame before its end.
func TestFirstDescriptorOfAFrameIsGivenAwayLast(t *testing.T) {
	tx := newTX(t, 3)
	parts := []Part{{0x1000, 14}, {0x2000, 100}, {0x3000, 100}}
	done := make(chan int)
	go func() { // the device: it looks at the first descriptor only
		bad := 0
		for range 400 {
			for {
				if w, _, _ := tx.Words(0); w>>16&Ready != 0 {
					break
				}
			}
			for slot := 1; slot < 3; slot++ {
				if w, _, _ := tx.Words(slot); w>>16&Ready == 0 {
					bad++
				}
			}
			for slot := 2; slot >= 0; slot-- {
				w := tx.word(uint32(slot))
				store(w, wordStatus, load(w, wordStatus)&^(Ready<<16))
			}
		}
		done <- bad
	}()
	for range 400 {
		for !tx.SendParts(parts, 0) {
			tx.Reclaim()
			runtime.Gosched()
		}
	}
	if bad := <-done; bad != 0 {
		t.Errorf("%d times a frame without its end was ready", bad)
	}
}

func TestNothingAllocates(t *testing.T) {
	tx, rx := newTX(t, 8), newRX(t, 8)
	txd, rxd := device{mem: tx.desc.Bytes}, device{mem: rx.desc.Bytes}
	frame := make([]byte, 100)
	n := 0
	if a := testing.AllocsPerRun(1000, func() {
		send(tx, len(frame), func(b []byte) { copy(b, frame) })
		txd.set(txd.status()&^Ready, 0)
		tx.Reclaim()
		rxd.set(Last|rxd.status()&Wrap, 60)
		receive(rx, func(d RxDesc, _ []byte) { n += d.Length })
	}); a != 0 {
		t.Errorf("%v allocations", a)
	}
}

// FuzzReceive lets the device write whatever it likes into the descriptors.
func FuzzReceive(f *testing.F) {
	f.Add([]byte{0x3c, 0, 0, 0x08, 1, 2, 3, 4})
	f.Add(bytes.Repeat([]byte{0xff, 0xff, 0x7f, 0x7f}, 16))
	f.Add(make([]byte, 64))
	f.Fuzz(func(t *testing.T, words []byte) {
		mem := region(8192)
		rx, err := NewRX(mem, mem, 8, 256)
		if err != nil {
			t.Fatal(err)
		}
		for round := range 4 {
			copy(rx.desc.Bytes, words)
			for i := 0; i < 16 && receive(rx, func(d RxDesc, data []byte) {
				if len(data) > 256 || cap(data) > 256 || len(data) > d.Length {
					t.Fatalf("lent %d bytes (cap %d) for length %d", len(data), cap(data), d.Length)
				}
				if d.Status&Empty != 0 {
					t.Fatal("lent a descriptor that is the device's")
				}
			}); i++ {
			}
			if len(words) > round {
				words = words[round:]
			}
		}
	})
}

package bd

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"github.com/gasp-go/gasp/board/dma"
)

const phys = 0x80100000

func region(size int) *dma.Region { return dma.NewRegion(make([]byte, size), phys) }

func newRX(t testing.TB, n int) *RX {
	t.Helper()
	r, err := NewRX(region(1<<20), n, 256)
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
		tx.Send(0x80+i, func([]byte) {})
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
	rx, err := NewRX(reg, 5, 192)
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
		if _, err := NewRX(region(1<<20), c.n, c.size); !errors.Is(err, ErrRing) {
			t.Errorf("NewRX(%d, %d): %v", c.n, c.size, err)
		}
		if _, err := NewTX(region(1<<20), c.n, c.size); !errors.Is(err, ErrRing) {
			t.Errorf("NewTX(%d, %d): %v", c.n, c.size, err)
		}
	}
	if _, err := NewRX(region(1024), 16, 256); err == nil {
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
				for rx.Receive(func(st uint16, l int, data []byte) {
					if data[0] != byte(got) || l != 60 || len(data) != 60 {
						t.Fatalf("frame %d: data %d length %d", got, data[0], l)
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
	rx.Receive(func(uint16, int, []byte) {})
	if w, _ := rx.Word(0); w != Empty<<16 {
		t.Errorf("recycled as %#x, want only E", w)
	}
	dev.set(Last|Wrap, 200)
	rx.Receive(func(uint16, int, []byte) {})
	if w, _ := rx.Word(1); w != (Empty|Wrap)<<16 {
		t.Errorf("recycled as %#x, want E and W", w)
	}
}

func TestRecycledDescriptorPointsAtItsOwnBuffer(t *testing.T) {
	rx := newRX(t, 4)
	dev := device{mem: rx.desc.Bytes}
	binary.LittleEndian.PutUint32(dev.desc()[4:], 0xdeadbeef)
	dev.set(Last, 60)
	rx.Receive(func(uint16, int, []byte) {})
	if _, a := rx.Word(0); a != rx.buf.Phys {
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
				for tx.Send(64, func(b []byte) { binary.LittleEndian.PutUint32(b, uint32(next)) }) {
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

func TestSendRefusesWhatDoesNotFitTheBuffer(t *testing.T) {
	tx := newTX(t, 4)
	for _, l := range []int{-1, 257, 1 << 20} {
		if tx.Send(l, func([]byte) { t.Error("called") }) {
			t.Errorf("%d bytes accepted", l)
		}
	}
}

func TestResetForgetsEverything(t *testing.T) {
	tx := newTX(t, 4)
	for range 3 {
		tx.Send(64, func([]byte) {})
	}
	if n := tx.Reset(); n != 3 || tx.Queued() != 0 || tx.Head() != 0 {
		t.Errorf("%d queued, %d left", n, tx.Queued())
	}
	for i := range 4 {
		if w, _ := tx.Word(i); w>>16&Ready != 0 {
			t.Errorf("descriptor %d still ready", i)
		}
	}
	// An update that was interrupted for good cannot make the numbers absurd.
	tx.head.seq = 100
	if tx.Queued() != 4 || tx.Free() != 0 {
		t.Errorf("queued %d free %d", tx.Queued(), tx.Free())
	}
}

func TestNothingAllocates(t *testing.T) {
	tx, rx := newTX(t, 8), newRX(t, 8)
	txd, rxd := device{mem: tx.desc.Bytes}, device{mem: rx.desc.Bytes}
	frame := make([]byte, 100)
	n := 0
	if a := testing.AllocsPerRun(1000, func() {
		tx.Send(len(frame), func(b []byte) { copy(b, frame) })
		txd.set(txd.status()&^Ready, 0)
		tx.Reclaim()
		rxd.set(Last|rxd.status()&Wrap, 60)
		rx.Receive(func(_ uint16, l int, d []byte) { n += l })
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
		rx, err := NewRX(region(8192), 8, 256)
		if err != nil {
			t.Fatal(err)
		}
		for round := range 4 {
			copy(rx.desc.Bytes, words)
			for i := 0; i < 16 && rx.Receive(func(st uint16, l int, data []byte) {
				if len(data) > 256 || cap(data) > 256 || len(data) > l {
					t.Fatalf("lent %d bytes (cap %d) for length %d", len(data), cap(data), l)
				}
				if st&Empty != 0 {
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

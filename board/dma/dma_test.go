package dma

import "testing"

func TestAllocationsAreAlignedApartAndZero(t *testing.T) {
	mem := make([]byte, 4096)
	for i := range mem {
		mem[i] = 0xff
	}
	r := NewRegion(mem, 0x80000010)
	end := uint32(0)
	for _, c := range []struct{ size, align int }{{1, 1}, {64, 64}, {3, 1}, {100, 16}, {8, 256}} {
		m, err := r.Alloc(c.size, c.align)
		if err != nil {
			t.Fatal(err)
		}
		if m.Phys%uint32(c.align) != 0 || m.Phys < end || len(m.Bytes) != c.size || cap(m.Bytes) != c.size {
			t.Errorf("%+v: at %#x after %#x, %d bytes", c, m.Phys, end, len(m.Bytes))
		}
		for i, b := range m.Bytes {
			if b != 0 {
				t.Fatalf("byte %d is %#x", i, b)
			}
		}
		if m.Addr(0) != (Mem{Bytes: mem[m.Phys-0x80000010:]}).Addr(0) {
			t.Error("bytes and bus address disagree")
		}
		end = m.Phys + uint32(c.size)
	}
}

func TestBadAllocationsAreErrors(t *testing.T) {
	r := NewRegion(make([]byte, 128), 0)
	for _, c := range []struct{ size, align int }{{0, 1}, {-1, 1}, {1, 0}, {1, 3}, {1, -4}, {129, 1}, {1 << 30, 1}} {
		if _, err := r.Alloc(c.size, c.align); err == nil {
			t.Errorf("%+v was granted", c)
		}
	}
	if _, err := r.Alloc(128, 64); err != nil {
		t.Error("refused allocations cost memory:", err)
	}
	if _, err := r.Alloc(1, 1); err == nil {
		t.Error("more than there is was granted")
	}
}

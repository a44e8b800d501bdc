package inet

import (
	"math/rand/v2"
	"testing"
)

// reference is the sum as RFC 1071 defines it, in the plainest words.
func reference(b []byte) uint16 {
	var s uint64
	for i, c := range b {
		if i%2 == 0 {
			s += uint64(c) << 8
		} else {
			s += uint64(c)
		}
	}
	for s>>16 != 0 {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}

// same treats both zeros of one's complement alike.
func same(a, b uint16) bool { return a == b || a+b == 0xffff && (a == 0 || b == 0) }

func TestSumIsRFC1071sAtEveryLengthAndAlignment(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	buf := make([]byte, 400)
	for _, fill := range []string{"random", "ones", "zeros"} {
		for i := range buf {
			buf[i] = map[string]byte{"random": byte(rng.Uint32()), "ones": 0xff}[fill]
		}
		for off := range 5 {
			for n := 0; n+off <= len(buf); n++ {
				b := buf[off : off+n]
				if got, want := Fold(Sum(b, 0)), reference(b); !same(got, want) {
					t.Fatalf("%s, %d bytes at %d: %#04x, want %#04x", fill, n, off, got, want)
				}
				if got, want := uint16(sum(b)), uint16(sumGeneric(b)); !same(got, want) {
					t.Fatalf("%s, %d bytes at %d: sum %#04x, generic %#04x", fill, n, off, got, want)
				}
			}
		}
	}
}

func TestSumsGoOn(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	buf := make([]byte, 101)
	for i := range buf {
		buf[i] = byte(rng.Uint32())
	}
	for cut := range buf {
		rest := Sum(buf[cut:], 0)
		if cut%2 != 0 {
			rest = Swap(rest)
		}
		if got, want := Fold(Add(Sum(buf[:cut], 0), rest)), reference(buf); !same(got, want) {
			t.Errorf("cut at %d: %#04x, want %#04x", cut, got, want)
		}
	}
	if got := Fold(Sum(buf, 0xffffffff)); !same(got, reference(buf)) {
		t.Errorf("added to minus zero: %#04x", got)
	}
}

func TestPseudoHeader(t *testing.T) {
	addrs := []byte{10, 0, 0, 1, 10, 0, 0, 2}
	flat := append(append([]byte{}, addrs...), 0, 17, 0x12, 0x34)
	if got, want := Fold(Pseudo(addrs, 17, 0x1234)), reference(flat); got != want {
		t.Errorf("%#04x, want %#04x", got, want)
	}
}

func BenchmarkSum1460(b *testing.B) {
	buf := make([]byte, 1460)
	b.SetBytes(1460)
	for b.Loop() {
		Sum(buf, 0)
	}
}

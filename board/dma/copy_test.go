package dma

import (
	"bytes"
	"testing"
)

func TestCopyCopiesEveryLengthAtEveryAlignmentAndNoMore(t *testing.T) {
	src := make([]byte, 600)
	for i := range src {
		src[i] = byte(i*7 + 1)
	}
	for n := range 420 {
		for from := range 5 {
			for to := range 5 {
				dst := bytes.Repeat([]byte{0xee}, 600)
				if got := Copy(dst[to:to+n], src[from:]); got != n {
					t.Fatalf("%d bytes: copied %d", n, got)
				}
				if !bytes.Equal(dst[to:to+n], src[from:from+n]) ||
					bytes.Count(dst, []byte{0xee}) != 600-n+bytes.Count(src[from:from+n], []byte{0xee}) {
					t.Fatalf("%d bytes from %d to %d: %x", n, from, to, dst)
				}
			}
		}
	}
	if n := Copy(make([]byte, 40), src[:35]); n != 35 {
		t.Errorf("a short source: %d", n)
	}
}

func BenchmarkCopyUnaligned(b *testing.B) {
	dst, src := make([]byte, 1600), make([]byte, 1600)
	b.SetBytes(1448)
	for b.Loop() {
		Copy(dst[2:], src[:1448])
	}
}

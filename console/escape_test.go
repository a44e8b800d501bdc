package console

import (
	"bytes"
	"fmt"
	"testing"
	"unsafe"
)

func TestARunOfPlainBytesEndsWhereTheFirstOtherIs(t *testing.T) {
	buf := make([]byte, 40)
	for start := range 4 {
		for length := range 13 {
			for at := range length {
				for c := range 256 {
					p := buf[start : start+length]
					for i := range p {
						p[i] = byte(' ' + (i*37+c)%90)
						if !plain(p[i]) {
							p[i] = '~'
						}
					}
					p[at] = byte(c)
					want := length
					if !plain(byte(c)) {
						want = at
					}
					if n := plainRun(p); n != want {
						t.Fatalf("%q: %d, want %d", p, n, want)
					}
				}
			}
		}
	}
}

func TestPlainBytesAreCopiedAndNoMore(t *testing.T) {
	src := make([]byte, 100)
	for i := range src {
		src[i] = byte(' ' + i*7%90)
		if !plain(src[i]) {
			src[i] = '~'
		}
	}
	for n := 16; n <= 80; n++ {
		for from := range 4 {
			for to := range 4 {
				dst := bytes.Repeat([]byte{0xee}, 100)
				if !copyPlain(unsafe.Pointer(&dst[8+to]), unsafe.Pointer(&src[from]), n) {
					t.Fatalf("%q is not plain", src[from:from+n])
				}
				if !bytes.Equal(dst[8+to:][:n], src[from:from+n]) || bytes.Count(dst, []byte{0xee}) != 100-n {
					t.Fatalf("%d bytes from %d to %d: %x", n, from, to, dst)
				}
			}
		}
		for at := range n {
			was := src[at]
			for c := range 256 {
				src[at] = byte(c)
				var dst [100]byte
				if got := copyPlain(unsafe.Pointer(&dst), unsafe.Pointer(&src[0]), n); got != plain(byte(c)) {
					t.Fatalf("%d bytes, %#x at %d: %v", n, c, at, got)
				}
			}
			src[at] = was
		}
	}
}

func TestEscapingWithAndWithoutRoomIsTheSame(t *testing.T) {
	for n := range 40 {
		for _, c := range []byte{'x', '\\', 0x7f} {
			p := bytes.Repeat([]byte{'a'}, n)
			if n > 0 {
				p[n/2], p[n-1-n/9] = c, c // one, two apart, two together
			}
			for room := range 50 {
				short, m := AppendEscaped(nil, p, room)
				long, k := AppendEscaped(make([]byte, 0, 200), p, room)
				var want []byte
				fit := 0
				for _, c := range p {
					one := []byte{c}
					if !plain(c) {
						one = fmt.Appendf(nil, `\x%02x`, c)
					}
					if len(want)+len(one) > room {
						break
					}
					want = append(want, one...)
					fit++
				}
				if m != fit || !bytes.Equal(short, want) {
					t.Fatalf("%q, room %d: %q %d, want %q %d", p, room, short, m, want, fit)
				}
				if m != k || !bytes.Equal(short, long) {
					t.Fatalf("%q, room %d: %q %d, %q %d", p, room, short, m, long, k)
				}
			}
		}
	}
}

package inet

import "unsafe"

// sumWords is the one's complement sum of n words at p, little-endian, any
// alignment.
//
//go:noescape
func sumWords(p unsafe.Pointer, n int) uint32

// sum is the folded sum of b. The words are added as the processor loads them;
// the bytes of the result are swapped once, which one's complement sums allow
// (RFC 1071, 2(B)).
func sum(b []byte) uint16 {
	n := len(b) &^ 3
	s := uint32(0)
	if n > 0 {
		s = sumWords(unsafe.Pointer(unsafe.SliceData(b)), n/4)
	}
	switch t := b[n:]; len(t) {
	case 1:
		s = Add(s, uint32(t[0]))
	case 2:
		s = Add(s, uint32(t[0])|uint32(t[1])<<8)
	case 3:
		s = Add(s, uint32(t[0])|uint32(t[1])<<8|uint32(t[2])<<16)
	}
	f := Fold(s)
	return f>>8 | f<<8
}

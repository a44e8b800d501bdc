// Package inet is the Internet checksum (RFC 1071), as fast as the processor
// allows, and the headers it covers. It allocates nothing; any context.
package inet

// Sum returns the one's complement sum of b, taken as big-endian 16-bit words
// with a zero behind an odd byte, added to initial. It is not folded: give it to
// Sum again, or to Fold. A sum that goes on after an odd number of bytes must be
// swapped, see Swap.
func Sum(b []byte, initial uint32) uint32 {
	return Add(initial, sum(b))
}

// Add adds two sums, with the carry around.
func Add(a, b uint32) uint32 {
	s := a + b
	if s < a {
		s++
	}
	return s
}

// Fold makes 16 bits of a sum.
func Fold(s uint32) uint16 {
	s = s>>16 + s&0xffff
	return uint16(s>>16 + s)
}

// Swap is the sum of the same bytes shifted by one.
func Swap(s uint32) uint32 {
	f := Fold(s)
	return uint32(f>>8 | f<<8)
}

// Pseudo is the sum of TCP's and UDP's pseudo header: source and destination
// address, one behind the other in addrs, protocol and length.
func Pseudo(addrs []byte, proto uint8, length int) uint32 {
	return Sum(addrs, uint32(proto)+uint32(length))
}

// sumGeneric is sum in Go.
func sumGeneric(b []byte) uint32 {
	s := uint32(0)
	for len(b) >= 2 {
		s = Add(s, uint32(b[0])<<8|uint32(b[1]))
		b = b[2:]
	}
	if len(b) > 0 {
		s = Add(s, uint32(b[0])<<8)
	}
	return uint32(Fold(s))
}

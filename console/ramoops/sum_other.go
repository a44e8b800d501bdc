//go:build !arm

package ramoops

import "unsafe"

// copySum copies n bytes to whole words at to, the last padded with zeros, and adds
// these words to a sum (mix). Both begin at a multiple of 4 bytes, and from has whole
// words too.
func copySum(sum uint32, to, from unsafe.Pointer, n int) uint32 {
	dst, src := unsafe.Slice((*uint32)(to), words(n)), unsafe.Slice((*uint32)(from), words(n))
	for i, w := range src {
		if n -= 4; n < 0 {
			w &= 1<<(8*(n+4)) - 1
		}
		dst[i] = w
		sum = mix(sum, w)
	}
	return sum
}

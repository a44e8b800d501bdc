package dma

import "unsafe"

// copyBytes copies n bytes, at least 32, between memory that does not overlap.
//
//go:noescape
func copyBytes(dst, src unsafe.Pointer, n int)

// Copy is copy for buffers that do not overlap, of any alignment: the built-in
// one takes five times as long when source and destination are not aligned alike,
// as a payload behind an Ethernet header is not. It leaves the NEON registers as
// they were. Any context; both buffers in normal memory, cached or not.
func Copy(dst, src []byte) int {
	n := min(len(dst), len(src))
	if n < 32 {
		return copy(dst, src)
	}
	copyBytes(unsafe.Pointer(&dst[0]), unsafe.Pointer(&src[0]), n)
	return n
}

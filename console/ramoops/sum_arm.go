package ramoops

import "unsafe"

// copySum copies n bytes to whole words at to, the last padded with zeros, and adds
// these words to a sum (mix). Both begin at a multiple of 4 bytes, and from has whole
// words too.
//
//go:noescape
func copySum(sum uint32, to, from unsafe.Pointer, n int) uint32

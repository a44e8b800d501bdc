package console

import "unsafe"

// copyPlain copies n bytes, at least 16, between memory that does not overlap, and
// reports whether all are plain. It leaves the NEON registers as they were.
//
//go:noescape
func copyPlain(dst, src unsafe.Pointer, n int) bool

//go:build !arm

package console

import "unsafe"

// copyPlain copies n bytes between memory that does not overlap, and reports whether
// all are plain.
func copyPlain(dst, src unsafe.Pointer, n int) bool {
	p := unsafe.Slice((*byte)(src), n)
	copy(unsafe.Slice((*byte)(dst), n), p)
	return plainRun(p) == n
}

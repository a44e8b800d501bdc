//go:build arm

package kernel

// loadImage prepares another program instead of this image's, if the boot
// arguments name one, and reports whether it did.
func loadImage() bool { return false }

// execImage reports whether [addr, addr+n) belongs to such a program.
func execImage(addr, n uint32) bool { return false }

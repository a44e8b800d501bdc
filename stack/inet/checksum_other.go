//go:build !arm

package inet

func sum(b []byte) uint32 { return sumGeneric(b) }

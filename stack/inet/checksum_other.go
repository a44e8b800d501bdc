//go:build !arm

package inet

func sum(b []byte) uint16 { return sumGeneric(b) }

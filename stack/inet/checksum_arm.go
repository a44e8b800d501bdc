package inet

// sum is the folded sum of b, of any length and alignment.
//
//go:noescape
func sum(b []byte) uint32

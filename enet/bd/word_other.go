//go:build !arm

package bd

import "sync/atomic"

// On a host the device is another goroutine, or another process that shares
// the memory.

func load(d *descriptor, i int) uint32 { return atomic.LoadUint32(&d[i]) }

func store(d *descriptor, i int, v uint32) { atomic.StoreUint32(&d[i], v) }

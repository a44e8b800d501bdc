//go:build !arm

package word

import "sync/atomic"

// Load reads w.
func Load(w *atomic.Uint32) uint32 { return w.Load() }

// Store writes w. Nobody else does at the time.
func Store(w *atomic.Uint32, v uint32) { w.Store(v) }

// LoadBool reads b.
func LoadBool(b *atomic.Bool) bool { return b.Load() }

// LoadPointer reads p.
func LoadPointer[T any](p *atomic.Pointer[T]) *T { return p.Load() }

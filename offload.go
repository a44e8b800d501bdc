//go:build arm

package gasp

import (
	"log/slog"

	"github.com/gasp-go/gasp/stack/netdev"
)

// offloads reads gasp.rxcsum= (on, off, trust) and gasp.txcsum= (on, off): what
// is off at first, and whether a MAC that shows no sign of having checked a
// frame's checksums is believed all the same.
func (s *System) offloads() (off netdev.Features, trust bool) {
	for _, a := range []struct {
		key     string
		feature netdev.Features
	}{{"rxcsum", netdev.FeatureRxChecksum}, {"txcsum", netdev.FeatureTxChecksum}} {
		v, ok := s.Args.Gasp[a.key]
		switch {
		case !ok, v == "on":
		case v == "off":
			off |= a.feature
		case v == "trust" && a.feature == netdev.FeatureRxChecksum:
			trust = true
		default:
			slog.Warn("boot argument ignored: no such value", "arg", "gasp."+a.key, "value", v)
		}
	}
	return off, trust
}

// cachedReceive reads gasp.rxbuf= (coherent, cached): whether receive buffers lie
// in cached memory, with maintenance, or in memory without caches.
func (s *System) cachedReceive() bool {
	v, ok := s.Args.Gasp["rxbuf"]
	switch {
	case v == "cached":
		return true
	case ok && v != "coherent":
		slog.Warn("boot argument ignored: no such value", "arg", "gasp.rxbuf", "value", v)
	}
	return false
}

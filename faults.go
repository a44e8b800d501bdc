//go:build arm

package gasp

import (
	"log/slog"

	"github.com/gasp-go/gasp/board/kernel"
	"github.com/gasp-go/gasp/stack/netem"
)

// startFaults makes the interface's wire as bad as the boot argument
// gasp.fault=<what> says (see netem.Parse), for tests.
func (s *System) startFaults(n *Interface) {
	arg, ok := s.Args.Gasp["fault"]
	if !ok {
		return
	}
	c, err := netem.Parse(arg)
	if err != nil {
		slog.Warn("boot argument gasp.fault ignored", "dev", n.Port.Name, "err", err)
		return
	}
	n.Faults = netem.New(n.Device, kernel.Nanotime)
	if err := n.Faults.Set(c); err != nil {
		slog.Error("gasp.fault", "dev", n.Port.Name, "err", err)
		return
	}
	slog.Warn("frames are lost or damaged on purpose", "dev", n.Port.Name, "gasp.fault", c.String())
}

// FaultStats are what gasp.fault= did to an interface's frames.
type FaultStats struct {
	Config string      `json:"config"`
	Rx     netem.Stats `json:"rx"`
	Tx     netem.Stats `json:"tx"`
}

func (n *Interface) faultStats() *FaultStats {
	if n.Faults == nil {
		return nil
	}
	st := &FaultStats{Config: n.Faults.Config().String()}
	st.Rx, st.Tx = n.Faults.Stats()
	return st
}

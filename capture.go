//go:build arm

package gasp

import (
	"log/slog"

	"github.com/gasp-go/gasp/board/bootarg"
	"github.com/gasp-go/gasp/board/kernel"
	"github.com/gasp-go/gasp/stack/pcap"
)

// startCapture gives the interface its recorder, and has it record from now on
// if the boot argument gasp.pcap=<size> says so.
func (s *System) startCapture(n *Interface) {
	n.Capture = pcap.NewRecorder(n.Device, kernel.Nanotime)
	arg, ok := s.Args.Gasp["pcap"]
	if !ok {
		return
	}
	size, err := bootarg.ParseSize(arg)
	if err == nil {
		err = n.Capture.Keep(true, int(min(size, pcap.MaxRing+1)), 0)
	}
	if err != nil {
		slog.Warn("boot argument gasp.pcap ignored", "dev", n.Port.Name, "err", err)
	}
}

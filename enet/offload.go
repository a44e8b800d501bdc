package enet

import (
	"fmt"

	"github.com/gasp-go/gasp/board/word"
	"github.com/gasp-go/gasp/enet/bd"
	"github.com/gasp-go/gasp/stack/netdev"
)

// available is what every ENET with enhanced descriptors can do.
const available = netdev.FeatureRxChecksum | netdev.FeatureTxChecksum

// Features is part of netdev.Offloader. Any context.
func (m *MAC) Features() (on, all netdev.Features) {
	return netdev.Features(m.features.Load()), available
}

// SetFeatures is part of netdev.Offloader. It takes effect with the next frame.
// Goroutine.
func (m *MAC) SetFeatures(on netdev.Features) error {
	if on&^available != 0 {
		return fmt.Errorf("enet: %s: no such feature: %#x", m.dev.Name(), uint32(on&^available))
	}
	m.features.Store(uint32(on))
	return nil
}

// rxFlags tells whether the accelerator has found a received frame's checksums
// to be right. It has if neither ICE nor PCR is set and the descriptor names a
// protocol: PCR covers protocols the accelerator does not know, and frames that
// are not IP have ICE. A MAC without an accelerator, such as QEMU's, sets none
// of these and names no protocol; then nothing is known, unless Config.Trust
// says otherwise.
func (m *MAC) rxFlags(d *bd.RxDesc) netdev.RxFlags {
	if d.Control&(bd.BadIP|bd.BadProto|bd.Fragment) != 0 || d.Proto>>16 == 0 && !m.cfg.Trust ||
		word.Load(&m.features)&uint32(netdev.FeatureRxChecksum) == 0 {
		return 0
	}
	return netdev.RxChecksumOK
}

// checksums is the control word of a frame that wants checksums: the MAC
// inserts them, or, if that is switched off, they are inserted here. Trap
// context.
func (m *MAC) checksums(frame []byte, flags netdev.TxFlags) (control uint32) {
	if word.Load(&m.features)&uint32(netdev.FeatureTxChecksum) == 0 {
		netdev.InsertChecksums(frame, flags)
		return 0
	}
	if flags&netdev.TxChecksumL4 != 0 {
		control |= bd.SumProto
	}
	if flags&netdev.TxChecksumIP != 0 {
		control |= bd.SumIP
	}
	return control
}

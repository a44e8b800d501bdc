package macmodel

// Counters (IMX6ULRM, ENET chapter, memory map). They are a part of what the MAC
// counts.
const (
	MIBTxPackets  = 0x204
	MIBTxOctets   = 0x244
	MIBRxPackets  = 0x284
	MIBRxCRC      = 0x290
	MIBRxOversize = 0x298
	MIBRxOctets   = 0x2c4
	MIBRxOverflow = 0x2d8 // the FIFO was full
)

const mibDisable = 1 << 31 // MIBC

func (m *Model) tally(off uintptr, n int) {
	if m.regs[MIBC/4]&mibDisable == 0 {
		m.regs[off/4] += uint32(n)
	}
}

// tallyRx counts a frame that arrived, with its FCS, lost or not.
func (m *Model) tallyRx(length int, flags uint32) {
	m.tally(MIBRxPackets, 1)
	m.tally(MIBRxOctets, length)
	if flags&FlagBadCRC != 0 {
		m.tally(MIBRxCRC, 1)
	}
	if flags&FlagTooLong != 0 {
		m.tally(MIBRxOversize, 1)
	}
}

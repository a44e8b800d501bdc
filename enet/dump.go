package enet

// dumpRegs are the registers Dump shows.
var dumpRegs = [...]struct {
	name string
	off  uintptr
}{
	{"EIR", regEIR}, {"EIMR", regEIMR}, {"RDAR", regRDAR}, {"TDAR", regTDAR},
	{"ECR", regECR}, {"MSCR", regMSCR}, {"RCR", regRCR}, {"TCR", regTCR},
	{"PALR", regPALR}, {"PAUR", regPAUR}, {"TFWR", regTFWR}, {"RDSR", regRDSR},
	{"TDSR", regTDSR}, {"MRBR", regMRBR}, {"FTRL", regFTRL}, {"OPD", regOPD},
	{"GAUR", regGAUR}, {"GALR", regGALR}, {"RSEM", regRSEM}, {"RSFL", regRSFL},
	{"TACC", regTACC}, {"RACC", regRACC},
}

// dumpDescs is how many descriptors of each ring Dump shows.
const dumpDescs = 4

// Dump tells fn the MAC's registers and the descriptors where the rings stand:
// the oldest not reclaimed for transmit, the next for receive, each as a slot,
// {status, length}, address and control. It changes nothing and allocates nothing.
// Trap context.
func (m *MAC) Dump(fn func(name string, v uint32)) {
	fn("state", m.state.Load())
	fn("link", m.mode.Load())
	if !m.powered.Load() {
		return
	}
	for i := range dumpRegs {
		fn(dumpRegs[i].name, m.regs.Read32(dumpRegs[i].off))
	}
	ring := m.cur.Load() & 1
	fn("ring", ring)
	tx, rx := m.tx[ring], m.rx[ring]
	fn("tx_queued", uint32(tx.Queued()))
	for i := range dumpDescs {
		slot := (tx.Tail() + i) % tx.Len()
		status, addr, control := tx.Words(slot)
		fn("tx_slot", uint32(slot))
		fn("tx_status", status)
		fn("tx_addr", addr)
		fn("tx_control", control)
	}
	fn("rx_filled", uint32(rx.Filled()))
	for i := range dumpDescs {
		slot := (rx.Slot() + i) % rx.Len()
		status, addr, control := rx.Words(slot)
		fn("rx_slot", uint32(slot))
		fn("rx_status", status)
		fn("rx_addr", addr)
		fn("rx_control", control)
	}
}

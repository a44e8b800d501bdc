package enet

// mibs are the counters the MAC keeps by itself (IMX6ULRM, ENET chapter, memory
// map, "Statistic Register"), by the names Linux's fec driver has for them. QEMU
// has none and reads 0.
var mibs = [...]struct {
	name string
	off  uintptr
}{
	{"tx_dropped", 0x200}, {"tx_packets", 0x204}, {"tx_broadcast", 0x208}, {"tx_multicast", 0x20c},
	{"tx_crc_errors", 0x210}, {"tx_undersize", 0x214}, {"tx_oversize", 0x218}, {"tx_fragment", 0x21c},
	{"tx_jabber", 0x220}, {"tx_collision", mibTCollision}, {"tx_64byte", 0x228}, {"tx_65to127byte", 0x22c},
	{"tx_128to255byte", 0x230}, {"tx_256to511byte", 0x234}, {"tx_512to1023byte", 0x238}, {"tx_1024to2047byte", 0x23c},
	{"tx_GTE2048byte", 0x240}, {"tx_octets", 0x244}, {"IEEE_tx_drop", 0x248}, {"IEEE_tx_frame_ok", 0x24c},
	{"IEEE_tx_1col", 0x250}, {"IEEE_tx_mcol", 0x254}, {"IEEE_tx_def", 0x258}, {"IEEE_tx_lcol", 0x25c},
	{"IEEE_tx_excol", 0x260}, {"IEEE_tx_macerr", 0x264}, {"IEEE_tx_cserr", mibTCarrier}, {"IEEE_tx_sqe", 0x26c},
	{"IEEE_tx_fdxfc", 0x270}, {"IEEE_tx_octets_ok", 0x274},
	{"rx_packets", 0x284}, {"rx_broadcast", 0x288}, {"rx_multicast", 0x28c}, {"rx_crc_errors", 0x290},
	{"rx_undersize", 0x294}, {"rx_oversize", 0x298}, {"rx_fragment", 0x29c}, {"rx_jabber", 0x2a0},
	{"rx_64byte", 0x2a8}, {"rx_65to127byte", 0x2ac}, {"rx_128to255byte", 0x2b0}, {"rx_256to511byte", 0x2b4},
	{"rx_512to1023byte", 0x2b8}, {"rx_1024to2047byte", 0x2bc}, {"rx_GTE2048byte", 0x2c0}, {"rx_octets", 0x2c4},
	{"IEEE_rx_drop", 0x2c8}, {"IEEE_rx_frame_ok", 0x2cc}, {"IEEE_rx_crc", 0x2d0}, {"IEEE_rx_align", 0x2d4},
	{"IEEE_rx_macerr", mibROverflow}, {"IEEE_rx_fdxfc", 0x2dc}, {"IEEE_rx_octets_ok", 0x2e0},
}

// Those that the kernel's counters have, too.
const (
	mibTCollision = 0x224 // frames that met a collision
	mibTCarrier   = 0x268 // frames sent without carrier
	mibROverflow  = 0x2d8 // frames lost since the receive FIFO was full: the ring was, too
)

// mibCounter is a counter of 32 bits, which wraps (octets at 1 Gb/s after 34 s),
// made 64 bits wide by being read often enough. Trap context.
type mibCounter struct {
	last  uint32
	total uint64
}

// harvest adds what the MAC's counters have counted since they were last read.
// They are only read: clearing them, and other registers nearby, is not safe on
// all parts. Trap context.
func (m *MAC) harvest() {
	c := m.dev.Counters()
	for i := range m.mib {
		v := m.regs.Read32(mibs[i].off)
		n := uint64(v - m.mib[i].last)
		if n == 0 {
			continue
		}
		m.mib[i].last = v
		m.mib[i].total += n
		switch mibs[i].off {
		case mibTCollision:
			c.Collisions.Add(n)
		case mibTCarrier:
			c.TxErrors.Add(n)
			c.TxCarrierErrors.Add(n)
		case mibROverflow:
			c.RxMissedErrors.Add(n)
		}
	}
}

// rebase notes where the MAC's counters stand after a reset, which clears them
// or does not. Trap context.
func (m *MAC) rebase() {
	for i := range m.mib {
		m.mib[i].last = m.regs.Read32(mibs[i].off)
	}
}

package enet

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"
	"unsafe"

	"github.com/gasp-go/gasp/board/trap"
	"github.com/gasp-go/gasp/stack/netdev"
)

// filter is the address filter in software: our address, any group, broadcast.
// The MAC does better, but not every emulated one.
type filter struct {
	w0, w1  uint32 // the address as it lies in the first two words of a buffer
	promisc bool
}

// passes looks at the start of a buffer, which is aligned: two bytes of padding,
// then the destination address.
func (f *filter) passes(data []byte) bool {
	w := (*[2]uint32)(unsafe.Pointer(&data[:8][0]))
	return w[0]&(1<<16) != 0 || w[1] == f.w1 && w[0]>>16 == f.w0 || f.promisc
}

// set makes it the filter for an address as PALR and PAUR have it.
func (f *filter) set(palr, paur uint32, promisc bool) {
	f.w0 = uint32(bits.ReverseBytes16(uint16(palr >> 16)))
	f.w1 = uint32(bits.ReverseBytes16(uint16(palr))) | uint32(bits.ReverseBytes16(uint16(paur>>16)))<<16
	f.promisc = promisc
}

// programFilter writes the MAC's filter and with it RCR, whose PROM bit is the
// only one that may change while the MAC runs. Holding rxBusy; trap context.
func (m *MAC) programFilter() {
	palr, paur := m.palr.Load(), m.paur.Load()
	m.filter.set(palr, paur, m.promisc.Load())
	m.regs.Write32(regPALR, palr)
	m.regs.Write32(regPAUR, paur)
	m.regs.Write32(regIAUR, 0)
	m.regs.Write32(regIALR, 0)
	m.regs.Write32(regGAUR, m.gaur.Load())
	m.regs.Write32(regGALR, m.galr.Load())
	m.regs.Write32(regRCR, m.rcr(unpack(m.programmed.Load())))
}

// setAddress sets the station address for the next programFilter.
func (m *MAC) setAddress(mac [6]byte) {
	m.palr.Store(binary.BigEndian.Uint32(mac[:]))
	m.paur.Store(uint32(binary.BigEndian.Uint16(mac[4:]))<<16 | paurTYPE)
}

// setGroups sets the hash table of group addresses: one bit of 64 for each,
// picked by the upper six bits of the address's CRC-32 as it goes over the wire
// (IMX6ULRM, ENET chapter, "Hash table algorithm").
func (m *MAC) setGroups(groups [][6]byte, all bool) {
	table := uint64(0)
	for _, g := range groups {
		table |= 1 << (^crc32.ChecksumIEEE(g[:]) >> 26)
	}
	if all {
		table = 1<<64 - 1
	}
	m.gaur.Store(uint32(table >> 32))
	m.galr.Store(uint32(table))
}

// SetMAC is part of netdev.Configurer. Goroutine.
func (m *MAC) SetMAC(mac [6]byte) error {
	m.setAddress(mac)
	m.request(todoFilter)
	return nil
}

// SetRxMode is part of netdev.Configurer. The MAC's filter follows in the next
// poll, which goes ahead of every goroutine but the one of another poll.
func (m *MAC) SetRxMode(mode netdev.RxMode) error {
	m.promisc.Store(mode.Promisc)
	m.setGroups(mode.Groups, mode.AllMulti || mode.Promisc)
	m.request(todoFilter)
	return nil
}

// MTULimits is part of netdev.Configurer. Frames longer than the standard's do
// not fit: a frame is stored in the transmit FIFO before it is sent.
func (m *MAC) MTULimits() (least, most int) { return minMTU, mtu }

// SetMTU is part of netdev.Configurer. Only what is sent keeps to the MTU; what
// the wire allows is received, as on Linux. So the MAC has nothing to learn.
func (m *MAC) SetMTU(int) error { return nil }

// request has the poll do something to an open MAC: it is the one place where
// the receive ring is known to be in nobody's hands.
// What is requested of one that is being opened is done when it is open; Open
// itself programs all that was set before.
func (m *MAC) request(what uint32) {
	m.todo.Or(what)
	trap.Run(trapSchedule, unsafe.Pointer(m))
}

// trapTodo does what was requested, from within poll.
func trapTodo(p unsafe.Pointer) {
	m := (*MAC)(p)
	todo := m.todo.Swap(0)
	st := m.state.Load()
	switch {
	case st != stateOpen && st != stateClosing:
		return
	case todo&todoRestart != 0 && st == stateOpen:
		// If it does not come out of reset it is dead until Tick tries again.
		m.count(macRestarts)
		m.startLive()
		return
	case todo&todoFilter != 0 && !m.dead.Load():
		m.programFilter()
	}
	if todo&todoReclaim != 0 {
		m.reclaim()
	}
}

package enet

import (
	"fmt"
	"unsafe"

	"github.com/gasp-go/gasp/board/trap"
)

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

// dumpWords is how many values Dump shows.
const dumpWords = 2 + len(dumpRegs) + 1 + 2*(1+4*dumpDescs)

// postmortem is what Dump showed when the watchdog struck, to be logged by
// somebody who may. It holds values only: their names always come in the same
// order, and trap context stores no pointers.
type postmortem struct {
	words [dumpWords]uint32
	n     int
	taken bool
}

// capture is Dump's fn for a postmortem. Trap context.
func (m *MAC) capture(_ string, v uint32) {
	if m.post.n < len(m.post.words) {
		m.post.words[m.post.n] = v
		m.post.n++
	}
}

// postSection carries a postmortem out of trap context.
type postSection struct {
	m    *MAC
	post postmortem
}

func trapPost(p unsafe.Pointer) {
	x := (*postSection)(p)
	x.post, x.m.post.taken = x.m.post, false
}

// logPostmortem logs what the watchdog found, if it struck. Goroutine.
func (m *MAC) logPostmortem() {
	x := postSection{m: m}
	trap.Run(trapPost, unsafe.Pointer(&x))
	post := &x.post
	if !post.taken {
		return
	}
	args := []any{"dev", m.dev.Name(), "seconds", watchdogTime / 1_000_000_000}
	i := 0
	m.Dump(func(name string, _ uint32) {
		if i < post.n {
			args = append(args, name, fmt.Sprintf("%#x", post.words[i]))
		}
		i++
	})
	m.log.Error("enet: watchdog: no frame has left the transmit ring; the MAC is restarted", args...)
}

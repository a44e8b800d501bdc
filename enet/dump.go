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
		for j, v := range [...]uint32{uint32(slot), status, addr, control} {
			fn(dumpTX[j], v)
		}
	}
	fn("rx_filled", uint32(rx.Filled()))
	for i := range dumpDescs {
		slot := (rx.Slot() + i) % rx.Len()
		status, addr, control := rx.Words(slot)
		for j, v := range [...]uint32{uint32(slot), status, addr, control} {
			fn(dumpRX[j], v)
		}
	}
}

// DumpWords is how many values Dump tells.
const DumpWords = 2 + len(dumpRegs) + 1 + 2*(1+len(dumpTX)*dumpDescs)

var (
	dumpTX = [...]string{"tx_slot", "tx_status", "tx_addr", "tx_control"}
	dumpRX = [...]string{"rx_slot", "rx_status", "rx_addr", "rx_control"}
)

// DumpName is the name of the i-th value that Dump tells. Any context.
func DumpName(i int) string {
	const regs, tx = 2 + len(dumpRegs), 2 + len(dumpTX)*dumpDescs
	switch {
	case i == 0:
		return "state"
	case i == 1:
		return "link"
	case i < regs:
		return dumpRegs[i-2].name
	case i == regs:
		return "ring"
	case i == regs+1:
		return "tx_queued"
	case i < regs+tx:
		return dumpTX[(i-regs-2)%len(dumpTX)]
	case i == regs+tx:
		return "rx_filled"
	}
	return dumpRX[(i-regs-tx-1)%len(dumpRX)]
}

// postmortem is what Dump showed when the watchdog struck, to be logged by
// somebody who may. It holds values only: trap context stores no pointers.
type postmortem struct {
	words [DumpWords]uint32
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
	for i, v := range post.words[:post.n] {
		args = append(args, DumpName(i), fmt.Sprintf("%#x", v))
	}
	m.log.Error("enet: watchdog: no frame has left the transmit ring; the MAC is restarted", args...)
}

//go:build arm

package gasp

import (
	"github.com/gasp-go/gasp/board/kernel"
	"github.com/gasp-go/gasp/enet"
	panics "github.com/gasp-go/gasp/panic"
)

// netReport is what an interface's MAC looked like when the firmware died. It is
// filled and read in trap context.
type netReport struct {
	words [enet.DumpWords]uint32
	n     int
	fn    func(name string, v uint32) // add, made beforehand
}

func (r *netReport) add(_ string, v uint32) {
	if r.n < len(r.words) {
		r.words[r.n] = v
		r.n++
	}
}

// networkReport makes the interface's part of the report.
func (n *Interface) networkReport() panics.Report {
	n.report.fn = n.report.add
	return panics.Report{Name: n.Port.Name, Line: n.networkLine}
}

// note takes down the MAC's registers and the descriptors around the rings'
// indices. Trap context.
func (n *Interface) note() {
	if n.report.fn != nil {
		n.report.n = 0
		n.MAC.Dump(n.report.fn)
	}
}

// networkLine writes the interface's counters, then what note took down. Trap
// context.
func (n *Interface) networkLine(i int, t *panics.Text) bool {
	c := n.Device.Counters()
	t.Str(n.Port.Name).Str(": ")
	switch i {
	case 0:
		t.Str("rx ").Dec(c.RxPackets.Load()).Str(" dropped ").Dec(c.RxDropped.Load()).
			Str(" errors ").Dec(c.RxErrors.Load()).Str(", tx ").Dec(c.TxPackets.Load()).
			Str(" dropped ").Dec(c.TxDropped.Load()).Str(" errors ").Dec(c.TxErrors.Load()).
			Str(" busy ").Dec(c.TxBusy.Load()).Str(", interrupts ").Dec(uint64(kernel.IRQCount(n.Port.IRQ)))
		return true
	}
	return n.report.line(i-1, t)
}

// line writes the i-th line of values: a descriptor, or four registers.
func (r *netReport) line(i int, t *panics.Text) bool {
	const regs = 2 // in front of them: state and link
	for at, in := 0, 0; at < min(r.n, len(r.words)); at++ {
		name := enet.DumpName(at)
		switch name {
		case enet.DumpName(regs), "ring", "tx_slot", "rx_filled", "rx_slot":
			in = 4 // begins a line
		}
		if in == 4 {
			if i--; i < 0 {
				return true
			}
			in = 0
		}
		in++
		if i > 0 {
			continue
		}
		if in > 1 {
			t.Str(" ")
		}
		t.Str(name).Str(" ").Hex(r.words[at])
	}
	return i == 0 && r.n > 0
}

// softnetLine writes the softnet's and its NAPI instances' part of the report. Trap
// context.
func (s *System) softnetLine(i int, t *panics.Text) bool {
	if i == 0 {
		t.Str("softnet_stat: ")
		s.Softnet.PrintStat(printer{t})
		return true
	}
	t.Str("napi ")
	return s.Softnet.PrintNAPI(i-1, printer{t})
}

// printer makes a line of the report what package netdev prints to.
type printer struct{ t *panics.Text }

func (p printer) Str(s string)                            { p.t.Str(s) }
func (p printer) Num(v uint64, base, width int, pad byte) { p.t.Num(v, base, width, pad) }

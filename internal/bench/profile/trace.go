// Package profile tells which functions of a guest executed how many
// instructions: all of them, not samples, from QEMU's log of the blocks it
// translated and executed.
package profile

import (
	"bufio"
	"bytes"
	"io"
	"slices"
)

// Flags are the options that make QEMU write the log to path, which may be a
// FIFO.
func Flags(path string) []string {
	return []string{"-d", "exec,nochain,in_asm", "-D", path}
}

// Marks are the functions between whose calls instructions are counted:
// Base and Full start, End ends.
type Marks struct{ Base, Full, End uint32 }

// Profile is how many instructions each function executed while the baseline
// was measured, and while what is asked about was.
type Profile struct {
	Base, Full           []uint64 // by index of Symbols
	baseCalls, fullCalls []uint64 // likewise: how often a function was entered
	syms                 *Symbols
}

// block is a translated block of instructions.
type block struct {
	pc, n uint32
	sym   int
}

// tracer follows the log.
type tracer struct {
	marks  Marks
	p      *Profile
	blocks map[uint64]block // by where QEMU has its code
	fresh  block            // translated and not executed yet
	last   block            // executed last
	into   []uint64         // where to count; nil: nowhere
	calls  []uint64         // likewise
}

// Read reads a log to its end. A second measurement of a kind replaces the
// first.
func Read(log io.Reader, syms *Symbols, marks Marks) (*Profile, error) {
	t := &tracer{
		marks: marks, blocks: map[uint64]block{},
		p: &Profile{
			Base: make([]uint64, syms.Len()), baseCalls: make([]uint64, syms.Len()),
			Full: make([]uint64, syms.Len()), fullCalls: make([]uint64, syms.Len()), syms: syms,
		},
	}
	r := bufio.NewReaderSize(log, 1<<20)
	for {
		line, err := r.ReadSlice('\n')
		t.line(line)
		switch err {
		case nil, bufio.ErrBufferFull:
		case io.EOF:
			return t.p, nil
		default:
			return t.p, err
		}
	}
}

// The lines that matter:
//
//	IN: function
//	0x80201000:  e59f0014  ldr r0, [pc, #0x14]        one for each instruction
//	Trace 0: 0x7f43a8000100 [00000400/80201000/00000110/ff020000] function
//	Stopped execution of TB chain before 0x7f43a8000100 [80201000] function
//
// The numbers in brackets are: cs_base, pc, flags and cflags.
func (t *tracer) line(l []byte) {
	switch {
	case bytes.HasPrefix(l, []byte("Trace ")):
		t.executed(l)
	case bytes.HasPrefix(l, []byte("0x")):
		if t.fresh.n == 0 {
			t.fresh.pc = uint32(hex(l[2:]))
		}
		t.fresh.n++
	case bytes.HasPrefix(l, []byte("IN:")):
		t.fresh = block{}
	case bytes.HasPrefix(l, []byte("Stopped")):
		// An interrupt or the end of the time slice came before the first
		// instruction.
		t.count(t.last, -1)
		t.last.n = 0
	}
}

// lastIO marks a block that QEMU made for one instruction in the middle of
// another block, when it found that this accesses a device and that the clock
// has to be right. The other block ended there.
const lastIO = 0x8000

func (t *tracer) executed(l []byte) {
	i := bytes.Index(l, []byte("0x"))
	j := bytes.IndexByte(l, '[')
	if i < 0 || j < i || len(l) < j+36 {
		return
	}
	code, pc, cflags := hex(l[i+2:]), uint32(hex(l[j+10:])), uint32(hex(l[j+28:]))
	b, ok := t.blocks[code]
	if t.fresh.n > 0 && t.fresh.pc == pc {
		b, ok = t.fresh, true
		b.sym = t.p.syms.Find(pc)
		t.blocks[code] = b
		t.fresh = block{}
	}
	if !ok || b.pc != pc {
		b = block{pc: pc, n: 1, sym: t.p.syms.Find(pc)} // not seen in translation
	}
	if at := (pc - t.last.pc) / 4; cflags&lastIO != 0 && pc > t.last.pc && at < t.last.n {
		t.add(t.last.sym, -int(t.last.n-at))
	}
	switch pc {
	case t.marks.Base:
		t.into, t.calls = t.p.Base, t.p.baseCalls
		clear(t.into)
		clear(t.calls)
	case t.marks.Full:
		t.into, t.calls = t.p.Full, t.p.fullCalls
		clear(t.into)
		clear(t.calls)
	case t.marks.End:
		t.into = nil
	}
	t.last = b
	t.count(b, 1)
}

// count counts block b; times -1: it was not executed after all.
func (t *tracer) count(b block, times int) {
	t.add(b.sym, times*int(b.n))
	if t.into != nil && b.pc == t.p.syms.list[b.sym].start {
		t.calls[b.sym] += uint64(times)
	}
}

func (t *tracer) add(sym, n int) {
	if t.into != nil {
		t.into[sym] += uint64(n)
	}
}

// hex reads the hexadecimal number at the beginning of b.
func hex(b []byte) (v uint64) {
	for _, c := range b {
		switch {
		case '0' <= c && c <= '9':
			v = v<<4 | uint64(c-'0')
		case 'a' <= c && c <= 'f':
			v = v<<4 | uint64(c-'a'+10)
		default:
			return v
		}
	}
	return v
}

// Line is one function's, or package's, share.
type Line struct {
	Name         string
	Instructions float64 // per unit, without the baseline's
	Calls        float64 // likewise: how often its functions were entered
}

// Lines returns the shares of everything that key gives the same name,
// the largest first, per unit.
//
// base is how much of the baseline is taken off, 1 for all of it.
func (p *Profile) Lines(units int64, base float64, key func(function string) string) []Line {
	sums := map[string]Line{}
	for i := range p.Full {
		d := float64(p.Full[i]) - base*float64(p.Base[i])
		calls := float64(p.fullCalls[i]) - base*float64(p.baseCalls[i])
		if d == 0 && calls == 0 {
			continue
		}
		name := key(p.syms.Name(i))
		l := sums[name]
		sums[name] = Line{name, l.Instructions + d/float64(units), l.Calls + calls/float64(units)}
	}
	lines := make([]Line, 0, len(sums))
	for _, l := range sums {
		lines = append(lines, l)
	}
	slices.SortFunc(lines, func(a, b Line) int {
		switch {
		case a.Instructions > b.Instructions:
			return -1
		case a.Instructions < b.Instructions:
			return 1
		}
		return bytes.Compare([]byte(a.Name), []byte(b.Name))
	})
	return lines
}

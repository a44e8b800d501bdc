package panics

import "github.com/gasp-go/gasp/console"

// maxLines bounds the lines of one step: that of all goroutines has the most.
const maxLines = 1 + maxGoroutines*(maxFrames+2)

// steps are the fixed parts of the report, in order. Each makes its line i, or
// reports that it has no more.
var steps = [...]func(s *state, i int, t *Text) (console.Level, bool){
	cause,
	identity,
	registers,
	backtrace,
	threads,
	goroutines,
}

// cause comes first: if only one datagram gets out, it should be this one.
func cause(s *state, i int, t *Text) (console.Level, bool) {
	if s.cause.described() {
		if i == 0 {
			s.cause.describe(t)
			return console.Alert, true
		}
		i--
	}
	if i > 0 {
		return 0, false
	}
	t.Str("Kernel panic - not syncing: ")
	s.cause.reason(t)
	return console.Emerg, true
}

// end tells that nothing is missing.
func (s *state) end(t *Text) {
	t.Str("---[ end Kernel panic - not syncing: ")
	s.cause.reason(t)
	t.Str(" ]---")
}

func identity(s *state, i int, t *Text) (console.Level, bool) {
	switch i {
	case 0:
		t.Str("CPU: 0 Thread: ").Dec(uint64(s.cause.Thread)).Str(" Version: ").Str(hooks.Version).Str(" Build: ").Str(hooks.Build)
	case 1:
		t.Str("Hardware name: ").Str(hooks.Board)
	case 2:
		now := uint64(0)
		if hooks.Now != nil {
			now = uint64(max(hooks.Now(), 0))
		}
		t.Str("Uptime: ").Dec(now/1e9).Str(".").pad(now/1e6%1e3, 3).Str(" s")
		if hooks.Reset != "" {
			t.Str(", last reset: ").Str(hooks.Reset)
		}
	default:
		return 0, false
	}
	return console.Warning, true
}

// registers are laid out as Linux does on ARM.
func registers(s *state, i int, t *Text) (console.Level, bool) {
	r := &s.cause.Regs
	if !s.cause.HasRegs {
		return 0, false
	}
	switch i {
	case 0:
		t.Str("PC is at ").symbol(r[15])
	case 1:
		t.Str("LR is at ").symbol(r[14])
	case 2:
		t.Str("pc : [<").Hex(r[15]).Str(">]    lr : [<").Hex(r[14]).Str(">]    psr: ").Hex(r[16])
	case 3:
		t.Str("sp : ").Hex(r[13]).Str("  ip : ").Hex(r[12]).Str("  fp : ").Hex(r[11])
	case 4:
		t.Str("r10: ").Hex(r[10]).Str("  r9 : ").Hex(r[9]).Str("  r8 : ").Hex(r[8])
	case 5:
		t.Str("r7 : ").Hex(r[7]).Str("  r6 : ").Hex(r[6]).Str("  r5 : ").Hex(r[5]).Str("  r4 : ").Hex(r[4])
	case 6:
		t.Str("r3 : ").Hex(r[3]).Str("  r2 : ").Hex(r[2]).Str("  r1 : ").Hex(r[1]).Str("  r0 : ").Hex(r[0])
	case 7:
		t.Str("Flags: ").flags(r[16])
	default:
		return 0, false
	}
	return console.Warning, true
}

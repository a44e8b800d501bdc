package profile

import (
	"bytes"
	"strings"
	"testing"
)

func symbols() *Symbols {
	return newSymbols([]symbol{
		{"example.org/a.work", 0x2000, 0x2040}, {"example.org/a.base", 0x1000, 0x1004},
		{"example.org/b.full", 0x1100, 0x1104}, {"example.org/b.(*T).end", 0x1200, 0x1204},
	})
}

func TestSymbolsFindTheFunctionOfAnAddress(t *testing.T) {
	s := symbols()
	for pc, want := range map[uint32]string{
		0: "(elsewhere)", 0x1000: "example.org/a.base", 0x1004: "(elsewhere)",
		0x203c: "example.org/a.work", 0x2040: "(elsewhere)", 0xffffffff: "(elsewhere)",
	} {
		if got := s.Name(s.Find(pc)); got != want {
			t.Errorf("%#x: %s, want %s", pc, got, want)
		}
	}
	if s.Lookup("example.org/b.full") != 0x1100 || s.Lookup("x") != 0 {
		t.Error("Lookup")
	}
}

func TestPackageIsThatOfTheFunction(t *testing.T) {
	for in, want := range map[string]string{
		"runtime.mallocgc":                             "runtime",
		"github.com/gasp-go/gasp/enet.(*MAC).poll":     "github.com/gasp-go/gasp/enet",
		"sync/atomic.(*Pointer[go.shape.struct{}]).Or": "sync/atomic",
		"slices.SortFunc[example.org/x.T,a/b.c]":       "slices",
		"memmove":                                      "memmove",
	} {
		if got := Package(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

// A log: the baseline runs four instructions of work, the measurement twice
// four, of which one run was stopped before it began, and once two of four,
// where a block of its own was made for an access to a device.
const log = `----------------
IN: example.org/a.base
0x00001000:  e1a00000  mov r0, r0
0x00001004:  e1a00000  mov r0, r0

Trace 0: 0x7f0000000100 [00000400/00001000/00000110/ff020000] example.org/a.base
IN: example.org/a.work
0x00002000:  e1a00000  mov r0, r0
0x00002004:  e1a00000  mov r0, r0
0x00002008:  e1a00000  mov r0, r0
0x0000200c:  e1a00000  mov r0, r0

Trace 0: 0x7f0000000200 [00000400/00002000/00000110/ff020000] example.org/a.work
Linking TBs 0x7f0000000100 index 0 -> 0x7f0000000200
IN: example.org/b.end
0x00001200:  e1a00000  mov r0, r0

Trace 0: 0x7f0000000300 [00000400/00001200/00000110/ff020000] example.org/b.end
Trace 0: 0x7f0000000200 [00000400/00002000/00000110/ff020000] example.org/a.work
IN: example.org/b.full
0x00001100:  e1a00000  mov r0, r0

Trace 0: 0x7f0000000400 [00000400/00001100/00000110/ff020000] example.org/b.full
Trace 0: 0x7f0000000200 [00000400/00002000/00000110/ff020000] example.org/a.work
Trace 0: 0x7f0000000200 [00000400/00002000/00000110/ff020000] example.org/a.work
Stopped execution of TB chain before 0x7f0000000200 [00002000] example.org/a.work
Trace 0: 0x7f0000000200 [00000400/00002000/00000110/ff020000] example.org/a.work
Trace 0: 0x7f0000000200 [00000400/00002000/00000110/ff020000] example.org/a.work
IN: example.org/a.work
0x00002008:  e1a00000  mov r0, r0

Trace 0: 0x7f0000000500 [00000400/00002008/00000110/ff028001] example.org/a.work
Trace 0: 0x7f0000000300 [00000400/00001200/00000110/ff020000] example.org/b.end
Trace 0: 0x7f0000000200 [00000400/00002000/00000110/ff020000] example.org/a.work
Trace nonsense
Trace 0: 0x1 [
`

func TestInstructionsAreCountedBetweenTheMarks(t *testing.T) {
	s := symbols()
	p, err := Read(strings.NewReader(log), s, Marks{Base: 0x1000, Full: 0x1100, End: 0x1200})
	if err != nil {
		t.Fatal(err)
	}
	work := s.Find(0x2000)
	if p.Base[work] != 4 || p.Full[work] != 4+4+2+1 {
		t.Errorf("work: %d and %d", p.Base[work], p.Full[work])
	}
	lines := p.Lines(7, 1, Package)
	if len(lines) != 2 || lines[0].Name != "example.org/a" || lines[0].Instructions != (11.0-4-2)/7 {
		t.Errorf("%+v", lines)
	}
	// The block that was stopped before it began is no call, nor is the half.
	if p.baseCalls[work] != 1 || p.fullCalls[work] != 3 {
		t.Errorf("work: %d and %d calls", p.baseCalls[work], p.fullCalls[work])
	}
}

// FuzzRead reads what is no log of QEMU's.
func FuzzRead(f *testing.F) {
	f.Add([]byte(log))
	f.Add([]byte("Trace 0: 0x[\nStopped\n0x\nIN:\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Read(bytes.NewReader(b), symbols(), Marks{Base: 0x1000, Full: 0x1100, End: 0x1200})
		if err != nil || p == nil {
			t.Error(err)
		}
	})
}

package imx

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gasp-go/gasp/board/mmio"
)

// The tests run the drivers on register models written from the manuals. Nothing
// here has met the hardware.

const rngBase = 0x02140000

// generator is what both drivers are.
type generator interface {
	Word() (uint32, bool)
	Status() string
}

// ask asks n times and returns the words.
func ask(g generator, n int) (words []uint32) {
	for range n {
		if v, ok := g.Word(); ok {
			words = append(words, v)
		}
	}
	return words
}

// noise is a good source's words.
func noise() func() uint32 {
	r := rand.New(rand.NewPCG(1, 2))
	return r.Uint32
}

// constant is a bus whose every register reads as one value: 0, as QEMU's
// unimplemented devices, or all ones.
type constant uint32

func (c constant) Read32(uintptr) uint32   { return uint32(c) }
func (c constant) Write32(uintptr, uint32) {}

func TestGeneratorThatIsNotThereIsSeen(t *testing.T) {
	for _, v := range []constant{0, 0xffffffff} {
		for _, g := range []generator{
			&CAAM{Regs: mmio.Through(v, rngBase)},
			&RNGB{Regs: mmio.Through(v, rngBase)},
		} {
			if w := ask(g, 1000); len(w) != 0 {
				t.Errorf("%#x: %T gave %d words", uint32(v), g, len(w))
			}
			if s := g.Status(); !strings.HasSuffix(s, "not there") {
				t.Errorf("%#x: %T: %q", uint32(v), g, s)
			}
		}
	}
}

func TestHealthTest(t *testing.T) {
	next := noise()
	var good, other [blockWords]uint32
	for i := range good {
		good[i], other[i] = next(), next()
	}
	if !healthy(&good, &other) {
		t.Error("a good block is refused")
	}
	bad := map[string]func(b *[blockWords]uint32){
		"zeros":            func(b *[blockWords]uint32) { *b = [blockWords]uint32{} },
		"a word twice":     func(b *[blockWords]uint32) { b[15] = b[0] },
		"the block before": func(b *[blockWords]uint32) { *b = other },
		"one word of it":   func(b *[blockWords]uint32) { b[3] = other[9] },
		"a counter": func(b *[blockWords]uint32) {
			for i := range b {
				b[i] = uint32(i)
			}
		},
		"half stuck at one": func(b *[blockWords]uint32) {
			for i := range b {
				b[i] |= 0xffff
			}
		},
		"half stuck at zero": func(b *[blockWords]uint32) {
			for i := range b {
				b[i] &^= 0xffff
			}
		},
		"two words in turn": func(b *[blockWords]uint32) {
			for i := range b {
				b[i] = 0x55555555 << (i & 1)
			}
		},
	}
	for name, spoil := range bad {
		b := good
		spoil(&b)
		if healthy(&b, &other) {
			t.Errorf("%s: taken for random", name)
		}
	}
}

func TestGoodGeneratorIsNotRefused(t *testing.T) {
	next := noise()
	var block, before [blockWords]uint32
	refused := 0
	for range 100_000 {
		before = block
		for i := range block {
			block[i] = next()
		}
		if !healthy(&block, &before) {
			refused++
		}
	}
	if refused > 1 {
		t.Errorf("%d blocks of 100000 refused", refused)
	}
}

func TestDriversAllocateNothing(t *testing.T) {
	c, r := newCAAM(), newRNGB()
	caam, rngb := c.driver(), r.driver()
	if n := testing.AllocsPerRun(1000, func() { caam.Word(); rngb.Word() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzGenerator lets any values be read: a driver may not hang, and hands out
// nothing of a generator that it has given up.
func FuzzGenerator(f *testing.F) {
	f.Add(uint64(1), uint64(2))
	f.Fuzz(func(t *testing.T, a, b uint64) {
		r := rand.New(rand.NewPCG(a, b))
		bus := random{r}
		for _, g := range []generator{&CAAM{Regs: mmio.Through(bus, rngBase)}, &RNGB{Regs: mmio.Through(bus, rngBase)}} {
			for range 500 {
				_, ok := g.Word()
				if s := g.Status(); ok && strings.HasSuffix(s, "not there") {
					t.Errorf("%T: a word of a generator that is %s", g, s)
				}
			}
		}
	})
}

// random is a bus that reads as anything, often as what a driver looks for.
type random struct{ r *rand.Rand }

func (b random) Read32(off uintptr) uint32 {
	switch b.r.IntN(4) {
	case 0:
		return 1 << b.r.IntN(32)
	case 1:
		return 1<<28 | 4<<16 | 1<<b.r.IntN(32)
	}
	return b.r.Uint32()
}

func (b random) Write32(uintptr, uint32) {}

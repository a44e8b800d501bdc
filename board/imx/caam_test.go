package imx

import (
	"slices"
	"testing"

	"github.com/gasp-go/gasp/board/mmio"
)

// caamModel is CAAM's entropy source: a block takes a number of reads of RTMCTL
// to make, and reading its last word begins the next.
type caamModel struct {
	ctl    uint32
	sdctl  uint32
	block  [16]uint32
	busy   int // reads of RTMCTL until the block is there
	blocks int // made so far

	source   func() uint32
	perBlock int                       // reads that a block takes, 0: for ever
	fail     func(delay uint32) uint32 // error bits that a block of this delay has
}

func newCAAM() *caamModel { return &caamModel{source: noise(), perBlock: 3} }

func (m *caamModel) driver() *CAAM { return &CAAM{Regs: mmio.Through(m, rngBase)} }

func (m *caamModel) Read32(a uintptr) uint32 {
	switch off := a - rngBase; {
	case off == caamVIDMS:
		return 0x0a160100
	case off == caamCHAVIDLS:
		return 0x00040000 | 0x301
	case off == caamRTMCTL:
		m.step()
		return m.ctl
	case off >= caamRTENT && off < caamRTENT+64:
		if m.ctl&mctlProg != 0 || m.ctl&mctlAccess == 0 || m.ctl&mctlValid == 0 {
			return 0
		}
		v := m.block[(off-caamRTENT)/4]
		if off == caamRTENT+60 {
			m.begin()
		}
		return v
	}
	return 0
}

func (m *caamModel) step() {
	if m.ctl&(mctlProg|mctlValid|mctlError) != 0 || m.perBlock == 0 {
		return
	}
	if m.busy--; m.busy > 0 {
		return
	}
	if m.fail != nil {
		if e := m.fail(m.sdctl >> 16); e != 0 {
			m.ctl |= e
			return
		}
	}
	for i := range m.block {
		m.block[i] = m.source()
	}
	m.blocks++
	m.ctl |= mctlValid
}

func (m *caamModel) begin() {
	m.ctl &^= mctlValid
	m.busy = m.perBlock
}

func (m *caamModel) Write32(a uintptr, v uint32) {
	switch a - rngBase {
	case caamRTMCTL:
		if v&mctlProg != 0 && v&mctlAccess != 0 {
			m.ctl &^= mctlValid
		}
		if v&mctlError != 0 {
			m.ctl &^= mctlError
		}
		if v&mctlReset != 0 && v&mctlProg != 0 {
			m.sdctl = 0x0c8009c4
			m.ctl &^= mctlFail
		}
		const rw = mctlProg | mctlAccess | 3
		was := m.ctl
		m.ctl = m.ctl&^rw | v&rw
		if was&mctlProg != 0 && v&mctlProg == 0 {
			m.busy = m.perBlock
		}
	case caamRTSDCTL:
		if m.ctl&mctlProg != 0 { // otherwise read-only
			m.sdctl = v
		}
	}
}

func TestCAAMGivesTheBlocksItMade(t *testing.T) {
	m := newCAAM()
	next := noise()
	var want []uint32
	for range 10 * 16 {
		want = append(want, next())
	}
	got := ask(m.driver(), 230)
	if len(got) < 160 {
		t.Fatalf("%d words", len(got))
	}
	// Each block comes from its end.
	for b := range 10 {
		block := slices.Clone(want[b*16 : b*16+16])
		slices.Reverse(block)
		if !slices.Equal(got[b*16:b*16+16], block) {
			t.Errorf("block %d: %#x, want %#x", b, got[b*16:b*16+16], block)
		}
	}
}

func TestCAAMIsSetUpAndDoesNotTakeTheLoadersBlock(t *testing.T) {
	m := newCAAM()
	m.ctl = mctlValid | mctlAccess // made by somebody else, with other settings
	d := m.driver()
	for range 3 {
		if v, ok := d.Word(); ok {
			t.Errorf("%#x, from the block that was there", v)
		}
	}
	if m.sdctl != 3200<<16|2500 || m.ctl&(mctlProg|3|mctlAccess) != mctlAccess|mctlRaw {
		t.Errorf("RTSDCTL %#x, RTMCTL %#x", m.sdctl, m.ctl)
	}
	if w := ask(d, 20); len(w) < 16 || d.Status() != "CAAM running" {
		t.Errorf("%d words, %s", len(w), d.Status())
	}
}

func TestCAAMTakesLongerSamplesUntilTheyAreGood(t *testing.T) {
	for _, bits := range []uint32{mctlError, mctlFail, mctlError | mctlFail} {
		m := newCAAM()
		m.fail = func(delay uint32) uint32 {
			if delay < 4800 {
				return bits
			}
			return 0
		}
		d := m.driver()
		if w := ask(d, 100); len(w) == 0 || m.sdctl>>16 != 4800 {
			t.Errorf("%#x: %d words with a delay of %d", bits, len(w), m.sdctl>>16)
		}
	}
}

func TestCAAMThatAlwaysFailsIsGivenUp(t *testing.T) {
	m := newCAAM()
	tries := 0
	m.fail = func(uint32) uint32 { tries++; return mctlError }
	d := m.driver()
	if w := ask(d, 1000); len(w) != 0 || d.Status() != "CAAM failed" || tries != 25 {
		t.Errorf("%d words after %d tries, %s", len(w), tries, d.Status())
	}
}

func TestCAAMThatIsNeverReadyHoldsNobodyUp(t *testing.T) {
	m := newCAAM()
	m.perBlock = 0
	d := m.driver()
	if w := ask(d, 1000); len(w) != 0 || d.Status() != "CAAM running, nothing yet" {
		t.Errorf("%d words, %s", len(w), d.Status())
	}
}

func TestCAAMThatRepeatsItselfIsGivenUp(t *testing.T) {
	same := noise()
	period := []uint32{}
	for range 32 {
		period = append(period, same())
	}
	n := 0
	for name, source := range map[string]func() uint32{
		"stuck at a word": func() uint32 { return 0x5a5a1234 },
		"zeros":           func() uint32 { return 0 },
		"ones":            func() uint32 { return 0xffffffff },
		"16 words for ever": func() uint32 {
			n++
			return period[n%16]
		},
	} {
		m := newCAAM()
		m.source = source
		d := m.driver()
		w := ask(d, 1000)
		if d.Status() != "CAAM failed: its numbers are not random" || len(w) > 16 {
			t.Errorf("%s: %d words, %s", name, len(w), d.Status())
		}
	}
}

func TestCAAMSurvivesABadBlock(t *testing.T) {
	m := newCAAM()
	good := noise()
	m.source = func() uint32 {
		if m.blocks%3 != 0 {
			return 7
		}
		return good()
	}
	d := m.driver()
	w := ask(d, 1000)
	if len(w) < 200 || slices.Contains(w, 7) {
		t.Errorf("%d words, bad ones among them: %v; %s", len(w), slices.Contains(w, 7), d.Status())
	}
}

func TestCAAMWhoseBusGoesAwayIsGivenUp(t *testing.T) {
	m := newCAAM()
	d := m.driver()
	ask(d, 20)
	d.Regs = mmio.Through(constant(0xffffffff), rngBase)
	ask(d, 20)
	if w := ask(d, 1000); len(w) != 0 || d.Status() != "CAAM failed" {
		t.Errorf("%d words, %s", len(w), d.Status())
	}
}

package imx

import (
	"slices"
	"testing"

	"github.com/gasp-go/gasp/board/mmio"
)

// rngbModel is RNGB: commands take a number of reads of the status register.
type rngbModel struct {
	sr, esr uint32
	fifo    []uint32
	cmd     uint32 // what is being done
	busy    int
	seeds   int

	source    func() uint32
	perCmd    int    // reads that a command takes, 0: for ever
	testFails uint32 // status bits of the self test
	seedFails func(seeds int) (esr uint32)
	most      int // words made, 0: any number
	made      int
	underflow bool
}

func newRNGB() *rngbModel { return &rngbModel{source: noise(), perCmd: 3} }

func (m *rngbModel) driver() *RNGB { return &RNGB{Regs: mmio.Through(m, rngBase)} }

func (m *rngbModel) Read32(a uintptr) uint32 {
	switch a - rngBase {
	case rngbVER:
		return 0x10000280
	case rngbSR:
		m.step()
		return m.sr | uint32(len(m.fifo))<<8
	case rngbESR:
		return m.esr
	case rngbOUT:
		if len(m.fifo) == 0 {
			m.underflow = true
			return 0
		}
		v := m.fifo[0]
		m.fifo = m.fifo[1:]
		return v
	}
	return 0
}

func (m *rngbModel) step() {
	if m.cmd == 0 {
		if m.sr&srSeedDone != 0 && m.sr&srError == 0 && len(m.fifo) < 5 && (m.most == 0 || m.made < m.most) {
			m.made++
			m.fifo = append(m.fifo, m.source())
		}
		return
	}
	if m.busy--; m.busy != 0 {
		return
	}
	switch {
	case m.cmd&cmdSelfTest != 0:
		m.sr |= srTestDone | m.testFails
	case m.cmd&cmdSeed != 0:
		m.seeds++
		m.sr |= srSeedDone
		if m.seedFails != nil {
			if e := m.seedFails(m.seeds); e != 0 {
				m.sr, m.esr = m.sr|srError, e
			}
		}
	}
	m.cmd = 0
}

func (m *rngbModel) Write32(a uintptr, v uint32) {
	if a-rngBase != rngbCMD {
		return
	}
	if v&cmdReset != 0 {
		*m = rngbModel{source: m.source, perCmd: m.perCmd, most: m.most, testFails: m.testFails, seedFails: m.seedFails}
	}
	if v&cmdClearErr != 0 {
		m.sr, m.esr = m.sr&^srError, 0
	}
	if v&(cmdSelfTest|cmdSeed) != 0 {
		m.cmd, m.busy = v, m.perCmd
	}
}

func TestRNGBTestsItselfSeedsItselfAndGivesWords(t *testing.T) {
	m := newRNGB()
	d := m.driver()
	w := ask(d, 200)
	if len(w) < 100 || d.Status() != "RNGB running" || m.seeds != 1 || m.underflow {
		t.Errorf("%d words, %s, %d seeds, underflow %v", len(w), d.Status(), m.seeds, m.underflow)
	}
	slices.Sort(w)
	if len(slices.Compact(w)) != len(w) {
		t.Error("a word twice")
	}
}

func TestRNGBThatFailsItsSelfTestIsGivenUp(t *testing.T) {
	for _, bits := range []uint32{1 << 21, 1 << 22, 1 << 23, srError} {
		m := newRNGB()
		m.testFails = bits
		d := m.driver()
		if w := ask(d, 200); len(w) != 0 || d.Status() != "RNGB failed" {
			t.Errorf("%#x: %d words, %s", bits, len(w), d.Status())
		}
	}
}

func TestRNGBMakesAnotherSeedAfterAStatisticalError(t *testing.T) {
	m := newRNGB()
	m.seedFails = func(n int) uint32 {
		if n < 4 {
			return esrStatistical
		}
		return 0
	}
	d := m.driver()
	if w := ask(d, 200); len(w) < 16 || m.seeds != 4 {
		t.Errorf("%d words after %d seeds, %s", len(w), m.seeds, d.Status())
	}
}

func TestRNGBGivesUpAfterTenSeeds(t *testing.T) {
	m := newRNGB()
	m.seedFails = func(int) uint32 { return esrStatistical }
	d := m.driver()
	if w := ask(d, 1000); len(w) != 0 || m.seeds != 10 || d.Status() != "RNGB failed" {
		t.Errorf("%d words after %d seeds, %s", len(w), m.seeds, d.Status())
	}
}

func TestRNGBWithAnyOtherErrorIsGivenUp(t *testing.T) {
	for _, e := range []uint32{1 << 0, 1 << 1, 1 << 2, 1 << 4, esrStatistical | 1<<1} {
		m := newRNGB()
		m.seedFails = func(int) uint32 { return e }
		d := m.driver()
		if w := ask(d, 200); len(w) != 0 || d.Status() != "RNGB failed" {
			t.Errorf("ESR %#x: %d words, %s", e, len(w), d.Status())
		}
	}
}

func TestRNGBErrorLaterThrowsAwayWhatWasHalfRead(t *testing.T) {
	m := newRNGB()
	m.most = 20
	d := m.driver()
	if w := ask(d, 100); len(w) != 16 || d.have != 4 {
		t.Fatalf("%d words, %d more read", len(w), d.have)
	}
	m.sr, m.esr = m.sr|srError, esrStatistical
	d.Word()
	if d.have != 0 || m.cmd&cmdSeed == 0 {
		t.Errorf("%d words kept, command %#x", d.have, m.cmd)
	}
}

func TestRNGBThatIsNeverReadyHoldsNobodyUp(t *testing.T) {
	m := newRNGB()
	m.perCmd = 0
	d := m.driver()
	if w := ask(d, 1000); len(w) != 0 || d.Status() != "RNGB self test" {
		t.Errorf("%d words, %s", len(w), d.Status())
	}
}

func TestRNGBThatIsStuckIsGivenUp(t *testing.T) {
	m := newRNGB()
	m.source = func() uint32 { return 0xdeadbeef }
	d := m.driver()
	if w := ask(d, 1000); len(w) != 0 || d.Status() != "RNGB failed: its numbers are not random" {
		t.Errorf("%d words, %s", len(w), d.Status())
	}
}

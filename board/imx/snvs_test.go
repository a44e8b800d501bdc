package imx

import (
	"testing"
	"time"

	"github.com/gasp-go/gasp/board/mmio"
)

const snvsBase = 0x020cc000

// snvsModel is SNVS's counter: it moves on by step at each read of a half.
type snvsModel struct {
	count   uint64
	step    uint64
	lpcr    uint32
	lag     int // reads of LPCR until a write to it shows
	waiting int
	next    uint32
	locked  bool // writes to LPCR do nothing, as in QEMU 7.2
	bad     int  // writes to the counter while it runs
	pgd     uint32
}

func (m *snvsModel) rtc() *SNVS { return &SNVS{Regs: mmio.Through(m, snvsBase)} }

func (m *snvsModel) Read32(a uintptr) (v uint32) {
	switch a - snvsBase {
	case snvsLPCR:
		if m.waiting > 0 {
			if m.waiting--; m.waiting == 0 {
				m.lpcr = m.next
			}
		}
		return m.lpcr
	case snvsSRTCMR:
		v = uint32(m.count >> 32)
	case snvsSRTCLR:
		v = uint32(m.count)
	default:
		return 0
	}
	if m.lpcr&lpcrSRTCEnv != 0 {
		m.count = (m.count + m.step) & (1<<47 - 1)
	}
	return v
}

func (m *snvsModel) Write32(a uintptr, v uint32) {
	switch a - snvsBase {
	case snvsLPCR:
		if m.locked {
			return
		}
		if m.next = v; m.lag == 0 {
			m.lpcr = v
		}
		m.waiting = m.lag
	case snvsSRTCMR:
		m.write(uint64(v)<<32 | m.count&0xffffffff)
	case snvsSRTCLR:
		m.write(m.count>>32<<32 | uint64(v))
	case snvsLPPGDR:
		m.pgd = v
	}
}

func (m *snvsModel) write(count uint64) {
	if m.lpcr&lpcrSRTCEnv != 0 {
		m.bad++
		return
	}
	m.count = count & (1<<47 - 1)
}

func unixCount(sec int64) uint64 { return uint64(sec) << 15 }

func TestSNVSShowsTheTime(t *testing.T) {
	for _, at := range []int64{0, 1, 1_767_225_600, 1<<31 - 1, 1 << 31, 1<<32 - 1} {
		m := &snvsModel{count: unixCount(at) + 16384, lpcr: lpcrSRTCEnv}
		if got, ok := m.rtc().Now(); !ok || got != at*1e9+5e8 {
			t.Errorf("%d s: %d, %v", at, got, ok)
		}
	}
}

// The upper half is read, the lower rolls over, the lower half is read: taken
// together they would be 36 hours off.
func TestSNVSIsReadRightWhereTheLowerHalfRollsOver(t *testing.T) {
	for before := range uint64(12) {
		m := &tickingSNVS{snvsModel: snvsModel{count: 53<<32 - 3, lpcr: lpcrSRTCEnv}, every: 4, n: int(before)}
		s := &SNVS{Regs: mmio.Through(m, snvsBase)}
		got, ok := s.Now()
		want := int64(53) << 32 / 32768 * 1e9
		if d := got - want; !ok || d < -int64(time.Millisecond) || d > int64(time.Millisecond) {
			t.Errorf("%v from the roll-over, %v", time.Duration(d), ok)
		}
	}
}

// tickingSNVS moves on only at every so-manieth read.
type tickingSNVS struct {
	snvsModel
	every, n int
}

func (m *tickingSNVS) Read32(a uintptr) uint32 {
	if m.n++; m.n%m.every == 0 {
		m.count++
	}
	return m.snvsModel.Read32(a)
}

func TestSNVSThatIsNeverStableIsNotBelieved(t *testing.T) {
	m := &snvsModel{count: unixCount(1_800_000_000), step: 1, lpcr: lpcrSRTCEnv}
	if got, ok := m.rtc().Now(); ok {
		t.Errorf("%d of a counter that never reads the same twice", got)
	}
}

func TestSNVSThatDoesNotRunIsNotBelieved(t *testing.T) {
	for _, bus := range []mmio.Bus{&snvsModel{count: unixCount(1_800_000_000)}, constant(0), constant(0xffffffff)} {
		s := &SNVS{Regs: mmio.Through(bus, snvsBase)}
		if got, ok := s.Now(); ok {
			t.Errorf("%T: %d", bus, got)
		}
	}
}

func TestSNVSIsSetWhileItStandsStill(t *testing.T) {
	for _, was := range []uint32{0, lpcrSRTCEnv, 0x20, 0x20 | lpcrSRTCEnv} {
		m := &snvsModel{count: 12345, lpcr: was, lag: 100}
		const at = 1_767_225_600*1e9 + 123_456_789
		s := m.rtc()
		if err := s.Set(at); err != nil {
			t.Errorf("LPCR %#x: %v", was, err)
		}
		got, ok := s.Now()
		if d := at - got; !ok || d < 0 || d > 30_519 {
			t.Errorf("LPCR %#x: %v off, %v", was, time.Duration(d), ok)
		}
		if m.bad != 0 || m.lpcr != was|lpcrSRTCEnv || m.pgd != lppgdrValue {
			t.Errorf("LPCR %#x: %d writes while it ran, then LPCR %#x, LPPGDR %#x", was, m.bad, m.lpcr, m.pgd)
		}
	}
}

func TestSNVSThatCannotBeSetSaysSo(t *testing.T) {
	for _, was := range []uint32{0, lpcrSRTCEnv} {
		if err := (&snvsModel{lpcr: was, locked: true}).rtc().Set(1_800_000_000 * 1e9); err != errSNVSKeeps {
			t.Errorf("LPCR %#x: %v", was, err)
		}
	}
	if err := (&snvsModel{lag: snvsEnable + 10}).rtc().Set(1_800_000_000 * 1e9); err != errSNVSKeeps {
		t.Errorf("a counter that does not start: %v", err)
	}
	for _, at := range []int64{-1, 1 << 32 * 1e9, 1<<63 - 1} {
		if err := (&snvsModel{}).rtc().Set(at); err != errSNVSTime {
			t.Errorf("%d: %v", at, err)
		}
	}
}

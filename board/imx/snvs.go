package imx

import (
	"errors"

	"github.com/gasp-go/gasp/board/mmio"
)

// SNVS registers of the low-power, battery-backed domain (i.MX 6UltraLite
// Reference Manual, chapter "Secure Non-Volatile Storage"; the same on i.MX6Q and
// i.MX7D). The counter has 47 bits and runs at 32768 Hz.
const (
	snvsLPCR    = 0x38
	snvsLPSR    = 0x4c
	snvsSRTCMR  = 0x50 // counter: the upper 15 bits
	snvsSRTCLR  = 0x54 // the lower 32
	snvsLPPGDR  = 0x64 // power glitch detector
	lpcrSRTCEnv = 1 << 0
	lpsrPGD     = 1 << 3

	lppgdrValue = 0x41736166 // what the detector is to hold, or it says that power failed
	srtcHz      = 32768
	srtcBits    = 47

	// Most reads for two to be equal: the counter moves every 30 µs, and a
	// register is read in less than 1 µs.
	snvsReads = 20
	// Most reads until SRTC_ENV has got through to the slow domain, which takes
	// three of its clocks, 92 µs; a read takes 10 ns at least.
	snvsEnable = 100_000
)

// SNVS is the real time clock: the secure real time counter, which goes on when
// the SoC is off and the board has a battery. It counts from 1970, as U-Boot and
// Linux have it.
type SNVS struct{ Regs mmio.Block }

// Errors of the real time clock.
var (
	errSNVSKeeps = errors.New("SNVS does not start or stop its counter")
	errSNVSTime  = errors.New("time is out of the counter's range")
)

// Now returns the time in ns since 1970, to 31 µs; false if the counter does not
// run, or cannot be read. Trap context.
func (s *SNVS) Now() (unix int64, ok bool) {
	if cr := s.Regs.Read32(snvsLPCR); cr&lpcrSRTCEnv == 0 || cr == 0xffffffff {
		return 0, false
	}
	last := s.count()
	for range snvsReads {
		now := s.count()
		if now == last {
			sec, rest := now/srtcHz, now%srtcHz
			return int64(sec)*1_000_000_000 + int64(rest*1_000_000_000/srtcHz), true
		}
		last = now
	}
	return 0, false
}

// count reads the counter, whose halves may not belong together.
func (s *SNVS) count() uint64 {
	hi := uint64(s.Regs.Read32(snvsSRTCMR))
	return (hi<<32 | uint64(s.Regs.Read32(snvsSRTCLR))) & (1<<srtcBits - 1)
}

// Set sets the clock, to 31 µs, and starts it. The counter is written while it
// stands still. Any context.
func (s *SNVS) Set(unix int64) error {
	if unix < 0 || unix/1_000_000_000 >= 1<<srtcBits/srtcHz {
		return errSNVSTime
	}
	sec, rest := uint64(unix)/1_000_000_000, uint64(unix)%1_000_000_000
	count := sec*srtcHz + rest*srtcHz/1_000_000_000
	s.Regs.Write32(snvsLPPGDR, lppgdrValue)
	s.Regs.Write32(snvsLPSR, lpsrPGD)
	if !s.enable(false) {
		return errSNVSKeeps
	}
	s.Regs.Write32(snvsSRTCLR, uint32(count))
	s.Regs.Write32(snvsSRTCMR, uint32(count>>32))
	if !s.enable(true) {
		return errSNVSKeeps
	}
	return nil
}

// enable starts or stops the counter and reports whether it has, within a bound.
func (s *SNVS) enable(on bool) bool {
	cr := s.Regs.Read32(snvsLPCR) &^ lpcrSRTCEnv
	want := uint32(0)
	if on {
		want = lpcrSRTCEnv
	}
	s.Regs.Write32(snvsLPCR, cr|want)
	for range snvsEnable {
		if s.Regs.Read32(snvsLPCR)&lpcrSRTCEnv == want {
			return true
		}
	}
	return false
}

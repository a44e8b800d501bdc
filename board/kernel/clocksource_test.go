package kernel

import (
	"math"
	"math/big"
	"testing"
)

const year = 365 * 24 * 3600 * 1_000_000_000 // ns

// Rates of counters: the generic timer's on i.MX and in QEMU, the global timer's
// of a Cortex-A9, one without any common factor, and both ends.
var rates = []uint32{24_000_000, 62_500_000, 396_000_000, 498_000_001, 1, 8_000_000, 1_000_000_000, 2_000_000_000}

// At these times something could wrap: 32 bits of ns, counts, µs, ms and
// seconds, 53 bits of a float64, days and years.
func wrapTimes(freq uint32) []int64 {
	times := []int64{0, 1, 999_999_999, 1 << 31, 1 << 32, 1 << 33, 1 << 53, 1 << 62,
		1000 << 32, 1_000_000 << 32, (1 << 32) * 1_000_000_000, (1 << 31) * 1_000_000_000,
		year / 365, 7 * (year / 365), year, 10 * year, 100 * year, 292 * year}
	for _, counts := range []uint64{1 << 31, 1 << 32, 1 << 33, 1 << 53, 1 << 56} {
		t := new(big.Int).Mul(new(big.Int).SetUint64(counts), big.NewInt(1_000_000_000))
		if t.Div(t, big.NewInt(int64(freq))); t.IsInt64() {
			times = append(times, t.Int64())
		}
	}
	return times
}

// wrapBoots are what a counter can have counted at boot.
var wrapBoots = []uint64{0, 1, 1<<32 - 1, 1 << 32, 1 << 53, 1<<63 - 1, 1 << 63, math.MaxUint64 - 1, math.MaxUint64}

// bigCount is the exact number of counts after ns, rounded up.
func bigCount(ns int64, freq uint32) *big.Int {
	n := new(big.Int).Mul(big.NewInt(ns), big.NewInt(int64(freq)))
	n.Add(n, big.NewInt(999_999_999))
	return n.Div(n, big.NewInt(1_000_000_000))
}

func TestClockConvertsExactlyWhereSomethingCouldWrap(t *testing.T) {
	for _, freq := range rates {
		for _, boot := range wrapBoots {
			c := newClocksource(freq, boot)
			for _, at := range wrapTimes(freq) {
				for d := int64(-2); d <= 2; d++ {
					ns := at + d
					if ns < 0 {
						continue
					}
					want := bigCount(ns, freq)
					if !want.IsUint64() {
						continue
					}
					count := c.count(ns)
					if got := count - boot; got != want.Uint64() {
						t.Fatalf("%d Hz, boot at %d: count(%d) is %d after boot, want %d", freq, boot, ns, got, want)
					}
					// The alarm at that count is not early: its time has come.
					wantNS := new(big.Int).Mul(want, big.NewInt(1_000_000_000))
					wantNS.Div(wantNS, big.NewInt(int64(freq)))
					if !wantNS.IsInt64() {
						continue
					}
					if got := c.ns(count); got != wantNS.Int64() || got < ns {
						t.Fatalf("%d Hz, boot at %d: ns(count(%d)) = %d, want %d", freq, boot, ns, got, wantNS)
					}
					if got := c.ns(count - 1); count != boot && got >= ns && freq <= 1_000_000_000 {
						t.Fatalf("%d Hz, boot at %d: one count before %d ns it is %d ns already", freq, boot, ns, got)
					}
				}
			}
		}
	}
}

func TestClockStartsWithZeroAndNeverGoesBack(t *testing.T) {
	for _, freq := range rates {
		for _, boot := range wrapBoots {
			c := newClocksource(freq, boot)
			if got := c.ns(boot); got != 0 {
				t.Errorf("%d Hz: %d ns at boot", freq, got)
			}
			last := int64(0)
			for shift := 2; shift < 64; shift++ {
				for d := range uint64(3) {
					n := uint64(1)<<shift - 1 + d
					now := c.ns(boot + n)
					if now < last {
						t.Fatalf("%d Hz: after %d counts %d ns, after less %d", freq, n, now, last)
					}
					last = now
				}
			}
		}
	}
}

func TestClockStaysAtTheEndOfTime(t *testing.T) {
	for _, freq := range []uint32{24_000_000, 62_500_000, 396_000_000} {
		c := newClocksource(freq, 5)
		if got := c.ns(4); got != math.MaxInt64 {
			t.Errorf("%d Hz: ns(all counts) = %d", freq, got)
		}
		if got := c.count(-1); got != 5 {
			t.Errorf("%d Hz: a time before boot is at count %d, want 5", freq, got)
		}
	}
}

func FuzzClocksource(f *testing.F) {
	f.Add(uint32(24_000_000), uint64(0), int64(1<<32))
	f.Add(uint32(62_500_000), uint64(math.MaxUint64), int64(1<<53))
	f.Fuzz(func(t *testing.T, freq uint32, boot uint64, ns int64) {
		if freq == 0 || freq > 1_000_000_000 || ns < 0 || ns > 1<<62 {
			return
		}
		c := newClocksource(freq, boot)
		if got := c.ns(c.count(ns)); got < ns || uint64(got-ns) > 1_000_000_000/uint64(freq) {
			t.Errorf("ns(count(%d)) = %d at %d Hz", ns, got, freq)
		}
	})
}

package kernel

import (
	"math/big"
	"strings"
	"testing"
)

// FuzzNumber compares numbers of the boot arguments with those of math/big.
func FuzzNumber(f *testing.F) {
	for _, s := range []string{"", "0", "64M", "0x4000000", "0xg", "1G", "4G", "17179869184G", "4294967296", "99999999999999999999k", "1T", "08"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, rest := parseNumber([]byte(s))
		if len(rest) > len(s) || !strings.HasSuffix(s, string(rest)) {
			t.Fatalf("%q leaves %q", s, rest)
		}
		digits, base, shift := s, 10, uint(0)
		if k := len(digits) - 1; k >= 0 {
			switch digits[k] {
			case 'k', 'K':
				digits, shift = digits[:k], 10
			case 'm', 'M':
				digits, shift = digits[:k], 20
			case 'g', 'G':
				digits, shift = digits[:k], 30
			}
		}
		if len(digits) > 2 && (digits[:2] == "0x" || digits[:2] == "0X") {
			digits, base = digits[2:], 16
		}
		want, ok := new(big.Int).SetString(digits, base)
		if !ok || strings.ContainsAny(digits, "+-_") {
			return
		}
		if shift == 0 && want.IsUint64() && want.Uint64() < 1<<32 && (n != want.Uint64() || len(rest) != 0) {
			t.Errorf("%q is %d, and %q", s, n, rest)
		}
		want.Lsh(want, shift)
		size := uint32(0xffffffff)
		if want.IsUint64() && want.Uint64() < uint64(size) {
			size = uint32(want.Uint64())
		}
		if got := parseSize([]byte(s)); got != size {
			t.Errorf("%q is %d bytes, want %d", s, got, size)
		}
	})
}

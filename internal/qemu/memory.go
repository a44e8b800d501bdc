package qemu

import (
	"fmt"
	"strconv"
	"strings"
)

// ParseMemory parses a size of RAM as QEMU's -m takes it, a number with the
// suffix K, M or G, or of megabytes, and returns it in bytes.
func ParseMemory(s string) (uint64, error) {
	digits, unit := s, uint64(1<<20)
	if n := len(s); n > 0 {
		switch strings.ToUpper(s[n-1:]) {
		case "K":
			digits, unit = s[:n-1], 1<<10
		case "M":
			digits, unit = s[:n-1], 1<<20
		case "G":
			digits, unit = s[:n-1], 1<<30
		}
	}
	v, err := strconv.ParseUint(digits, 10, 32)
	if err != nil || v == 0 || v*unit > 1<<32 {
		return 0, fmt.Errorf("bad memory size %q (want a number with K, M or G, at most 4G)", s)
	}
	return v * unit, nil
}

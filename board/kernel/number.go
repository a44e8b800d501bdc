package kernel

// parseSize reads a number with Linux's suffixes K, M, G; hexadecimal with 0x.
func parseSize(v []byte) uint32 {
	n, rest := parseNumber(v)
	n = min(n, 1<<32) // so that the suffix does not push it out
	if len(rest) == 1 {
		switch rest[0] | 0x20 {
		case 'k':
			n <<= 10
		case 'm':
			n <<= 20
		case 'g':
			n <<= 30
		}
	}
	if n > 0xffffffff {
		return 0xffffffff
	}
	return uint32(n)
}

func parseNumber(v []byte) (n uint64, rest []byte) {
	base := uint64(10)
	if len(v) > 2 && v[0] == '0' && v[1]|0x20 == 'x' {
		base, v = 16, v[2:]
	}
	for len(v) > 0 && n < 1<<32 {
		c := v[0]
		var d uint64
		switch {
		case c >= '0' && c <= '9':
			d = uint64(c - '0')
		case base == 16 && c|0x20 >= 'a' && c|0x20 <= 'f':
			d = uint64(c|0x20-'a') + 10
		default:
			return n, v
		}
		n = n*base + d
		v = v[1:]
	}
	return n, v
}

package console

import "unsafe"

// AppendEscaped appends p with each byte that is not printable ASCII, and the
// backslash, as \xNN, at most room bytes of output, and returns how many bytes of p
// found room. Any context.
func AppendEscaped(b, p []byte, room int) ([]byte, int) {
	i := 0
	for i < len(p) {
		run := p[i:]
		if len(run) > room {
			run = run[:max(room, 0)]
		}
		n := plainRun(run)
		b = append(b, run[:n]...)
		i, room = i+n, room-n
		if i == len(p) || room < 4 && n == len(run) || room < 4 && !plain(p[i]) {
			break
		}
		if c := p[i]; !plain(c) {
			b = append(b, '\\', 'x', hexDigits[c>>4], hexDigits[c&15])
			i, room = i+1, room-4
		}
	}
	return b, i
}

const hexDigits = "0123456789abcdef"

func plain(c byte) bool { return c-0x20 < 0x7f-0x20 && c != '\\' }

// plainRun returns how many bytes at the beginning of p are plain. Most are, in most
// records, so it looks at four at a time.
func plainRun(p []byte) int {
	const ones, tops = 0x01010101, 0x80808080
	n := 0
	for n < len(p) && uintptr(unsafe.Pointer(&p[n]))%4 != 0 {
		if !isPlain[p[n]] {
			return n
		}
		n++
	}
	for n+4 <= len(p) {
		v := *(*uint32)(unsafe.Pointer(&p[n]))
		slash, del := v^'\\'*ones, v^0x7f*ones
		// The top bit of a byte is set if the byte, or one below it that has
		// stopped the search already, is 0x80 or more, less than 0x20, a
		// backslash, or 0x7f.
		if (v|(v-0x20*ones)|(slash-ones)&^slash|(del-ones)&^del)&tops != 0 {
			break
		}
		n += 4
	}
	for n < len(p) && isPlain[p[n]] {
		n++
	}
	return n
}

// isPlain is plain as a table, which is faster.
var isPlain = func() (t [256]bool) {
	for c := range t {
		t[c] = plain(byte(c))
	}
	return t
}()

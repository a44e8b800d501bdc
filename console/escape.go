package console

import "unsafe"

// AppendEscaped appends p with each byte that is not printable ASCII, and the
// backslash, as \xNN, at most room bytes of output, and returns how many bytes of p
// found room. Any context.
func AppendEscaped(b, p []byte, room int) ([]byte, int) {
	if n := len(p); n <= room && CopyPlain(b[len(b):cap(b)], p) {
		return b[:len(b)+n], n // as most are
	}
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
		for i < len(p) && room >= 4 && !isPlain[p[i]] { // most often not one alone: UTF-8
			c := p[i]
			b = append(b, '\\', 'x', hexDigits[c>>4], hexDigits[c&15])
			i, room = i+1, room-4
		}
	}
	return b, i
}

// CopyPlain copies p to the beginning of dst and reports whether that is p escaped: it
// had room, and nothing is to be escaped. It is never for less than 16 bytes. Any
// context.
func CopyPlain(dst, p []byte) bool {
	n := len(p)
	return n >= 16 && n <= len(dst) && copyPlain(unsafe.Pointer(&dst[0]), unsafe.Pointer(&p[0]), n)
}

const hexDigits = "0123456789abcdef"

func plain(c byte) bool { return c-0x20 < 0x7f-0x20 && c != '\\' }

// plainRun returns how many bytes at the beginning of p are plain.
func plainRun(p []byte) int {
	n := 0
	for n < len(p) && uintptr(unsafe.Pointer(&p[n]))%4 != 0 {
		if !isPlain[p[n]] {
			return n
		}
		n++
	}
	for n+4 <= len(p) && odd(*(*uint32)(unsafe.Pointer(&p[n])))&tops == 0 {
		n += 4
	}
	for n < len(p) && isPlain[p[n]] {
		n++
	}
	return n
}

const ones, tops = 0x01010101, 0x80808080

// odd sets the top bit of a byte of v that is 0x80 or more, 0x7f, less than 0x20, or a
// backslash, in this order, and of none if there is no such byte: only such a byte
// lends to or borrows from its neighbour.
func odd(v uint32) uint32 { return v | (v + ones) | (v - 0x20*ones) | ((v ^ '\\'*ones) - ones) }

// isPlain is plain as a table, which is faster.
var isPlain = func() (t [256]bool) {
	for c := range t {
		t[c] = plain(byte(c))
	}
	return t
}()

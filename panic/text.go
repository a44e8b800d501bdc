package panics

// Text is a line being written, in static memory. What does not fit is cut
// off.
type Text struct {
	n   int
	buf [512]byte
}

// Reset begins a line.
func (t *Text) Reset() *Text {
	t.n = 0
	return t
}

// Bytes returns the line.
func (t *Text) Bytes() []byte {
	if t.n < 0 || t.n > len(t.buf) {
		t.n = 0
	}
	return t.buf[:t.n]
}

func (t *Text) byte(b byte) {
	if t.n >= 0 && t.n < len(t.buf) {
		t.buf[t.n] = b
		t.n++
	}
}

// Str appends a string.
func (t *Text) Str(s string) *Text {
	for i := 0; i < len(s); i++ {
		t.byte(s[i])
	}
	return t
}

// Bin appends bytes.
func (t *Text) Bin(p []byte) *Text {
	for _, b := range p {
		t.byte(b)
	}
	return t
}

// Num appends a number in base 10 or 16, with pad in front up to that width.
func (t *Text) Num(v uint64, base, width int, pad byte) {
	digits := 1
	for rest := v / uint64(base); rest > 0; rest /= uint64(base) {
		digits++
	}
	for range width - digits {
		t.byte(pad)
	}
	if base == 16 {
		t.hex64(v, digits)
		return
	}
	t.Dec(v)
}

// Dec appends a number in decimal.
func (t *Text) Dec(v uint64) *Text { return t.pad(v, 1) }

// pad appends a number in decimal with at least width digits.
func (t *Text) pad(v uint64, width int) *Text {
	var digits [20]byte
	i := len(digits)
	for (v > 0 || width > 0) && i > 0 {
		i--
		digits[i] = '0' + byte(v%10)
		v /= 10
		width--
	}
	return t.Bin(digits[i:])
}

// Hex appends a word as eight hexadecimal digits.
func (t *Text) Hex(v uint32) *Text { return t.hex(v, 8) }

func (t *Text) hex(v uint32, width int) *Text { return t.hex64(uint64(v), width) }

func (t *Text) hex64(v uint64, width int) *Text {
	for i := width - 1; i >= 0; i-- {
		t.byte("0123456789abcdef"[v>>(4*uint(i))&15])
	}
	return t
}

// symbol appends an address as function and offset, or as a number.
func (t *Text) symbol(pc uint32) *Text {
	if hooks.Symbolize != nil {
		if name, off := hooks.Symbolize(pc); name != "" {
			width := 1
			for off>>(4*uint(width)) != 0 && width < 8 {
				width++
			}
			return t.Str(name).Str("+0x").hex(off, width)
		}
	}
	return t.Str("0x").Hex(pc)
}

// flags appends a CPSR the way Linux does: set conditions in capitals.
func (t *Text) flags(psr uint32) *Text {
	for i, c := range [4]byte{'n', 'z', 'c', 'v'} {
		if psr>>(31-uint(i))&1 != 0 {
			c -= 'a' - 'A'
		}
		t.byte(c)
	}
	t.Str("  IRQs ").Str(onOff(psr&0x80 == 0)).Str("  FIQs ").Str(onOff(psr&0x40 == 0)).Str("  Mode ")
	switch psr & 0x1f {
	case 0x10:
		t.Str("USER_32")
	case 0x11:
		t.Str("FIQ_32")
	case 0x12:
		t.Str("IRQ_32")
	case 0x13:
		t.Str("SVC_32")
	case 0x17:
		t.Str("ABT_32")
	case 0x1b:
		t.Str("UND_32")
	case 0x1f:
		t.Str("SYS_32")
	default:
		t.Str("UK").Dec(uint64(psr & 0x1f))
	}
	t.Str("  ISA ")
	if psr&0x20 != 0 {
		return t.Str("Thumb")
	}
	return t.Str("ARM")
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

package console

// Bounds of a record, in bytes.
const (
	MaxText = 2048
	MaxDict = 1024
)

// Record is one record of the log. It holds no pointers and is large; use one
// again and again.
type Record struct {
	// Seq and Time come first: package ramoops takes them as four words.
	Seq      uint64 // 0, 1, 2, ... since boot
	Time     int64  // nanoseconds since boot
	Lost     uint64 // not 0: this is no record of the ring but the notice that Lost records before it are gone
	Level    Level
	Facility uint8
	Thread   uint16 // who logged it, by number modulo 1024; 0: nobody's, a top half (SetCaller)
	Cont     bool   // continues the text of the record before it, which ended without a newline

	N     int // bytes of Text
	NDict int // bytes of Dict
	Text  [MaxText]byte
	Dict  [MaxDict]byte // see AppendDict
}

// Message returns the text. It stays the record's.
func (r *Record) Message() []byte { return r.Text[:clamp(r.N, MaxText)] }

// Dictionary returns the dictionary, as made by AppendDict.
func (r *Record) Dictionary() []byte { return r.Dict[:clamp(r.NDict, MaxDict)] }

// clamp makes a length safe to slice with, whatever a stray write made of it.
func clamp(n, max int) int {
	if n < 0 {
		return 0
	}
	if n > max {
		return max
	}
	return n
}

// AppendDict appends one KEY=value to a dictionary. Entries are separated by
// NUL bytes. A key keeps only what fits a key: "=", white space, control
// bytes and what is not ASCII become "_"; NUL in a value becomes a space.
func AppendDict(dict []byte, key, value string) []byte {
	if len(dict) > 0 {
		dict = append(dict, 0)
	}
	for i := 0; i < len(key); i++ {
		c := key[i]
		if c <= ' ' || c >= 0x7f || c == '=' {
			c = '_'
		}
		dict = append(dict, c)
	}
	dict = append(dict, '=')
	for i := 0; i < len(value); i++ {
		c := value[i]
		if c == 0 {
			c = ' '
		}
		dict = append(dict, c)
	}
	return dict
}

// fitDict cuts a dictionary to as many whole entries as fit a record.
func fitDict(dict []byte) []byte {
	if len(dict) <= MaxDict {
		return dict
	}
	// The entry that crosses the bound goes, with all after it.
	for n := MaxDict; n > 0; n-- {
		if dict[n] == 0 {
			return dict[:n]
		}
	}
	return nil
}

// SetLost makes r the notice that n records before seq are gone. It takes the
// number of the last of them, so the numbers in a console's stream stay unique
// and ascending.
func (r *Record) SetLost(n, seq uint64, now int64) {
	r.Seq, r.Time, r.Lost = seq-1, now, n
	r.Level, r.Facility, r.Cont, r.Thread = Warning, FacKern, false, 0
	r.NDict = 0
	b := append(r.Text[:0], "** "...)
	b = AppendUint(b, n)
	b = append(b, " printk messages dropped **"...)
	r.N = len(b)
}

// AppendUint appends v in decimal. Unlike strconv's it is fit for trap context
// whatever the standard library becomes.
func AppendUint(dst []byte, v uint64) []byte {
	var digits [20]byte
	i := len(digits)
	// A 64-bit division is dear here: one for nine digits.
	for v > 1<<32-1 {
		q := v / 1e9
		low := uint32(v - q*1e9)
		for range 9 {
			i--
			digits[i] = '0' + byte(low%10)
			low /= 10
		}
		v = q
	}
	for low := uint32(v); ; {
		i--
		digits[i] = '0' + byte(low%10)
		if low /= 10; low == 0 {
			return append(dst, digits[i:]...)
		}
	}
}

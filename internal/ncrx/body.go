package ncrx

import (
	"bytes"
	"strconv"
	"strings"
)

// Body takes the body of a record apart: the text up to the first newline,
// then dictionary lines " KEY=value". Both come unescaped. A line that is no
// dictionary line is kept as one with an empty key.
func Body(body []byte) (text string, dict []KV) {
	line, rest, _ := bytes.Cut(body, []byte{'\n'})
	text = Unescape(line)
	for len(rest) > 0 {
		line, rest, _ = bytes.Cut(rest, []byte{'\n'})
		entry, ok := bytes.CutPrefix(line, []byte{' '})
		key, value, eq := bytes.Cut(entry, []byte{'='})
		switch {
		case ok && eq:
			dict = append(dict, KV{Unescape(key), Unescape(value)})
		case len(line) > 0:
			dict = append(dict, KV{"", Unescape(line)})
		}
	}
	return text, dict
}

// Unescape replaces \xNN by the byte it stands for. Any other backslash is
// left as it is.
func Unescape(s []byte) string {
	if bytes.IndexByte(s, '\\') < 0 {
		return string(s)
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+4 <= len(s) && s[i+1] == 'x' {
			hi, ok1 := hexDigit(s[i+2])
			lo, ok2 := hexDigit(s[i+3])
			if ok1 && ok2 {
				out = append(out, hi<<4|lo)
				i += 3
				continue
			}
		}
		out = append(out, s[i])
	}
	return string(out)
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// CutTime takes the time stamp "[ssss.uuuuuu] " off a line of a console, or of
// a datagram in the basic format. ok is false, and rest is line, where there
// is none.
func CutTime(line string) (usec uint64, rest string, ok bool) {
	inner, ok := strings.CutPrefix(line, "[")
	if !ok {
		return 0, line, false
	}
	inner = strings.TrimLeft(inner, " ")
	stamp, rest, ok := strings.Cut(inner, "]")
	if !ok {
		return 0, line, false
	}
	sec, micro, ok := strings.Cut(stamp, ".")
	if !ok || len(micro) != 6 {
		return 0, line, false
	}
	// 13 digits of seconds are 300,000 years and do not overflow.
	s, err1 := strconv.ParseUint(sec, 10, 43)
	u, err2 := strconv.ParseUint(micro, 10, 32)
	if err1 != nil || err2 != nil {
		return 0, line, false
	}
	return s*1e6 + u, strings.TrimPrefix(rest, " "), true
}

package bootarg

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// next takes the first argument off a command line. Quotes follow Linux's
// rules: a quote anywhere toggles whether white space separates; the quotes
// are removed only where the argument, or its value, begins with one.
func next(line string) (p Param, rest string, ok bool) {
	for line != "" && isSpace(line[0]) {
		line = line[1:]
	}
	if line == "" {
		return Param{}, "", false
	}
	quoted := line[0] == '"' // the whole argument
	body := line
	if quoted {
		body = line[1:]
	}
	inQuote, equals, end := quoted, -1, len(body)
	for i := 0; i < len(body); i++ {
		c := body[i]
		if isSpace(c) && !inQuote {
			end = i
			break
		}
		if c == '=' && equals < 0 && i > 0 {
			equals = i
		}
		if c == '"' {
			inQuote = !inQuote
		}
	}
	rest, body = body[end:], body[:end]
	if equals < 0 {
		if quoted {
			body = strings.TrimSuffix(body, `"`)
		}
		return Param{Name: body}, rest, true
	}
	p = Param{Name: body[:equals], Value: body[equals+1:], HasValue: true}
	if strings.HasPrefix(p.Value, `"`) {
		p.Value = strings.TrimSuffix(p.Value[1:], `"`)
	} else if quoted {
		p.Value = strings.TrimSuffix(p.Value, `"`)
	}
	return p, rest, true
}

// isSpace is Linux's isspace, which works on Latin-1.
func isSpace(c byte) bool {
	return c == ' ' || c >= '\t' && c <= '\r' || c == 0xa0
}

func parseInt(s string, min, max int64) (int64, error) {
	n, err := strconv.ParseInt(s, 0, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) || strings.Contains(s, "_") {
		return 0, fmt.Errorf("%q is not a number", s)
	}
	if err != nil || n < min || n > max {
		return 0, fmt.Errorf("%s is out of range %d to %d", s, min, max)
	}
	return n, nil
}

// Bool understands what Linux's module parameters of type bool do. The bare name
// means true.
func (p Param) Bool() (bool, error) {
	if !p.HasValue {
		return true, nil
	}
	switch strings.ToLower(p.Value) {
	case "1", "y", "yes", "t", "true", "on":
		return true, nil
	case "0", "n", "no", "f", "false", "off":
		return false, nil
	}
	return false, fmt.Errorf("%q is neither yes nor no", p.Value)
}

// ParseSize parses a number of bytes, not 0, with an optional suffix K, M or G.
func ParseSize(s string) (uint64, error) {
	digits, shift := s, 0
	if s != "" {
		switch s[len(s)-1] {
		case 'k', 'K':
			shift = 10
		case 'm', 'M':
			shift = 20
		case 'g', 'G':
			shift = 30
		}
	}
	if shift != 0 {
		digits = s[:len(s)-1]
	}
	n, err := strconv.ParseUint(digits, 0, 64)
	if err != nil || strings.Contains(s, "_") {
		return 0, fmt.Errorf("%q is not a size (a number, then K, M, G or nothing)", s)
	}
	if n == 0 {
		return 0, errors.New("the size is zero")
	}
	if n<<shift>>shift != n {
		return 0, fmt.Errorf("%s is too large", s)
	}
	return n << shift, nil
}

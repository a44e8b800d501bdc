package console

import "strconv"

// AppendKmsg appends a record as Linux's /dev/kmsg has it: level (facility<<3 |
// level), number, microseconds and "-", or "c" for a record that continues the one
// before it, then ";" and the text, and a line that begins with a space for each entry
// of the dictionary. Bytes that are not printable ASCII, and the backslash, are
// written \xNN.
func AppendKmsg(dst []byte, r *Record) []byte {
	dst = AppendUint(dst, uint64(r.Facility)<<3|uint64(r.Level))
	dst = AppendUint(append(dst, ','), r.Seq)
	dst = AppendUint(append(dst, ','), uint64(max(r.Time, 0))/1000)
	if r.Cont {
		dst = append(dst, ",c;"...)
	} else {
		dst = append(dst, ",-;"...)
	}
	for _, c := range r.Message() {
		dst = appendEscaped(dst, c)
	}
	dst = append(dst, '\n')
	dict := r.Dictionary()
	for i, c := range dict {
		if i == 0 || dict[i-1] == 0 {
			dst = append(dst, ' ')
		}
		if c == 0 {
			dst = append(dst, '\n')
		} else {
			dst = appendEscaped(dst, c)
		}
	}
	if n := len(dict); n > 0 && dict[n-1] != 0 {
		dst = append(dst, '\n')
	}
	return dst
}

func appendEscaped(dst []byte, c byte) []byte {
	const hex = "0123456789abcdef"
	if c >= 0x20 && c < 0x7f && c != '\\' {
		return append(dst, c)
	}
	return append(dst, '\\', 'x', hex[c>>4], hex[c&15])
}

var facilityNames = [...]string{
	"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
	"ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
}

// FacilityName is syslog's name of a facility, or its number.
func FacilityName(f uint8) string {
	if int(f) < len(facilityNames) {
		return facilityNames[f]
	}
	return strconv.Itoa(int(f))
}

// ParseFacility is the facility of that name or number.
func ParseFacility(s string) (f uint8, ok bool) {
	for i, name := range facilityNames {
		if s == name {
			return uint8(i), true
		}
	}
	n, err := strconv.ParseUint(s, 10, 8)
	return uint8(n), err == nil
}

// ParseLevel is the level of that name or number.
func ParseLevel(s string) (l Level, ok bool) {
	for i, name := range levelNames {
		if s == name {
			return Level(i), true
		}
	}
	n, err := strconv.ParseUint(s, 10, 8)
	return Level(n), err == nil && n <= uint64(Debug)
}

package console

import (
	"bytes"
	"math"
	"strconv"
)

// AppendKmsg appends a record as Linux's /dev/kmsg has it: the header, ";" and the
// text, and a line that begins with a space for each entry of the dictionary. Bytes
// that are not printable ASCII, and the backslash, are written \xNN.
func AppendKmsg(dst []byte, r *Record) []byte {
	dst, _ = AppendEscaped(append(AppendHeader(dst, r), ';'), r.Message(), math.MaxInt)
	dst = append(dst, '\n')
	for dict := r.Dictionary(); len(dict) > 0; {
		var entry []byte
		entry, dict, _ = bytes.Cut(dict, []byte{0})
		dst, _ = AppendEscaped(append(dst, ' '), entry, math.MaxInt)
		dst = append(dst, '\n')
	}
	return dst
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

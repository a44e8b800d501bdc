// Package ncrx receives netconsole: it takes the datagrams that Linux's
// netconsole and gasp's send, in the basic and the extended format, and
// makes log records of them again.
//
// Parse reads one datagram. A Receiver keeps what spans datagrams: fragments
// of long records, lines cut at a packet's end, and the sequence numbers of
// each sender. Both take bytes from the network that anybody may have sent:
// memory and time are bounded whatever comes. Nothing reads a clock; the
// caller passes the time.
package ncrx

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Limits of what is accepted. Linux's records have at most 8192 bytes, its
// user data a few thousand more.
const (
	maxHeader  = 1024     // bytes before the ';' of an extended datagram
	maxRelease = 64       // a release has a dot within so many bytes
	maxFields  = 32       // key=value fields in the header
	maxBody    = 32 << 10 // of a record that was sent in fragments
)

// KV is one KEY=value pair.
type KV struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Packet is one extended datagram, taken apart. Body is a slice of the
// datagram.
type Packet struct {
	Head     string // the header as sent, with the ';', without ncfrag
	Release  string // "" if the sender does not prepend it
	Level    int    // severity, 0 (emergency) to 7 (debug)
	Facility int
	Seq      uint64
	Usec     uint64 // since the sender's boot
	Cont     bool   // continues the line of the record before
	Fields   []KV   // of the header, without ncfrag
	Body     []byte // behind the ';': escaped text and dictionary lines

	// A fragment is the part of a body of Total bytes that begins at Offset.
	Fragment      bool
	Offset, Total int
}

// ErrBasic is returned by Parse for a datagram that is not in the extended
// format, and so is one in the basic format, which is any text.
var ErrBasic = errors.New("not in netconsole's extended format")

// ErrMalformed is wrapped by errors about a datagram that begins as one in the
// extended format and does not go on like it.
var ErrMalformed = errors.New("malformed extended datagram")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

// Parse reads a datagram in the extended format:
//
//	[release,]level,seq,usec,flag[,key=value...];body
//
// where level is facility<<3|severity and flag is '-', or 'c' for a
// continuation. The field ncfrag=offset/total makes it a fragment.
func Parse(datagram []byte) (Packet, error) {
	var p Packet
	head, body, ok := bytes.Cut(datagram, []byte{';'})
	if !ok || len(head) >= maxHeader {
		return p, ErrBasic
	}
	fields := strings.Split(string(head), ",")
	if isRelease(fields[0]) {
		p.Release, fields = fields[0], fields[1:]
	}
	if len(fields) < 4 {
		return p, ErrBasic
	}
	prio, ok1 := number(fields[0], 32)
	seq, ok2 := number(fields[1], 64)
	usec, ok3 := number(fields[2], 64)
	if !ok1 || !ok2 || !ok3 || (fields[3] != "-" && fields[3] != "c") {
		return p, ErrBasic
	}
	p.Level, p.Facility = int(prio&7), int(prio>>3)
	p.Seq, p.Usec, p.Cont, p.Body = seq, usec, fields[3] == "c", body
	p.Head = string(head) + ";"

	// From here on it cannot be plain text any more.
	if len(fields)-4 > maxFields {
		return p, malformed("%d header fields", len(fields)-4)
	}
	for _, f := range fields[4:] {
		key, value, ok := strings.Cut(f, "=")
		if !ok || key == "" {
			return p, malformed("header field %q", f)
		}
		if key == "ncfrag" {
			if err := p.fragment(value); err != nil {
				return p, err
			}
			p.Head = strings.Replace(p.Head, ","+f, "", 1)
			continue
		}
		p.Fields = append(p.Fields, KV{key, value})
	}
	return p, nil
}

// isRelease tells a kernel release ("6.12.107+deb13-armmp") from a level.
func isRelease(s string) bool {
	if s == "" {
		return false
	}
	return strings.Contains(s[:min(len(s), maxRelease)], ".")
}

// number parses digits only: no sign, no base prefix, no underscores.
func number(s string, bits int) (uint64, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, bits)
	return n, err == nil
}

// fragment takes the value of ncfrag. What it accepts lies within bounds that
// a Receiver may allocate.
func (p *Packet) fragment(value string) error {
	if p.Fragment {
		return malformed("more than one ncfrag")
	}
	a, b, ok := strings.Cut(value, "/")
	offset, ok1 := number(a, 31)
	total, ok2 := number(b, 31)
	if !ok || !ok1 || !ok2 {
		return malformed("ncfrag=%s", value)
	}
	if total > maxBody {
		return malformed("ncfrag total %d", total)
	}
	if len(p.Body) == 0 || offset+uint64(len(p.Body)) > total {
		return malformed("%d bytes at %d of %d", len(p.Body), offset, total)
	}
	p.Fragment, p.Offset, p.Total = true, int(offset), int(total)
	return nil
}

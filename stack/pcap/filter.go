package pcap

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Filter chooses frames. The zero Filter takes all.
type Filter struct{ terms []term }

type term struct {
	kind  string
	not   bool
	addr  netip.Addr
	port  uint16
	ends  [2]netip.AddrPort // of a connection
	proto uint8
}

// ParseFilter understands a small part of tcpdump's language: the words
//
//	arp  ip  ip6  icmp  icmp6  tcp  udp  host ADDRESS  port NUMBER
//
// each with "not" in front if wanted, all of which must hold ("and" between
// them may be written). Protocols behind IPv6 extension headers are not seen.
func ParseFilter(s string) (Filter, error) {
	var f Filter
	words := strings.Fields(s)
	for i := 0; i < len(words); i++ {
		var t term
		for ; i < len(words) && (words[i] == "not" || words[i] == "!" || words[i] == "and"); i++ {
			if words[i] != "and" {
				t.not = !t.not
			} else if len(f.terms) == 0 || t.not {
				return Filter{}, fmt.Errorf("pcap: filter %q: nothing in front of \"and\"", s)
			}
		}
		if i == len(words) {
			return Filter{}, fmt.Errorf("pcap: filter %q: nothing behind %q", s, words[i-1])
		}
		t.kind = words[i]
		switch t.kind {
		case "arp", "ip", "ip6":
		case "icmp", "icmp6", "tcp", "udp":
			t.proto = protocols[t.kind]
		case "host", "port":
			if i++; i == len(words) {
				return Filter{}, fmt.Errorf("pcap: filter %q: %s without a value", s, t.kind)
			}
			var err error
			if t.kind == "host" {
				t.addr, err = netip.ParseAddr(words[i])
			} else {
				var n uint64
				n, err = strconv.ParseUint(words[i], 10, 16)
				t.port = uint16(n)
			}
			if err != nil {
				return Filter{}, fmt.Errorf("pcap: filter %q: %s %q: no such %s", s, t.kind, words[i], t.kind)
			}
		default:
			return Filter{}, fmt.Errorf("pcap: filter %q: unknown word %q (known: arp ip ip6 icmp icmp6 tcp udp host port not and)", s, t.kind)
		}
		f.terms = append(f.terms, t)
	}
	return f, nil
}

var protocols = map[string]uint8{"icmp": 1, "tcp": 6, "udp": 17, "icmp6": 58}

// Without returns f without the frames of one TCP connection: that over which
// the capture leaves.
func (f Filter) Without(a, b netip.AddrPort) Filter {
	unmap := func(p netip.AddrPort) netip.AddrPort {
		return netip.AddrPortFrom(p.Addr().Unmap().WithZone(""), p.Port())
	}
	terms := append(f.terms[:len(f.terms):len(f.terms)],
		term{kind: "connection", not: true, proto: 6, ends: [2]netip.AddrPort{unmap(a), unmap(b)}})
	return Filter{terms}
}

// Match tells whether the frame, of which at least the first MinSnap bytes are
// there, is chosen.
func (f Filter) Match(frame []byte) bool {
	if len(f.terms) == 0 {
		return true
	}
	h := headersOf(frame)
	for i := range f.terms {
		if f.terms[i].match(&h) == f.terms[i].not {
			return false
		}
	}
	return true
}

func (t *term) match(h *headers) bool {
	switch t.kind {
	case "arp":
		return h.typ == 0x0806
	case "ip":
		return h.typ == 0x0800
	case "ip6":
		return h.typ == 0x86dd
	case "host":
		return t.addr.IsValid() && (h.src.Addr() == t.addr || h.dst.Addr() == t.addr)
	case "port":
		return h.ports && (h.src.Port() == t.port || h.dst.Port() == t.port)
	case "connection":
		return h.ports && h.proto == t.proto &&
			(h.src == t.ends[0] && h.dst == t.ends[1] || h.src == t.ends[1] && h.dst == t.ends[0])
	}
	return h.ip && h.proto == t.proto
}

// headers is what a filter asks about. What a frame does not have is zero.
type headers struct {
	typ      uint16
	ip       bool
	proto    uint8
	ports    bool
	src, dst netip.AddrPort
}

func headersOf(b []byte) (h headers) {
	be := binary.BigEndian
	if len(b) < 14 {
		return h
	}
	h.typ, b = be.Uint16(b[12:]), b[14:]
	if h.typ == 0x8100 && len(b) >= 4 { // 802.1Q
		h.typ, b = be.Uint16(b[2:]), b[4:]
	}
	var src, dst netip.Addr
	switch {
	case h.typ == 0x0806 && len(b) >= 28:
		src, dst = netip.AddrFrom4([4]byte(b[14:18])), netip.AddrFrom4([4]byte(b[24:28]))
		b = nil
	case h.typ == 0x0800 && len(b) >= 20 && b[0]>>4 == 4:
		h.ip, h.proto = true, b[9]
		src, dst = netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
		n := int(b[0]&15) * 4
		if n < 20 || n > len(b) || be.Uint16(b[6:])&0x1fff != 0 {
			n = len(b) // no ports in there
		}
		b = b[n:]
	case h.typ == 0x86dd && len(b) >= 40 && b[0]>>4 == 6:
		h.ip, h.proto = true, b[6]
		src, dst = netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
		b = b[40:]
	default:
		return h
	}
	var sport, dport uint16
	if (h.proto == protocols["tcp"] || h.proto == protocols["udp"]) && len(b) >= 4 {
		h.ports = true
		sport, dport = be.Uint16(b), be.Uint16(b[2:])
	}
	h.src, h.dst = netip.AddrPortFrom(src, sport), netip.AddrPortFrom(dst, dport)
	return h
}

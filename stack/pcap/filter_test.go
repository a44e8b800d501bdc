package pcap

import (
	"net/netip"
	"testing"
)

func hexFrame(typ uint16, body ...byte) []byte {
	return append([]byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, byte(typ >> 8), byte(typ)}, body...)
}

// Some frames: ARP, UDP 10.0.0.1:1000 to 10.0.0.2:53, TCP over IPv6, ICMP, a
// fragment behind the first.
var (
	arpFrame = hexFrame(0x0806, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2)
	udpFrame = hexFrame(0x0800, 0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 3, 0xe8, 0, 53, 0, 8, 0)
	fragment = hexFrame(0x0800, 0x45, 0, 0, 28, 0, 0, 0, 9, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 3, 0xe8, 0, 53, 0, 8, 0)
	icmp     = hexFrame(0x0800, 0x46, 0, 0, 28, 0, 0, 0, 0, 64, 1, 0, 0, 10, 0, 0, 3, 10, 0, 0, 2, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0)
	tcp6     = hexFrame(0x86dd, append(append([]byte{0x60, 0, 0, 0, 0, 20, 6, 64},
		append(netip.MustParseAddr("fe80::1").AsSlice(), netip.MustParseAddr("fe80::2").AsSlice()...)...), 0, 80, 0x9c, 0x40, 0, 0, 0, 0)...)
	tagged = append(append(hexFrame(0x8100), 0, 5), udpFrame[12:]...)
)

func TestFilterTakesWhatItSays(t *testing.T) {
	frames := map[string][]byte{"arp": arpFrame, "udp": udpFrame, "fragment": fragment, "icmp": icmp, "tcp6": tcp6, "tagged": tagged}
	for filter, want := range map[string][]string{
		"":                         {"arp", "udp", "fragment", "icmp", "tcp6", "tagged"},
		"arp":                      {"arp"},
		"not arp":                  {"udp", "fragment", "icmp", "tcp6", "tagged"},
		"! not arp":                {"arp"},
		"ip":                       {"udp", "fragment", "icmp", "tagged"},
		"ip6":                      {"tcp6"},
		"udp":                      {"udp", "fragment", "tagged"},
		"udp port 53":              {"udp", "tagged"},
		"udp and port 1000":        {"udp", "tagged"},
		"port 80":                  {"tcp6"},
		"icmp":                     {"icmp"},
		"icmp6":                    nil,
		"host 10.0.0.1":            {"arp", "udp", "fragment", "tagged"},
		"host fe80::2 and not udp": {"tcp6"},
		"host 10.0.0.3 not icmp":   nil,
	} {
		f, err := ParseFilter(filter)
		if err != nil {
			t.Errorf("%q: %v", filter, err)
			continue
		}
		wanted := map[string]bool{}
		for _, w := range want {
			wanted[w] = true
		}
		for name, frame := range frames {
			if f.Match(frame) != wanted[name] {
				t.Errorf("filter %q, frame %s: %v", filter, name, f.Match(frame))
			}
		}
	}
}

func TestFilterCanLeaveOneConnectionOut(t *testing.T) {
	a, b := netip.MustParseAddrPort("[fe80::1%eth0]:80"), netip.MustParseAddrPort("[fe80::2]:40000")
	for _, f := range []Filter{Filter{}.Without(a, b), Filter{}.Without(b, a)} {
		if f.Match(tcp6) || !f.Match(udpFrame) {
			t.Error("the wrong frames are left out")
		}
	}
	if f := (Filter{}).Without(a, netip.MustParseAddrPort("[fe80::2]:40001")); !f.Match(tcp6) {
		t.Error("another connection is left out")
	}
}

func TestBadFiltersAreRefused(t *testing.T) {
	for _, s := range []string{"not", "and", "and arp", "arp and", "host", "host x", "port", "port 65536", "port -1", "port http", "tcpp", "arp or ip", "not and arp"} {
		if _, err := ParseFilter(s); err == nil {
			t.Errorf("%q was accepted", s)
		}
	}
}

// FuzzFilter matches any filter against any frame.
func FuzzFilter(f *testing.F) {
	for _, frame := range [][]byte{arpFrame, udpFrame, fragment, icmp, tcp6, tagged} {
		f.Add("not udp port 53 and host 10.0.0.1", frame)
		f.Add("tcp", frame)
	}
	f.Fuzz(func(t *testing.T, s string, frame []byte) {
		filter, err := ParseFilter(s)
		if err != nil {
			return
		}
		opposite := Filter{}
		if len(filter.terms) == 1 {
			opposite.terms = []term{filter.terms[0]}
			opposite.terms[0].not = !opposite.terms[0].not
			if filter.Match(frame) == opposite.Match(frame) {
				t.Errorf("%q and its opposite agree on % x", s, frame)
			}
			return
		}
		filter.Match(frame)
	})
}

// FuzzRing records frames of any lengths in a ring and reads some back.
func FuzzRing(f *testing.F) {
	f.Add([]byte{60, 200, 3, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 9, 1}, uint16(5))
	f.Fuzz(func(t *testing.T, lengths []byte, extra uint16) {
		r := newRecorder(t)
		start1(t, r, MinRing+int(extra), 0)
		c, read := r.Newest(), uint64(0)
		for i, n := range lengths {
			r.dev.Receive(frame(int(n)*9, i), 0)
			if n%3 == 0 {
				if rec, ok := c.Next(); ok {
					if want := read + c.Lost(); rec.Len != int(lengths[want])*9 || rec.Len > 0 && rec.Data[0] != byte(want) {
						t.Fatalf("frame %d is %+v", want, rec)
					}
					read++
				}
			}
		}
		for _, ok := c.Next(); ok; _, ok = c.Next() {
			read++
		}
		if read+c.Lost() != uint64(len(lengths)) {
			t.Errorf("read %d, lost %d of %d", read, c.Lost(), len(lengths))
		}
	})
}

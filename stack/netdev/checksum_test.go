package netdev

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// ipv4 returns a frame with an IPv4 packet of a protocol, checksums zero.
func ipv4(proto byte, options int, payload []byte, tagged bool) []byte {
	f := make([]byte, 12)
	if tagged {
		f = append(f, 0x81, 0x00, 0x00, 0x05)
	}
	f = append(f, 0x08, 0x00)
	h := make([]byte, 20+options)
	h[0], h[8], h[9] = 0x40|byte(len(h)/4), 64, proto
	binary.BigEndian.PutUint16(h[2:], uint16(len(h)+len(payload)))
	copy(h[12:], []byte{192, 168, 1, 2, 10, 0, 0, 255})
	for i := 20; i < len(h); i++ {
		h[i] = 1 // NOP
	}
	return append(append(f, h...), payload...)
}

// The example of RFC 1071's readers everywhere: a header whose checksum is
// known.
func TestIPv4HeaderChecksumIsTheKnownOne(t *testing.T) {
	h := []byte{0x45, 0, 0, 0x73, 0, 0, 0x40, 0, 0x40, 0x11, 0, 0, 0xc0, 0xa8, 0, 1, 0xc0, 0xa8, 0, 0xc7}
	f := append(append(make([]byte, 12), 0x08, 0x00), h...)
	f = append(f, make([]byte, 0x73-20)...)
	InsertChecksums(f, TxChecksumIP)
	if v := binary.BigEndian.Uint16(f[24:]); v != 0xb861 {
		t.Errorf("%#x", v)
	}
}

// check adds up a packet whose checksum was inserted; a right one gives all
// ones (RFC 1071). It is written apart from the code it checks.
func check(b []byte, extra ...uint16) uint16 {
	s := uint64(0)
	for _, v := range extra {
		s += uint64(v)
	}
	for i, v := range b {
		s += uint64(v) << (8 * (1 - i%2))
	}
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}

func TestChecksumsOfTCPAndUDPAreInsertedWhateverTheLengthOptionsAndTag(t *testing.T) {
	for _, proto := range []byte{6, 17} {
		for _, options := range []int{0, 4, 40} {
			for _, tagged := range []bool{false, true} {
				for _, n := range []int{20, 21, 22, 63, 1000, 1459, 1460} {
					payload := bytes.Repeat([]byte{0xfe, 0xdc, 0x01}, n)[:n]
					field := map[byte]int{6: 16, 17: 6}[proto]
					payload[field], payload[field+1] = 0, 0
					f := append(ipv4(proto, options, payload, tagged), 0xaa, 0xbb) // padding is no part of it
					InsertChecksums(f, TxChecksumIP|TxChecksumL4)
					at := 14
					if tagged {
						at = 18
					}
					ip, l4 := f[at:at+20+options], f[at+20+options:len(f)-2]
					if check(ip) != 0xffff {
						t.Fatalf("protocol %d, %d bytes, %d of options: header checksum is wrong", proto, n, options)
					}
					if check(l4, check(ip[12:20]), uint16(proto), uint16(len(l4))) != 0xffff {
						t.Fatalf("protocol %d, %d bytes, %d of options: checksum is wrong", proto, n, options)
					}
				}
			}
		}
	}
}

func TestUDPChecksumIsNever0(t *testing.T) {
	f := ipv4(17, 0, make([]byte, 10), false)
	l4 := f[34:]
	s := check(f[26:34], 17, 10)
	binary.BigEndian.PutUint16(l4[8:], ^s) // makes the sum all ones
	InsertChecksums(f, TxChecksumL4)
	if v := binary.BigEndian.Uint16(l4[6:]); v != 0xffff {
		t.Errorf("%#x", v)
	}
}

func TestWhatHasNoChecksumStaysAsItIs(t *testing.T) {
	arp := append(make([]byte, 12), 0x08, 0x06)
	arp = append(arp, make([]byte, 46)...)
	fragment := ipv4(17, 0, make([]byte, 100), false)
	fragment[20] = 0x20 // more fragments
	long := ipv4(6, 0, make([]byte, 100), false)
	long[17] += 1 // claims more than there is
	short := ipv4(6, 0, make([]byte, 17), false)
	for name, f := range map[string][]byte{
		"empty": nil, "ARP": arp, "ICMP": ipv4(1, 0, make([]byte, 30), false), "fragment": fragment,
		"claims too much": long, "no room for the field": short, "a tag and no more": append(make([]byte, 12), 0x81, 0, 0, 1, 8, 0),
	} {
		was := bytes.Clone(f)
		InsertChecksums(f, TxChecksumL4)
		if !bytes.Equal(f, was) {
			t.Errorf("%s was changed", name)
		}
	}
}

func FuzzInsertChecksums(f *testing.F) {
	f.Add(ipv4(6, 4, make([]byte, 30), true), uint32(3))
	f.Add(ipv4(17, 0, make([]byte, 8), false), uint32(3))
	f.Fuzz(func(t *testing.T, frame []byte, flags uint32) {
		was := bytes.Clone(frame)
		InsertChecksums(frame, TxFlags(flags))
		n := 0
		for i := range frame {
			if frame[i] != was[i] {
				n++
			}
		}
		if n > 4 {
			t.Errorf("%d bytes changed", n)
		}
	})
}

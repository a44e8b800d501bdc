package stack

import (
	"encoding/binary"
	"net/netip"
)

// Membership reports as they go out: IGMP (RFC 2236, RFC 3376) and MLD
// (RFC 2710, RFC 3810).

const (
	protoIGMP     = 2
	protoHopByHop = 0

	igmpReportV1, igmpReportV2, igmpLeave, igmpReportV3 = 0x12, 0x16, 0x17, 0x22

	mldReport, mldDone, mldReportV2, neighborSolicit = 131, 132, 143, 135
)

// reported calls join for every group that an IP packet of ours says is joined,
// and reports whether it says of others that they are left, or may be.
func reported(ip []byte, join func(netip.Addr)) (left bool) {
	switch {
	case len(ip) >= ip4Len && ip[0]>>4 == 4 && ip[9] == protoIGMP:
		if n := int(ip[0]&15) * 4; n >= ip4Len && len(ip) >= n+8 {
			return reportedIGMP(ip[n:], join)
		}
	case len(ip) >= ip6Len && ip[0]>>4 == 6:
		next, p := ip[6], ip[ip6Len:]
		if next == protoHopByHop && len(p) >= 8 {
			n := (int(p[1]) + 1) * 8
			if len(p) < n {
				return false
			}
			next, p = p[0], p[n:]
		}
		if next == protoICMPv6 && len(p) >= 8 {
			return reportedMLD(ip, p, join)
		}
	}
	return false
}

func reportedIGMP(p []byte, join func(netip.Addr)) (left bool) {
	switch p[0] {
	case igmpReportV1, igmpReportV2:
		joinGroup(p[4:8], join)
	case igmpLeave:
		return true
	case igmpReportV3:
		return records(p, 4, join)
	}
	return false
}

// reportedMLD also looks at probes for duplicate addresses: they are answered to
// all nodes, but who else probes for the same address does so in its group.
func reportedMLD(ip, p []byte, join func(netip.Addr)) (left bool) {
	switch p[0] {
	case mldReport:
		if len(p) >= 24 {
			joinGroup(p[8:24], join)
		}
	case mldDone:
		return true
	case mldReportV2:
		return records(p, 16, join)
	case neighborSolicit:
		if [16]byte(ip[8:24]) == [16]byte{} {
			joinGroup(ip[24:40], join)
		}
	}
	return false
}

// records goes through the group records of an IGMPv3 or MLDv2 report, which
// differ in the size of an address. Only the filter mode "include" with no
// source means that a group is left.
func records(p []byte, addr int, join func(netip.Addr)) (left bool) {
	const isInclude, toInclude = 1, 3
	n := int(binary.BigEndian.Uint16(p[6:]))
	for p = p[8:]; n > 0 && len(p) >= 4+addr; n-- {
		sources := int(binary.BigEndian.Uint16(p[2:]))
		if (p[0] == isInclude || p[0] == toInclude) && sources == 0 {
			left = true
		} else {
			joinGroup(p[4:4+addr], join)
		}
		size := 4 + addr + sources*addr + int(p[1])*4
		if size > len(p) {
			break
		}
		p = p[size:]
	}
	return left
}

func joinGroup(b []byte, join func(netip.Addr)) {
	if a, ok := netip.AddrFromSlice(b); ok && a.IsMulticast() {
		join(a)
	}
}

package netpoll

import (
	"net/netip"
	"unsafe"

	"github.com/gasp-go/gasp/board/trap"
)

// Netpoll can live in VLANs (IEEE 802.1Q) that the stack knows nothing of. The
// frames in them are the endpoint's alone, in the live system too: it answers
// ARP, neighbour solicitations and echo requests for the addresses that
// SetVLANAddrs gives it.

const (
	typeVLAN = 0x8100
	vlanLen  = 4
	vlanMask = 0xfff

	maxVLANAddrs = 8
)

// VLANAddr is an address of ours in a VLAN, whose number is 1 to 4094.
type VLANAddr struct {
	VLAN uint16
	Addr netip.Addr
}

// SetVLANAddrs sets the addresses in VLANs, at most eight; it reports whether
// all were taken. Goroutine.
func (e *Endpoint) SetVLANAddrs(addrs ...VLANAddr) bool {
	s := vlanSection{e: e}
	for _, a := range addrs {
		if s.n == maxVLANAddrs {
			break
		}
		if ip := a.Addr.Unmap(); ip.IsValid() && a.VLAN != 0 {
			h := hop{v6: ip.Is6(), vlan: a.VLAN & vlanMask}
			copy(h.ip[:], ip.AsSlice())
			s.addrs[s.n] = h
			s.n++
		}
	}
	trap.Run(setVLANAddrs, unsafe.Pointer(&s))
	return s.n == len(addrs)
}

type vlanSection struct {
	e     *Endpoint
	addrs [maxVLANAddrs]hop
	n     int
}

func setVLANAddrs(p unsafe.Pointer) {
	s := (*vlanSection)(p)
	s.e.vlanAddrs, s.e.nvlanAddrs = s.addrs, s.n
}

// vlanLocal reports whether an address is ours in the VLAN of the frame at hand.
func (e *Endpoint) vlanLocal(ip []byte, v6 bool) bool {
	h := hop{v6: v6, vlan: e.rxVLAN}
	copy(h.ip[:], ip)
	for i := range e.vlanAddrs {
		if i < e.nvlanAddrs && e.vlanAddrs[i] == h {
			return true
		}
	}
	return false
}

// inputVLAN looks at a tagged frame and reports whether its VLAN is ours.
func (e *Endpoint) inputVLAN(p []byte) bool {
	if len(p) < ethLen+vlanLen || len(p) > maxFrame+vlanLen || e.rxVLAN != 0 {
		return false // a tag inside a tag is not ours
	}
	id := uint16(p[14])<<8&vlanMask | uint16(p[15])
	for i := range e.vlanAddrs {
		if i >= e.nvlanAddrs || e.vlanAddrs[i].vlan != id {
			continue
		}
		// The frame without its tag. The one received is not ours to change.
		n := copy(e.untagged[:], p[:12])
		n += copy(e.untagged[n:], p[12+vlanLen:])
		e.rxVLAN = id
		e.take(e.untagged[:n])
		e.rxVLAN = 0
		return true
	}
	return false
}

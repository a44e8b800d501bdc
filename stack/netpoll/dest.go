package netpoll

import (
	"errors"
	"net/netip"
)

// Broadcast is the Ethernet broadcast address.
var Broadcast = [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// Dest is where datagrams go and where they seem to come from. It holds no
// pointers; it is used by one sender at a time.
type Dest struct {
	MAC [6]byte // of the target or of the router to it

	key     uint32 // changes when the headers of datagrams do, but for MAC
	v6      bool
	ip      [16]byte // IPv4: in the first four bytes
	port    uint16
	src     [16]byte
	hasSrc  bool
	srcPort uint16
	hop     hop  // whose MAC address Resolve looks for
	slot    int  // where Resolve found it the last time
	find    bool // Send looks for it
}

// NewDest returns the destination dst as reached through mac. The source
// address is the endpoint's own at the time of sending.
func NewDest(dst netip.AddrPort, srcPort uint16, mac [6]byte) (Dest, error) {
	d := Dest{MAC: mac, port: dst.Port(), srcPort: srcPort, find: mac == Broadcast, key: newKey()}
	a := dst.Addr().Unmap()
	switch {
	case !a.IsValid() || a.IsUnspecified():
		return Dest{}, errors.New("netpoll: no destination address")
	case a.Is4():
		b := a.As4()
		copy(d.ip[:], b[:])
	default:
		d.v6, d.ip = true, a.As16()
	}
	d.hop = hop{ip: d.ip, v6: d.v6}
	return d, nil
}

// SetSource fixes the source address.
func (d *Dest) SetSource(a netip.Addr) error {
	a = a.Unmap()
	if !a.IsValid() || a.Is6() != d.v6 {
		return errors.New("netpoll: source and destination differ in family")
	}
	if d.v6 {
		d.src = a.As16()
	} else {
		b := a.As4()
		copy(d.src[:], b[:])
	}
	d.hasSrc, d.key = true, newKey()
	return nil
}

// SetHop sets the router through which the destination is reached, of the same
// family, for Resolve.
func (d *Dest) SetHop(a netip.Addr) {
	if a = a.Unmap(); a.IsValid() && a.Is6() == d.v6 {
		d.hop.ip = [16]byte{}
		copy(d.hop.ip[:], a.AsSlice())
	}
}

// SetVLAN has the datagrams tagged for a VLAN, 1 to 4094; 0: untagged. In a VLAN
// the source address has to be set.
func (d *Dest) SetVLAN(id uint16) { d.hop.vlan, d.key = id&vlanMask, newKey() }

// source finds the source address for d.
func (e *Endpoint) source(d *Dest) (src [16]byte, ok bool) {
	switch {
	case d.hasSrc:
		return d.src, true
	case d.hop.vlan != 0:
		return src, false // the interface's addresses are not of that network
	case !d.v6:
		copy(src[:], e.local4[0][:])
		return src, e.nlocal4 > 0
	}
	// An address of the destination's scope, or else any.
	for i := range e.local6 {
		if i >= e.nlocal6 {
			break
		}
		if !ok || linkLocal(&e.local6[i]) == linkLocal(&d.ip) && linkLocal(&src) != linkLocal(&d.ip) {
			src, ok = e.local6[i], true
		}
	}
	return src, ok
}

func linkLocal(a *[16]byte) bool { return a[0] == 0xfe && a[1]&0xc0 == 0x80 }

package netpoll

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// Headers are kept from one datagram to the next. Whatever they are made of changes, live
// or in a panic, they are those of a datagram that is made from nothing.
func TestADatagramsHeadersFollowAllTheyAreMadeOf(t *testing.T) {
	for _, dying := range []bool{false, true} {
		var w, fresh wire
		e, _ := setup(t, &w)
		f, _ := setup(t, &fresh)
		var p Datagram
		d, d6, other := dest(t, peer4), dest(t, peer6), dest(t, netip.MustParseAddr("10.0.2.77"))
		sent := 0
		check := func(what string, d *Dest, n int) {
			t.Helper()
			payload := bytes.Repeat([]byte{byte(n)}, n)
			copy(p.Payload(), payload)
			if !e.SendDatagram(d, &p, n) || !f.SendUDP(d, payload) {
				t.Fatalf("dying %v, %s: not sent", dying, what)
			}
			f.tx = Datagram{} // made from nothing each time
			if a, b := w.sent[sent], fresh.sent[sent]; !bytes.Equal(a, b) {
				t.Errorf("dying %v, %s:\n%x, want\n%x", dying, what, a, b)
			}
			if !bytes.Equal(p.Payload()[:n], payload) {
				t.Errorf("dying %v, %s: the payload has changed", dying, what)
			}
			sent++
		}
		check("first", d, 100)
		if dying {
			e.Panic()
			f.Panic()
		}
		for n := range 70 {
			check(fmt.Sprint(n, " bytes"), d, n)
		}
		check("longest", d, MaxPayload)
		check("shorter than Ethernet's least", d, 1)
		check("IPv6", d6, 33)
		check("back", d, 33)
		check("another destination", other, 33)
		check("and back", d, 33)
		d.MAC[5]++
		check("another MAC address", d, 33)
		d.SetVLAN(7)
		if err := d.SetSource(netip.MustParseAddr("10.0.7.1")); err != nil {
			t.Fatal(err)
		}
		check("VLAN", d, 33)
		d.SetVLAN(0)
		check("no VLAN", d, 33)
		if err := d.SetSource(netip.MustParseAddr("10.9.9.9")); err != nil {
			t.Fatal(err)
		}
		check("another source", d, 33)
		check("the endpoint's address", other, 33)
		for _, x := range []*Endpoint{e, f} {
			x.SetLocal(netip.MustParseAddr("10.0.2.16"), netip.MustParseAddr("fe80::3"))
		}
		check("another address", other, 33)
		check("another address, IPv6", d6, 33)
		check("our MAC address", other, 33)
		if !dying { // nobody changes it then
			for _, x := range []*Endpoint{e, f} {
				x.dev.Stop()
				if err := x.dev.SetMAC([6]byte{2, 0, 0, 0, 0, 9}); err != nil {
					t.Fatal(err)
				}
				if err := x.dev.Open(); err != nil {
					t.Fatal(err)
				}
				x.dev.SetCarrier(true)
			}
			check("another MAC address of ours", other, 33)
			if mac := header.Ethernet(w.sent[sent-1]).SourceAddress(); mac != tcpip.LinkAddress("\x02\x00\x00\x00\x00\x09") {
				t.Errorf("from %v", mac)
			}
		}
	}
}

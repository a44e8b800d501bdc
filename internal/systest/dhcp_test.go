package systest

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/gasp-go/gasp/internal/qemu"
)

// DHCP message types (RFC 2132, 9.6) and the options used.
const (
	dhcpDiscover = 1 + iota
	dhcpOffer
	dhcpRequest
	_
	dhcpAck
	dhcpNak

	optMask      = 1
	optRouter    = 3
	optDNS       = 6
	optDomain    = 15
	optAddress   = 50
	optLease     = 51
	optType      = 53
	optServer    = 54
	optRenew     = 58
	optRebind    = 59
	dhcpMagic    = "\x63\x82\x53\x63"
	dhcpHeader   = 236
	dhcpLeaseSec = 3600
)

// dhcpMessage is a message of a client, taken apart.
type dhcpMessage struct {
	packet
	xid     []byte
	ciaddr  netip.Addr
	chaddr  mac
	options map[byte][]byte
}

func (m *dhcpMessage) kind() byte {
	if v := m.options[optType]; len(v) == 1 {
		return v[0]
	}
	return 0
}

// readDHCP returns the client's message in p.
func readDHCP(p packet) (m dhcpMessage, ok bool) {
	d := p.data
	if p.proto != protoUDP || p.to.Port() != 67 || p.from.Port() != 68 || len(d) < dhcpHeader+4 ||
		d[0] != 1 || d[1] != 1 || d[2] != 6 || string(d[dhcpHeader:dhcpHeader+4]) != dhcpMagic {
		return m, false
	}
	m = dhcpMessage{packet: p, xid: d[4:8], ciaddr: netip.AddrFrom4([4]byte(d[12:16])), chaddr: mac(d[28:34]), options: map[byte][]byte{}}
	for o := d[dhcpHeader+4:]; len(o) > 1 && o[0] != 255; {
		if o[0] == 0 {
			o = o[1:]
			continue
		}
		if len(o) < 2+int(o[1]) {
			return m, false
		}
		m.options[o[0]] = o[2 : 2+o[1]]
		o = o[2+o[1]:]
	}
	return m, true
}

// dhcpAnswer is a server's answer to m: its UDP payload.
func dhcpAnswer(m dhcpMessage, kind byte, options map[byte][]byte) []byte {
	d := make([]byte, dhcpHeader)
	d[0], d[1], d[2] = 2, 1, 6
	copy(d[4:], m.xid)
	if kind != dhcpNak {
		copy(d[16:], guestIP.AsSlice())
	}
	copy(d[28:], m.chaddr[:])
	d = append(d, dhcpMagic...)
	d = append(d, optType, 1, kind)
	for code, v := range options {
		d = append(append(d, code, byte(len(v))), v...)
	}
	return append(d, 255)
}

// dhcpFrame is the frame that carries an answer.
func dhcpFrame(m dhcpMessage, payload []byte) []byte {
	to := netip.MustParseAddrPort("255.255.255.255:68")
	if !m.ciaddr.IsUnspecified() {
		to = netip.AddrPortFrom(m.ciaddr, 68)
		return ethernet(m.src, peerMAC, typeIPv4, udp(netip.AddrPortFrom(peerIP, 67), to, payload))
	}
	return ethernet(broadcastMAC, peerMAC, typeIPv4, udp(netip.AddrPortFrom(peerIP, 67), to, payload))
}

// lease are the options of an offer or acknowledgement.
func lease(secs, renew, rebind uint32) map[byte][]byte {
	o := map[byte][]byte{
		optServer: peerIP.AsSlice(), optMask: {255, 255, 255, 0}, optRouter: peerIP.AsSlice(),
		optLease: be.AppendUint32(nil, secs),
	}
	if renew > 0 {
		o[optRenew], o[optRebind] = be.AppendUint32(nil, renew), be.AppendUint32(nil, rebind)
	}
	return o
}

// awaitDHCP waits for a message of a kind.
func (w *wire) awaitDHCP(from int, what string, kind byte) dhcpMessage {
	w.t.Helper()
	p := w.await(from, what, func(p packet) bool {
		m, ok := readDHCP(p)
		return ok && m.kind() == kind
	})
	m, _ := readDHCP(p)
	return m
}

func TestDHCPGetsAnAddressKeepsItAndGivesItUp(t *testing.T) {
	t.Parallel()
	w := newWire(t)
	g := w.boot(qemu.Options{BootArgs: "ip=dhcp"})

	discover := w.awaitDHCP(0, "DISCOVER", dhcpDiscover)
	if discover.dst != broadcastMAC || discover.chaddr != discover.src || !discover.from.Addr().IsUnspecified() ||
		discover.to != netip.MustParseAddrPort("255.255.255.255:67") {
		t.Errorf("DISCOVER: %v", discover)
	}
	// None of these is an offer to us.
	for _, f := range badOffers(discover) {
		w.send(f)
	}
	from := w.mark()
	offer := dhcpFrame(discover, dhcpAnswer(discover, dhcpOffer, lease(dhcpLeaseSec, 0, 0)))
	w.on(func(p packet) { // to DISCOVERs that it sent meanwhile
		if m, ok := readDHCP(p); ok && m.kind() == dhcpDiscover {
			w.send(dhcpFrame(m, dhcpAnswer(m, dhcpOffer, lease(dhcpLeaseSec, 0, 0))))
		}
	})
	w.send(offer)
	request := w.awaitDHCP(from, "REQUEST", dhcpRequest)
	if !bytes.Equal(request.options[optAddress], guestIP.AsSlice()) || !bytes.Equal(request.options[optServer], peerIP.AsSlice()) {
		t.Errorf("REQUEST: %v, options %v", request, request.options)
	}
	// T1 is five seconds: the shortest that the client obeys.
	w.on(nil)
	from = w.mark()
	w.send(dhcpFrame(request, dhcpAnswer(request, dhcpAck, lease(60, 5, 50))))
	g.line("eth0: DHCP: 10.77.0.2/24 from 10.77.0.1")
	w.reachable()

	renew := w.awaitDHCP(from, "REQUEST to renew", dhcpRequest)
	if renew.ciaddr != guestIP || renew.to.Addr() != peerIP || renew.dst != peerMAC || renew.options[optServer] != nil || renew.options[optAddress] != nil {
		t.Errorf("renewal: %v, options %v", renew, renew.options)
	}
	from = w.mark()
	w.send(dhcpFrame(renew, dhcpAnswer(renew, dhcpAck, lease(60, 5, 50))))
	again := w.awaitDHCP(from, "second REQUEST to renew", dhcpRequest)
	w.ping(56)
	from = w.mark()
	w.send(dhcpFrame(again, dhcpAnswer(again, dhcpNak, map[byte][]byte{optServer: peerIP.AsSlice()})))
	g.line("refused")
	g.line("10.77.0.2/24 given up")
	w.awaitDHCP(from, "DISCOVER after the refusal", dhcpDiscover)
	if i := slices.IndexFunc(w.since(from), func(p packet) bool {
		return p.icmpType == echoReply && p.proto == protoICMP
	}); i >= 0 {
		t.Error("it answers for an address it gave up")
	}
	if !strings.Contains(g.line("given up"), "eth0: DHCP") {
		t.Error(g.line("given up"))
	}
	g.unharmed()
}

// badOffers are frames that look like an answer to m and are none.
func badOffers(m dhcpMessage) [][]byte {
	good := lease(dhcpLeaseSec, 0, 0)
	with := func(code byte, v []byte) map[byte][]byte {
		o := lease(dhcpLeaseSec, 0, 0)
		o[code] = v
		if v == nil {
			delete(o, code)
		}
		return o
	}
	frame := func(o map[byte][]byte, change func(d []byte) []byte) []byte {
		d := dhcpAnswer(m, dhcpOffer, o)
		if change != nil {
			d = change(d)
		}
		return dhcpFrame(m, d)
	}
	damaged := frame(good, nil)
	damaged[14+26] ^= 0x55 // UDP checksum
	return [][]byte{
		damaged,
		frame(good, func(d []byte) []byte { d[4] ^= 1; return d }),                        // another transaction
		frame(good, func(d []byte) []byte { d[28] ^= 1; return d }),                       // another client
		frame(good, func(d []byte) []byte { d[0] = 1; return d }),                         // a request
		frame(good, func(d []byte) []byte { d[dhcpHeader] ^= 1; return d }),               // no magic
		frame(good, func(d []byte) []byte { return d[:100] }),                             // cut
		frame(good, func(d []byte) []byte { return d[:len(d)-3] }),                        // in an option
		frame(good, func(d []byte) []byte { copy(d[16:], "\xe0\x00\x00\x01"); return d }), // a group
		frame(good, func(d []byte) []byte { clear(d[16:20]); return d }),                  // no address
		frame(with(optServer, nil), nil),
		frame(with(optLease, nil), nil),
		frame(with(optLease, []byte{0, 0, 0, 1}), nil),
		frame(with(optMask, []byte{255, 0, 255, 0}), nil),
		frame(with(optMask, []byte{255, 255, 255, 255, 0}), nil),
	}
}

package netpoll

// Times of neighbours. A MAC address that was not heard of for staleAfter is
// asked for again while it stays in use (Linux: base_reachable_time).
const (
	maxNeighbors = 16

	arpWait    = 100e6 // ns for an answer, in a panic
	arpRetry   = 1e9   // ns between requests, live
	arpTries   = 3     // requests to everybody before nobody is there
	probeTries = 3     // requests to the address that was known, before those
	staleAfter = 30e9  // ns
	giveUpFor  = 30e9  // ns without a request once nobody answered
)

// hop is an address on the link.
type hop struct {
	ip   [16]byte // IPv4: in the first four bytes
	v6   bool
	vlan uint16
}

// neighbor is what is known of the MAC address of a hop.
type neighbor struct {
	hop
	used  bool
	last  int64 // when it was needed last
	mac   [6]byte
	known bool
	heard int64 // when it was last confirmed
	asked int64 // when the last request left
	tries int   // requests since it was heard of
}

// neighbor returns the entry of a hop. If there is none, the one that was not
// needed for the longest time makes room. i is where it was the last time.
func (e *Endpoint) neighbor(h *hop, i *int) *neighbor {
	if n := &e.neighbors[*i&(maxNeighbors-1)]; n.used && n.hop == *h {
		return n
	}
	oldest := 0
	for j := range e.neighbors {
		n := &e.neighbors[j]
		if n.used && n.hop == *h {
			*i = j
			return n
		}
		if o := &e.neighbors[oldest]; o.used && (!n.used || n.last < o.last) {
			oldest = j
		}
	}
	*i = oldest
	n := &e.neighbors[oldest]
	*n = neighbor{hop: *h, used: true}
	return n
}

// Resolve sets d.MAC to that of the hop to d, or to Broadcast if that is not
// known, and reports whether it is. Called for each use of d, it keeps the
// address fresh: it sends a request (ARP, or a neighbour solicitation) when
// none is known or it was not heard of for half a minute; first, three times,
// to the address that is known, then to everybody, a second apart. If nobody
// answers, the address is not known any more, and requests are rare. A peer
// whose address changes and that says so (a request of its own, gratuitous ARP,
// an advertisement) is believed at once.
//
// In the live system Resolve waits for nothing; Filter sees the answer. In a
// panic it waits within a bound for an address that is not known, and takes a
// known one as it is. Trap context.
func (e *Endpoint) Resolve(d *Dest) bool {
	n := e.neighbor(&d.hop, &d.slot)
	if e.panicked && n.known {
		d.MAC = n.mac
		return true
	}
	now := e.now()
	n.last = now
	if e.due(n, now) && !e.busy && e.ready() {
		if src, ok := e.source(d); ok {
			e.busy = true
			e.solicit(n, &src)
			e.busy = false
		}
	}
	if !n.known {
		d.MAC = Broadcast
		return false
	}
	d.MAC = n.mac
	return true
}

// due tells whether a request is to be sent now.
func (e *Endpoint) due(n *neighbor, now int64) bool {
	if e.panicked {
		return !n.known && n.tries < arpTries
	}
	bound := arpTries
	if n.known {
		if now-n.heard < staleAfter {
			return false
		}
		bound += probeTries
	}
	wait := int64(arpRetry)
	if n.tries >= bound {
		// Nobody was there. What a full ring kept from asking is no answer
		// either, but a second has passed since the last request left.
		if n.tries > 0 && now-n.asked >= arpRetry {
			n.known = false
		}
		wait = giveUpFor
	}
	return n.tries == 0 || now-n.asked >= wait
}

// solicit sends a request, in a panic again until there is an answer or its
// bound is reached.
func (e *Endpoint) solicit(n *neighbor, src *[16]byte) {
	for {
		to := Broadcast
		if n.known && n.tries < probeTries {
			to = n.mac
		}
		n.tries++
		n.asked = e.now()
		f := &e.ask
		if n.v6 {
			e.neighborSolicitation(f, n, src, to)
		} else {
			f.ethernet(to, e.dev.MAC(), typeARP)
			f.arp(arpRequest, e.dev.MAC(), src[:4], [6]byte{}, n.ip[:4])
		}
		if !e.send(f.bytes(), n.vlan) || !e.panicked {
			return
		}
		for range waitLooks {
			if e.look(pollBudget); n.known || e.now()-n.asked > arpWait {
				break
			}
		}
		if n.known || n.tries >= arpTries {
			return
		}
	}
}

// heardOf takes a MAC address that somebody gave for an address in the VLAN of
// the frame at hand. Only those that Resolve looks for are kept. If there is
// another one already, it is replaced only if override says so.
func (e *Endpoint) heardOf(ip []byte, v6 bool, mac [6]byte, override bool) {
	if mac[0]&1 != 0 || mac == ([6]byte{}) {
		return
	}
	h := hop{v6: v6, vlan: e.rxVLAN}
	copy(h.ip[:], ip)
	for i := range e.neighbors {
		n := &e.neighbors[i]
		if !n.used || n.hop != h {
			continue
		}
		if n.known && n.mac != mac {
			if !override {
				return
			}
			e.stats.Moved++
		}
		n.mac, n.known, n.heard, n.tries = mac, true, e.now(), 0
		return
	}
}

// learn takes what a frame tells of MAC addresses.
func (e *Endpoint) learn(p []byte) {
	switch {
	case isARP(p):
		// A request tells as much of its sender as a reply does.
		e.heardOf(p[arpSPA:arpSPA+4], false, [6]byte(p[arpSHA:arpSHA+6]), true)
	case isND(p):
		e.learnND(p)
	}
}

// isND reports whether a frame may be one of neighbour discovery that says
// where somebody is. The rest of its checks is learnND's.
func isND(p []byte) bool {
	return len(p) >= ethLen+ip6Len+nsLen && typeOf(p) == typeIPv6 &&
		p[ethLen+6] == protoICMPv6 && p[ethLen+7] == 255 &&
		p[ethLen+ip6Len] >= routerAdvertisement && p[ethLen+ip6Len] <= neighborAdvertisement
}

// learnND takes the link-layer address of an advertisement's target, or of the
// sender of a solicitation or router advertisement.
func (e *Endpoint) learnND(p []byte) {
	icmp, ok := parseICMPv6(p)
	if !ok {
		return
	}
	ip, opt := p[ethLen+8:ethLen+24], byte(1)
	override, options := true, nsLen
	switch icmp[0] {
	case neighborAdvertisement:
		ip, opt, override = icmp[8:24], 2, icmp[4]&0x20 != 0
	case routerAdvertisement:
		options = 16
	}
	if ip[0] == 0xff {
		return
	}
	// Options: type, length in units of 8 bytes (RFC 4861, 4.6).
	for o := icmp[options:]; len(o) >= 8; {
		n := int(o[1]) * 8
		if n == 0 || n > len(o) {
			return
		}
		if o[0] == opt {
			e.heardOf(ip, true, [6]byte(o[2:8]), override)
			return
		}
		o = o[n:]
	}
}

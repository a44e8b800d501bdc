package netpoll

// ARP for IPv4 over Ethernet (RFC 826), offsets from the frame's beginning.
const (
	arpOp  = ethLen + 6
	arpSHA = ethLen + 8  // sender's MAC
	arpSPA = ethLen + 14 // sender's IP
	arpTHA = ethLen + 18
	arpTPA = ethLen + 24

	arpRequest = 1
	arpReply   = 2

	arpWait  = 100e6 // ns for an answer, in a panic
	arpRetry = 1e9   // ns between requests, live
	arpTries = 3
)

// arpHead is hardware Ethernet, protocol IPv4, address lengths 6 and 4, and
// the high byte of the operation.
var arpHead = [7]byte{0, 1, 8, 0, 6, 4, 0}

func isARP(p []byte) bool {
	return len(p) >= ethLen+arpLen && p[12] == typeARP>>8 && p[13] == typeARP&0xff &&
		[7]byte(p[ethLen:ethLen+7]) == arpHead
}

func (f *frame) arp(op byte, sha [6]byte, spa []byte, tha [6]byte, tpa []byte) {
	copy(f.b[ethLen:], arpHead[:])
	f.b[arpOp+1] = op
	copy(f.b[arpSHA:], sha[:])
	copy(f.b[arpSPA:arpSPA+4], spa)
	copy(f.b[arpTHA:], tha[:])
	copy(f.b[arpTPA:arpTPA+4], tpa)
	f.n = ethLen + arpLen
}

// inputARP answers requests for our addresses, probes included.
func (e *Endpoint) inputARP(p []byte, mac [6]byte) {
	if !isARP(p) || p[arpOp+1] != arpRequest || !e.isLocal4(p[arpTPA:arpTPA+4]) || p[arpSHA]&1 != 0 {
		return
	}
	peer := [6]byte(p[arpSHA : arpSHA+6])
	f := &e.reply
	f.ethernet(peer, mac, typeARP)
	f.arp(arpReply, mac, p[arpTPA:arpTPA+4], peer, p[arpSPA:arpSPA+4])
	if e.respond() {
		e.stats.ARP++
	}
}

// learn takes the answer Resolve waits for. A request that names its sender
// tells as much as a reply does.
func (e *Endpoint) learn(p []byte) {
	if e.asking && !e.answered && isARP(p) && [4]byte(p[arpSPA:arpSPA+4]) == e.ask &&
		p[arpSHA]&1 == 0 && [6]byte(p[arpSHA:arpSHA+6]) != [6]byte{} {
		e.answer, e.answered = [6]byte(p[arpSHA:arpSHA+6]), true
	}
}

// Resolve finds the MAC address for d by ARP, sets d.MAC and reports whether
// it is known. In a panic it waits for the answer, within a bound. In the live
// system it sends a request now and then, and a later call reports what Filter
// saw. After three requests without an answer it gives up on d, which keeps
// its MAC address. One destination at a time is looked for; IPv4 only. Trap
// context.
func (e *Endpoint) Resolve(d *Dest) bool {
	if d.resolved || d.v6 {
		return d.resolved
	}
	if e.asking && e.ask == d.hop && e.answered {
		d.MAC, d.resolved = e.answer, true
		e.asking = false
		return true
	}
	if e.busy || d.tries >= arpTries || !e.ready() {
		return false
	}
	src, ok := e.source(d)
	if !ok {
		return false
	}
	if e.asking && !e.panicked && e.now()-e.asked < arpRetry {
		return false // somebody's answer may still come
	}
	e.busy = true
	for d.tries < arpTries {
		d.tries++
		e.ask, e.asking, e.answered, e.asked = d.hop, true, false, e.now()
		mac := e.dev.MAC()
		e.tx.ethernet(Broadcast, mac, typeARP)
		e.tx.arp(arpRequest, mac, src[:4], [6]byte{}, d.hop[:])
		if !e.send(&e.tx) || !e.panicked {
			break
		}
		for range waitLooks {
			if e.look(pollBudget); e.answered || e.now()-e.asked > arpWait {
				break
			}
		}
		if e.answered {
			d.MAC, d.resolved = e.answer, true
			e.asking = false
			break
		}
	}
	e.busy = false
	return d.resolved
}

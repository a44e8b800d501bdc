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
)

// arpHead is hardware Ethernet, protocol IPv4, address lengths 6 and 4, and
// the high byte of the operation.
var arpHead = [7]byte{0, 1, 8, 0, 6, 4, 0}

func isARP(p []byte) bool {
	return len(p) >= ethLen+arpLen && typeOf(p) == typeARP &&
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

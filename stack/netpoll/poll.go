package netpoll

import (
	"github.com/gasp-go/gasp/stack/inet"
	"github.com/gasp-go/gasp/stack/netdev"
)

// Poll does the device's work by hand and returns the number of frames taken.
// In the live system that is only the controller: received frames belong to
// NAPI, which may be in the middle of the ring. In a panic up to budget frames
// are taken and answered. Trap context; it does nothing from within a send.
func (e *Endpoint) Poll(budget int) int {
	if e.busy || e.dead {
		return 0
	}
	e.busy = true
	n := 0
	if e.panicked {
		e.lookAtLink(linkRetry)
		n = e.look(budget)
	} else {
		e.drv.PollController()
	}
	e.busy = false
	if e.panicked {
		e.Work()
	}
	return n
}

// look polls the controller and takes frames. Only in a panic.
func (e *Endpoint) look(budget int) int {
	e.drv.PollController()
	n := e.drv.PollRx(budget, e.receive)
	if n > 0 {
		e.stats.Received += uint64(n)
	}
	return n
}

// input looks at a received frame and answers what is ours to answer. Nothing
// in the frame is believed before it was checked.
func (e *Endpoint) input(p []byte) {
	if e.hooked(p) {
		return
	}
	if len(p) < ethLen {
		return
	}
	if typeOf(p) == typeVLAN {
		e.inputVLAN(p)
		return
	}
	e.take(p)
}

// take is input for frames without a tag, or whose tag was taken off.
func (e *Endpoint) take(p []byte) {
	if len(p) < ethLen || p[6]&1 != 0 {
		return // too short, or sent by a group
	}
	mac := e.dev.MAC()
	if p[0]&1 == 0 && [6]byte(p[:6]) != mac {
		return // for somebody else
	}
	switch typeOf(p) {
	case typeARP:
		e.learn(p)
		e.inputARP(p, mac)
	case typeIPv4:
		if !e.inputUDP(p) {
			e.inputIPv4(p, mac)
		}
	case typeIPv6:
		e.learn(p)
		if !e.inputUDP(p) {
			e.inputIPv6(p, mac)
		}
	}
}

// respond sends the reply that was built, if there is room: nobody waits here.
func (e *Endpoint) respond() bool {
	return e.xmit(e.reply.bytes(), e.rxVLAN) == netdev.TxOK
}

func (e *Endpoint) isLocal4(a []byte) bool {
	if e.rxVLAN != 0 {
		return e.vlanLocal(a, false)
	}
	for i := range e.local4 {
		if i < e.nlocal4 && [4]byte(a) == e.local4[i] {
			return true
		}
	}
	return false
}

// payload4 checks an IPv4 packet of ip4Len bytes or more, and returns what is behind
// its header, of least bytes or more, if it is for us and in one piece.
func (e *Endpoint) payload4(ip []byte, least int) (p []byte, ok bool) {
	header, total := int(ip[0]&15)*4, int(ip[2])<<8|int(ip[3])
	if ip[0]>>4 != 4 || header < ip4Len || total < header+least || total > len(ip) ||
		ip[6]&0x3f != 0 || ip[7] != 0 || // a fragment
		inet.Fold(inet.Sum(ip[:header], 0)) != 0xffff || !e.isLocal4(ip[16:20]) {
		return nil, false
	}
	return ip[header:total], true
}

// inputIPv4 answers an echo request (RFC 792).
func (e *Endpoint) inputIPv4(p []byte, mac [6]byte) {
	ip := p[ethLen:]
	if len(ip) < ip4Len || [6]byte(p[:6]) != mac {
		return
	}
	icmp, ok := e.payload4(ip, icmpLen)
	if !ok || ip[9] != protoICMP || ip[12] == 0 || ip[12] == 127 || ip[12] >= 224 { // no host's address
		return
	}
	if icmp[0] != 8 || icmp[1] != 0 || inet.Fold(inet.Sum(icmp, 0)) != 0xffff ||
		ethLen+ip4Len+len(icmp) > maxFrame {
		return
	}
	f := &e.reply
	e.ipID++
	f.ethernet([6]byte(p[6:12]), mac, typeIPv4)
	f.ipv4(ip[16:20], ip[12:16], protoICMP, e.ipID, len(icmp))
	b := f.b[f.n : f.n+copy(f.b[f.n:], icmp)]
	f.n += len(b)
	b[0], b[2], b[3] = 0, 0, 0
	c := ^inet.Fold(inet.Sum(b, 0))
	b[2], b[3] = byte(c>>8), byte(c)
	if e.respond() {
		e.stats.Echo++
	}
}

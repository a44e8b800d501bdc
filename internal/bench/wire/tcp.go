package wire

import "encoding/binary"

// TCP is the far end of one connection: it connects, and then sends without end
// or receives. It has timestamps and window scaling, but no SACK, congestion
// control or retransmission, for the wire loses nothing. It sends as much as the
// receiver's window allows, and acknowledges every AckEvery segments and at the
// end of a Tick, and at once what is not in order.
type TCP struct {
	port     *Port
	from, to Host

	Sends    bool // it sends; otherwise it receives
	AckEvery int

	Sent, Received uint64 // bytes, acknowledged and in order
	Odd            uint64 // segments that nobody should send
	Again          uint64 // segments that came again, or before their turn

	state           uint8
	una, nxt, rcv   uint32 // sequence numbers
	wnd             uint32
	scale           uint8
	tsRecent, tsNow uint32
	pending         int
	header          [ethLen + ipLen + tcpLen]byte
	payloadSum      uint32 // of MSS bytes
	synTail         []byte // where the longer header of the SYN lay over the data
	data            [synLen - tcpLen]byte
}

const (
	closed = iota
	synSent
	established
	reset

	tcpLen = 32 // with timestamps
	synLen = 40
	MSS    = 1448

	window   = 1 << 20 // that we offer
	ourScale = 7

	flagFIN, flagSYN, flagRST, flagPSH, flagACK = 1, 2, 4, 8, 16

	synAt = 0x10000000 // our first sequence number

	// batch bounds what one Tick sends.
	batch = 512
)

// NewTCP prepares a connection from one host to another. Every buffer of the
// port gets the data that segments carry.
func NewTCP(port *Port, from, to Host) *TCP {
	t := &TCP{port: port, from: from, to: to, AckEvery: 2}
	f := make([]byte, ethLen+ipLen+tcpLen+MSS)
	data := f[ethLen+ipLen+tcpLen:]
	for i := range data {
		data[i] = byte(i)
	}
	t.payloadSum = sum(0, data)
	copy(t.data[:], data)
	ip(f, from, to, protoTCP)
	h := f[ethLen+ipLen:]
	binary.BigEndian.PutUint16(h[0:], from.Port)
	binary.BigEndian.PutUint16(h[2:], to.Port)
	h[12] = tcpLen / 4 << 4
	h[13] = flagACK
	binary.BigEndian.PutUint16(h[14:], window>>ourScale)
	h[20], h[21], h[22], h[23] = 1, 1, 8, 10 // two NOPs, timestamps
	copy(t.header[:], f)
	port.Load(f)
	return t
}

// Established tells whether the connection is open.
func (t *TCP) Established() bool { return t.state == established }

// Tick takes what came and sends what may be sent. The first one connects.
func (t *TCP) Tick() {
	t.tsNow++
	if t.state == closed {
		t.syn()
	}
	for f := t.port.Next(); f != nil; f = t.port.Next() {
		t.receive(f)
		t.port.Done()
	}
	t.port.Resume()
	if t.pending > 0 {
		t.ack()
	}
	if t.Sends && t.state == established {
		for n := 0; n < batch && t.nxt-t.una+MSS <= t.wnd; n++ {
			t.segment(flagACK, MSS, t.payloadSum)
			t.nxt += MSS
		}
	}
	t.port.Kick()
	if t.state == synSent && t.nxt == synAt+1 {
		copy(t.synTail, t.data[:]) // the buffer's data again
	}
}

// syn sends the first segment.
func (t *TCP) syn() {
	f := t.port.Slot()[:ethLen+ipLen+synLen]
	t.synTail = f[ethLen+ipLen+tcpLen:]
	clear(f)
	h := f[ethLen+ipLen:]
	binary.BigEndian.PutUint16(h[0:], t.from.Port)
	binary.BigEndian.PutUint16(h[2:], t.to.Port)
	binary.BigEndian.PutUint32(h[4:], synAt)
	h[12] = synLen / 4 << 4
	h[13] = flagSYN
	binary.BigEndian.PutUint16(h[14:], 0xffff)
	o := h[20:]
	o[0], o[1] = 2, 4
	binary.BigEndian.PutUint16(o[2:], MSS+12)
	o[4], o[5] = 1, 1
	o[6], o[7] = 8, 10                         // timestamps
	binary.BigEndian.PutUint32(o[8:], t.tsNow) // their echo is 0
	o[16], o[17], o[18], o[19] = 1, 3, 3, ourScale
	ip(f, t.from, t.to, protoTCP)
	binary.BigEndian.PutUint16(h[16:], ^transportSum(f, protoTCP))
	t.port.Queue(len(f))
	t.state, t.una, t.nxt = synSent, synAt, synAt+1
}

// receive takes one frame.
func (t *TCP) receive(f []byte) {
	if !isIP(f, protoTCP) || len(f) < ethLen+ipLen+20 {
		return
	}
	h := f[ethLen+ipLen:]
	if binary.BigEndian.Uint16(h[2:]) != t.from.Port || binary.BigEndian.Uint16(h[0:]) != t.to.Port {
		return
	}
	total := int(binary.BigEndian.Uint16(f[ethLen+2:]))
	off := int(h[12]>>4) * 4
	n := total - ipLen - off
	if off < 20 || n < 0 || len(h) < off+n {
		t.Odd++
		return
	}
	seq, ack, flags := binary.BigEndian.Uint32(h[4:]), binary.BigEndian.Uint32(h[8:]), h[13]
	if flags&flagRST != 0 {
		t.state = reset
		return
	}
	t.options(h[20:off])
	if t.state == synSent {
		if flags&(flagSYN|flagACK) != flagSYN|flagACK || ack != t.nxt {
			t.Odd++
			return
		}
		t.state, t.una, t.rcv = established, ack, seq+1
		t.wnd = uint32(binary.BigEndian.Uint16(h[14:]))
		t.ack()
		return
	}
	if t.state != established {
		return
	}
	if acked := ack - t.una; acked <= t.nxt-t.una {
		t.una = ack
		t.Sent += uint64(acked)
		t.wnd = uint32(binary.BigEndian.Uint16(h[14:])) << t.scale
	}
	switch {
	case n == 0:
	case seq == t.rcv:
		t.rcv += uint32(n)
		t.Received += uint64(n)
		t.pending++
		if t.pending >= t.AckEvery {
			t.ack()
		}
	default:
		t.Again++
		t.ack()
	}
	if flags&flagFIN != 0 && seq+uint32(n) == t.rcv {
		t.rcv++
		t.ack()
	}
}

// options takes window scale and timestamp.
func (t *TCP) options(o []byte) {
	for len(o) >= 2 {
		switch {
		case o[0] == 0:
			return
		case o[0] == 1:
			o = o[1:]
			continue
		case int(o[1]) < 2 || int(o[1]) > len(o):
			return
		case o[0] == 3 && o[1] == 3:
			t.scale = min(o[2], 14)
		case o[0] == 8 && o[1] == 10:
			t.tsRecent = binary.BigEndian.Uint32(o[2:])
		}
		o = o[o[1]:]
	}
}

// ack acknowledges everything received.
func (t *TCP) ack() {
	t.segment(flagACK, 0, 0)
	t.pending = 0
}

// segment queues a segment with n bytes of the data in its buffer, whose sum is
// dataSum.
func (t *TCP) segment(flags byte, n int, dataSum uint32) {
	f := t.port.Slot()
	copy(f, t.header[:])
	i, h := f[ethLen:ethLen+ipLen], f[ethLen+ipLen:ethLen+ipLen+tcpLen]
	binary.BigEndian.PutUint16(i[2:], uint16(ipLen+tcpLen+n))
	binary.BigEndian.PutUint16(i[10:], 0)
	binary.BigEndian.PutUint16(i[10:], ^fold(sum(0, i)))
	binary.BigEndian.PutUint32(h[4:], t.nxt)
	binary.BigEndian.PutUint32(h[8:], t.rcv)
	h[13] = flags
	binary.BigEndian.PutUint32(h[24:], t.tsNow)
	binary.BigEndian.PutUint32(h[28:], t.tsRecent)
	s := sum(protoTCP+uint32(tcpLen+n), i[12:20])
	binary.BigEndian.PutUint16(h[16:], ^fold(sum(s, h)+dataSum))
	t.port.Queue(ethLen + ipLen + tcpLen + n)
}

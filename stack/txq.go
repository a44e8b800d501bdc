package stack

import (
	"sync"
	"sync/atomic"

	gv "gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/gasp-go/gasp/stack/netdev"
)

// The queue between gVisor and a full transmit ring (Linux: a qdisc, pfifo). A
// TCP window is more frames than the ring has descriptors, and what does not fit
// must not be lost: it would have to be found missing and sent again.

const (
	txqPackets = 1000    // as Linux's txqueuelen
	txqBytes   = 2 << 20 // of payload
)

// txq holds packets in the order in which they are to be sent. It is empty unless
// the device's queue is stopped or being worked off.
type txq struct {
	mu    sync.Mutex
	pkts  []queuedPacket // ring of txqPackets, made when first needed
	head  int
	bytes int

	n      atomic.Int32 // packets; written under mu
	queued atomic.Uint64
	full   atomic.Uint64
}

// queuedPacket is a packet of which sent bytes of payload are sent already. That may
// be so behind the first too: between the driver's answer and the queue another
// goroutine's packet may come.
type queuedPacket struct {
	*gv.PacketBuffer
	sent int
}

// enqueue keeps pkt, of which sent bytes of payload are sent already, and reports
// whether there was room.
func (l *link) enqueue(pkt *gv.PacketBuffer, sent int) bool {
	q := &l.txq
	q.mu.Lock()
	n := int(q.n.Load())
	ok := n < txqPackets && q.bytes < txqBytes
	if ok {
		if q.pkts == nil {
			q.pkts = make([]queuedPacket, txqPackets)
		}
		q.pkts[(q.head+n)%txqPackets] = queuedPacket{pkt.IncRef(), sent}
		q.bytes += pkt.Data().Size()
		q.n.Store(int32(n + 1))
		q.queued.Add(1)
	} else {
		q.full.Add(1)
	}
	q.mu.Unlock()
	// Between the driver's answer and the queue there may have been room again,
	// and nobody would come for the packet.
	if !l.dev.TxStopped() {
		l.dequeue()
	}
	return ok
}

// dequeue sends what waits, as far as there is room. Without carrier it is
// dropped, and counted by the device.
func (l *link) dequeue() {
	q := &l.txq
	if q.n.Load() == 0 {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.n.Load() > 0 {
		pkt := &q.pkts[q.head]
		st, sent := l.write(pkt.PacketBuffer, pkt.sent)
		if st == netdev.TxBusy {
			pkt.sent = sent
			return
		}
		q.head = (q.head + 1) % txqPackets
		q.bytes -= pkt.Data().Size()
		q.n.Add(-1)
		pkt.DecRef()
		*pkt = queuedPacket{}
	}
}

package netconsole

import (
	"github.com/gasp-go/gasp/console"
	"github.com/gasp-go/gasp/stack/netpoll"
)

// A receiver can tell a target what it has and what it lacks, in datagrams from
// the address and port that the target sends to, to the port it sends from:
//
//	ncrx<seq> <missing> <missing> ...
//	ncrx-resend <seq>
//
// The first is what netconsd's library ncrx makes: all up to seq have come but
// those listed. The second asks for all from seq on. What is asked for is sent
// again if it is still in the log; numbers that this target never got, since
// their level is too low, too, so that nobody waits for them for ever. Records
// that nobody acknowledges, of a receiver that did so before, are sent again some
// times too: the last ones of a report are followed by none that would show that
// they are missing.
const (
	maxWanted   = 128    // numbers asked for that wait
	perWork     = 16     // records sent again in one go
	againEvery  = 1e6    // ns for each, in the long run ...
	againBurst  = 64     // ... of which so many may come together
	ackWait     = 2e9    // ns without an acknowledgement before records go again, doubled each time
	ackTries    = 5      // times without any
	ackWindow   = 64     // records then sent again
	msgIDWindow = 1 << 9 // records whose msgid is kept
)

// request is what a receiver asks for.
type request struct {
	all  bool   // everything from seq on
	seq  uint64 // otherwise: received up to here
	rest []byte // numbers that are missing, each with a space ahead
}

// parseRequest checks a datagram.
func parseRequest(p []byte) (q request, ok bool) {
	for len(p) > 0 && (p[len(p)-1] == '\n' || p[len(p)-1] == 0) {
		p = p[:len(p)-1]
	}
	if len(p) > maxChunk || len(p) < 5 || string(p[:4]) != "ncrx" {
		return q, false
	}
	p = p[4:]
	const resend = "-resend "
	if len(p) > len(resend) && string(p[:len(resend)]) == resend {
		q.all, p = true, p[len(resend):]
	}
	q.seq, q.rest, ok = number(p)
	if !ok || q.all && len(q.rest) > 0 {
		return q, false
	}
	for rest := q.rest; len(rest) > 0; {
		if _, rest, ok = missing(rest); !ok {
			return q, false
		}
	}
	return q, true
}

// missing returns the first of the numbers missing.
func missing(p []byte) (seq uint64, rest []byte, ok bool) {
	if p[0] != ' ' {
		return 0, nil, false
	}
	return number(p[1:])
}

// number reads digits up to the end or a space.
func number(p []byte) (v uint64, rest []byte, ok bool) {
	i := 0
	for ; i < len(p) && p[i] != ' '; i++ {
		d := uint64(p[i] - '0')
		if d > 9 || v > (1<<64-1-d)/10 {
			return 0, nil, false
		}
		v = v*10 + d
	}
	return v, p[i:], i > 0
}

// again is what is to be sent again, and the state of doing so. It is used in
// trap context.
type again struct {
	stream
	rec  console.Record
	busy bool   // rec is being sent
	next uint64 // none from here on has been sent yet

	wanted  [maxWanted]uint64
	nwanted int
	from    uint64 // a range of numbers, up to but not including to
	to      uint64

	heard   bool   // the receiver acknowledges
	acked   uint64 // all below were received
	waiting int64  // since when acknowledgements are waited for
	tries   int

	credit int64 // ns
	last   int64

	ids [msgIDWindow]msgID
}

type msgID struct {
	seq uint64
	id  uint32
}

// Datagram implements netpoll.UDPHandler: only what the target's own address
// asks for counts.
func (t *Target) Datagram(from *netpoll.Peer, payload []byte) bool {
	if t.again == nil || !t.dest.From(from) {
		return false
	}
	q, ok := parseRequest(payload)
	if !ok {
		t.stats.BadRequests++
		return true
	}
	t.stats.Requests++
	a := t.again
	if q.all {
		if a.from >= a.to || q.seq < a.from {
			a.from = q.seq
		}
		a.to = a.next
		return true
	}
	if next := q.seq + 1; next > q.seq && next <= a.next && (!a.heard || next > a.acked) {
		a.acked, a.tries, a.waiting = next, 0, t.now()
	}
	a.heard = true
	for rest := q.rest; len(rest) > 0; {
		var seq uint64
		seq, rest, _ = missing(rest)
		a.want(seq, &t.stats)
	}
	return true
}

func (a *again) want(seq uint64, st *Stats) {
	if seq >= a.next {
		return // it is still to come
	}
	for i := range a.wanted {
		if i < a.nwanted && a.wanted[i] == seq {
			return
		}
	}
	if a.nwanted >= maxWanted {
		st.Unanswered++
		return
	}
	a.wanted[a.nwanted] = seq
	a.nwanted++
}

// Work implements netpoll.UDPHandler: it keeps the target's MAC address fresh and
// sends again what is asked for, at a bounded rate.
func (t *Target) Work() {
	if t.resolve {
		t.ep.Resolve(&t.dest)
	}
	a := t.again
	if a == nil {
		return
	}
	now := t.now()
	if a.credit += now - a.last; a.credit > againBurst*againEvery || now < a.last {
		a.credit = againBurst * againEvery
	}
	a.last = now
	t.unacknowledged(now)
	for i := 0; i < perWork && a.credit >= againEvery; i++ {
		if !a.busy && !t.nextAgain() {
			return
		}
		if !t.send(&a.stream, &a.rec) {
			return // later
		}
		a.busy = false
		a.credit -= againEvery
		t.stats.Again++
	}
}

// nextAgain loads the next record that is to be sent again.
func (t *Target) nextAgain() bool {
	a := t.again
	for a.nwanted > 0 && a.nwanted <= maxWanted {
		seq := a.wanted[0]
		copy(a.wanted[:], a.wanted[1:a.nwanted])
		a.nwanted--
		if t.read(seq, &a.rec) && a.rec.Seq == seq {
			a.busy = true
			return true
		}
		t.stats.Unanswered++
	}
	if a.from < a.to && t.read(a.from, &a.rec) && a.rec.Seq < a.to {
		if a.rec.Seq > a.from {
			t.stats.Unanswered += a.rec.Seq - a.from
		}
		a.from = a.rec.Seq + 1
		a.busy = true
		return true
	}
	a.from = a.to
	return false
}

// unacknowledged has the first records that were not acknowledged sent again.
func (t *Target) unacknowledged(now int64) {
	a := t.again
	if !a.heard || a.acked >= a.next || a.from < a.to || a.tries >= ackTries ||
		now-a.waiting < ackWait<<a.tries {
		return
	}
	a.tries++
	a.from, a.to = a.acked, min(a.next, a.acked+ackWindow)
}

// sent notes that the record seq was sent for the first time.
func (a *again) sent(seq uint64, now int64) {
	if a.acked >= a.next {
		a.waiting = now // nothing was waited for until now
	}
	a.next = max(a.next, seq+1)
}

// msgid returns the number of a record among the target's; a record sent again
// has the one that it had.
func (t *Target) msgid(seq uint64, first bool) uint32 {
	if !t.stamp.sysdata.MsgID {
		return 0
	}
	a := t.again
	if a == nil {
		t.msgcounter++
		return t.msgcounter
	}
	e := &a.ids[seq%msgIDWindow]
	if first || e.seq != seq || e.id == 0 {
		t.msgcounter++
		*e = msgID{seq, t.msgcounter}
	}
	return e.id
}

//go:build arm

package kernel

// A receive from a non-blocking socket that finds nothing is to fail at once. The
// Go runtime then parks the goroutine, looks for other work in vain, and puts the
// thread to sleep in epoll_wait or on a futex: ten times what the datagram itself
// takes. So the kernel lets such a call linger while nobody else wants the CPU and
// data is likely to come soon: it sleeps, for 2 ms at most, and goes on with the
// data, or fails as soon as any other thread of the program has something to do.
// That is why deadlines and Close are as prompt as ever, and no goroutine waits for
// the P of the one that lingers: it needed a thread to run on.
//
// It is done for sockets that the program waits for with an edge-triggered epoll,
// as the runtime does, and not for MSG_DONTWAIT. A send on a stream that finds no
// room lingers likewise.

const (
	lingerTime = 2_000_000 // ns

	// A direction's luck: in favour of lingering from 0 up.
	luckMax  = 2
	luckLost = -8 // nothing came in time: so many calls that do without
)

// patience is whether calls of one direction of a socket linger.
type patience struct {
	luck   int8
	untold bool  // what was waited for came to the call that lingers, no epoll knows
	since  int64 // when a call found nothing, ns since boot; 0: none has
}

// The thread whose call lingers, one at a time, and what for.
var (
	lingering  int16  = nobody
	lingersFor uint32 // epollIn or epollOut
)

// waits is the patience of a direction.
func (s *sock) waits(direction uint32) *patience {
	if direction == epollOut {
		return &s.sending
	}
	return &s.receiving
}

// linger is what becomes of thread t's call that found nothing in s, or no room: it
// lingers, or it fails.
func (s *sock) linger(t *thread, f *file, direction uint32) uint32 {
	if f.watches == nobody || watches[f.watches].events&epollET == 0 {
		return errno(EAGAIN)
	}
	now, w := nanotime(), s.waits(direction)
	if w.luck < 0 || runqReady != 0 || lingering != nobody || t.prio == prioNet {
		w.since = now
		return errno(EAGAIN)
	}
	w.since = 0
	lingering, lingersFor = cur, direction
	sockStat.Lingered++
	t.restart = true
	block(t, waitLinger, uint32(f.sock), now+lingerTime, errno(EAGAIN))
	return 0
}

// lingers reports whether the call that lingers waits for s in this direction.
func (s *sock) lingers(direction uint32) bool {
	return lingering != nobody && lingersFor == direction && &socks[threads[lingering].waitAddr] == s
}

// lingerEnds is called when the thread that lingers wakes up, with what it waited for
// or because its time is over.
func lingerEnds(t *thread, found bool) {
	w := socks[t.waitAddr].waits(lingersFor)
	lingering = nobody
	if found {
		w.luck = luckMax
	} else {
		w.luck = luckLost
	}
}

// lingerFor ends the linger because thread i has become ready. The network thread
// does not count, as it brings the data, nor the runtime's monitor.
func lingerFor(i int16) {
	if threads[i].prio != prioNormal || threads[i].id == monitor {
		return
	}
	w := socks[threads[lingering].waitAddr].waits(lingersFor)
	luck := w.luck
	wake(lingering, errno(EAGAIN))
	w.luck = luck // it might have come
}

// came tells those who wait for s of data, or of room. If that is only the call that
// lingers, an epoll gets to know when this has left something.
func (s *sock) came(direction uint32) {
	w := s.waits(direction)
	if s.lingers(direction) {
		w.untold = true
		wake(lingering, 0)
		return
	}
	if w.since != 0 {
		if w.luck < luckMax && nanotime()-w.since < lingerTime {
			w.luck++
		}
		w.since = 0
	}
	s.changed(direction)
}

// used is called when a call has taken what an epoll was not told of, or some of it.
func (s *sock) used(direction uint32) {
	s.waits(direction).untold = false
	if sockReadiness(&files[s.file])&direction != 0 {
		s.changed(direction)
	}
}

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
// as the runtime does, and not for MSG_DONTWAIT.

const (
	lingerTime = 2_000_000 // ns

	// A socket's luck: in favour of lingering from 0 up.
	luckMax  = 2
	luckLost = -8 // no data came in time: so many reads that do without
)

var lingering int16 = nobody // the thread whose receive lingers; one at a time

// linger is what becomes of thread t's call that found nothing in s: it lingers,
// or it fails.
func (s *sock) linger(t *thread, f *file) uint32 {
	if f.watches == nobody || watches[f.watches].events&epollET == 0 {
		return errno(EAGAIN)
	}
	now := nanotime()
	if s.luck < 0 || runqReady != 0 || lingering != nobody || t.prio == prioNet {
		s.emptySince = now
		return errno(EAGAIN)
	}
	s.emptySince = 0
	lingering = cur
	sockStat.Lingered++
	t.restart = true
	block(t, waitLinger, uint32(f.sock), now+lingerTime, errno(EAGAIN))
	return 0
}

// lingerEnds is called when the thread that lingers wakes up, with data or because
// its time is over.
func lingerEnds(t *thread, data bool) {
	s := &socks[t.waitAddr]
	lingering = nobody
	if data {
		s.luck = luckMax
	} else {
		s.luck = luckLost
	}
}

// lingerFor ends the linger because thread i has become ready. The network thread
// does not count, as it brings the data, nor the runtime's monitor.
func lingerFor(i int16) {
	if threads[i].prio != prioNormal || threads[i].id == monitor {
		return
	}
	s := &socks[threads[lingering].waitAddr]
	luck := s.luck
	wake(lingering, errno(EAGAIN))
	s.luck = luck // it might have come
}

// received tells those who wait for s of data. If that is only the call that
// lingers, an epoll gets to know when this has left something.
func (s *sock) received() {
	if lingering != nobody && &socks[threads[lingering].waitAddr] == s {
		s.untold = true
		wake(lingering, 0)
		return
	}
	if s.emptySince != 0 {
		if s.luck < luckMax && nanotime()-s.emptySince < lingerTime {
			s.luck++
		}
		s.emptySince = 0
	}
	s.changed(epollIn)
}

// taken is called when a receive has taken something.
func (s *sock) taken() {
	s.untold = false
	if s.rx.used() > 0 {
		s.changed(epollIn)
	}
}

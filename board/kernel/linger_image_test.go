//go:build arm && (mx6ulevk || sabrelite)

package kernel_test

import (
	"runtime"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/gasp-go/gasp/board/kernel"
)

// lingerRig is a non-blocking socket that an epoll watches for edges, and data
// that a timer brings. What lingers and for how long depends on what the
// runtime's own threads do meanwhile, so tests try more than once.
type lingerRig struct {
	watched
	data      []byte
	datagrams int // that the timer brings at once
	buf       [64]byte
}

const lingerTries = 200

// watched is a non-blocking socket without a service, and an epoll that watches it for
// edges.
type watched struct {
	fd, epoll int
	id        kernel.SocketID
}

func watch(t *testing.T, typ int, events uint32) (w watched) {
	t.Helper()
	inImage(t)
	stop := kernel.ServeAlone()
	var err error
	if w.fd, err = syscall.Socket(syscall.AF_INET, typ|syscall.SOCK_NONBLOCK, 0); err != nil {
		t.Fatal(err)
	}
	if w.epoll, err = syscall.EpollCreate1(0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(w.fd); syscall.Close(w.epoll); stop() })
	w.id = kernel.SocketOf(w.fd)
	ev := syscall.EpollEvent{Events: events | 1<<31} // EPOLLET
	if err := syscall.EpollCtl(w.epoll, syscall.EPOLL_CTL_ADD, w.fd, &ev); err != nil {
		t.Fatal(err)
	}
	return w
}

// told reports whether the epoll has an event.
func (w *watched) told(t *testing.T) bool {
	t.Helper()
	var ev [1]syscall.EpollEvent
	n, err := syscall.EpollWait(w.epoll, ev[:], 0)
	if err != nil {
		t.Fatal(err)
	}
	return n > 0
}

func newLingerRig(t *testing.T) *lingerRig {
	t.Helper()
	r := &lingerRig{watched: watch(t, syscall.SOCK_DGRAM, syscall.EPOLLIN), data: []byte("soon"), datagrams: 1}
	if theRig = r; bringer == nil {
		from := &kernel.SockAddr{}
		bringer = kernel.NewTimer(func() {
			for range theRig.datagrams {
				kernel.SocketReceived(theRig.id, theRig.data, from)
			}
		})
	}
	if bringer == nil {
		t.Fatal("no timer left")
	}
	return r
}

// bringer brings the data of theRig; timers last for ever.
var (
	bringer *kernel.Timer
	theRig  *lingerRig
)

// soon has the data come in ns.
func (r *lingerRig) soon(ns int64) { inTrap(func() { bringer.Start(ns) }) }

func (r *lingerRig) receive(flags uintptr) (n int, err error) {
	m, _, e := syscall.Syscall6(syscall.SYS_RECVFROM, uintptr(r.fd), uintptr(unsafe.Pointer(&r.buf)), uintptr(len(r.buf)), flags, 0, 0)
	if e != 0 {
		return 0, e
	}
	return int(m), nil
}

// drain takes what there is once the timer has brought it.
func (r *lingerRig) drain(t *testing.T, sofar int) {
	t.Helper()
	for start := time.Now(); sofar < r.datagrams; {
		if n, err := r.receive(syscall.MSG_DONTWAIT); err == nil {
			if n != len(r.data) {
				t.Fatalf("a datagram of %d bytes", n)
			}
			sofar++
		} else if time.Since(start) > time.Minute {
			t.Fatal("a datagram is lost")
		} else {
			time.Sleep(time.Millisecond)
		}
	}
	r.told(t)
}

func TestReceiveLingersForDataThatComesSoon(t *testing.T) {
	r := newLingerRig(t)
	for range lingerTries {
		r.soon(300_000)
		n, err := r.receive(0)
		if err == nil {
			if string(r.buf[:n]) != "soon" {
				t.Fatalf("%q was received", r.buf[:n])
			}
			if kernel.Luck(r.id) == kernel.LuckMax {
				if r.told(t) {
					t.Error("the epoll was told of data that the receive had taken")
				}
				return
			}
			r.drain(t, 1)
			continue
		}
		if err != syscall.EAGAIN {
			t.Fatal(err)
		}
		r.drain(t, 0)
		kernel.Luck(r.id)
	}
	t.Error("no receive waited for its data")
}

func TestWhatALingeringReceiveLeavesTheEpollIsTold(t *testing.T) {
	r := newLingerRig(t)
	r.datagrams = 2
	for range lingerTries {
		kernel.Luck(r.id)
		r.told(t)
		r.soon(300_000)
		_, err := r.receive(0)
		if err != nil {
			r.drain(t, 0)
			continue
		}
		lingered := kernel.Luck(r.id) == kernel.LuckMax
		if !r.told(t) {
			t.Fatal("the epoll was not told of the second datagram")
		}
		r.drain(t, 1)
		if lingered {
			return
		}
	}
	t.Error("no receive waited for its data")
}

func TestLingeringEndsWithoutData(t *testing.T) {
	r := newLingerRig(t)
	for range lingerTries {
		kernel.Luck(r.id)
		if _, err := r.receive(0); err != syscall.EAGAIN {
			t.Fatal(err)
		}
		if kernel.Luck(r.id) < 0 {
			return
		}
		time.Sleep(time.Millisecond) // another thread had work
	}
	t.Error("no receive waited for its full time")
}

// A thread that wakes up has the CPU at once, and the P of the one that lingers is
// nobody's hindrance: it gives up.
func TestLingeringEndsWhenAnotherThreadHasWork(t *testing.T) {
	r := newLingerRig(t)
	wake, woken := make(chan bool), make(chan bool)
	go func() {
		runtime.LockOSThread()
		for range wake {
			ts := syscall.NsecToTimespec(300_000)
			syscall.Nanosleep(&ts, nil)
			woken <- true
		}
		close(woken)
	}()
	defer func() { close(wake); <-woken }()
	for range lingerTries {
		wake <- true
		kernel.Luck(r.id)
		lingered := kernel.SocketStat().Lingered
		_, err := r.receive(0)
		lingered = kernel.SocketStat().Lingered - lingered
		luck := kernel.Luck(r.id)
		if err != syscall.EAGAIN {
			t.Fatal(err)
		}
		<-woken
		if lingered == 1 && luck >= 0 {
			return
		}
	}
	t.Error("each receive waited for its full time, or not at all")
}

func TestReceiveDoesNotLingerWhenItIsToldNotToWait(t *testing.T) {
	r := newLingerRig(t)
	before := kernel.SocketStat().Lingered
	for range 20 {
		if _, err := r.receive(syscall.MSG_DONTWAIT); err != syscall.EAGAIN {
			t.Fatal(err)
		}
	}
	if kernel.SocketStat().Lingered != before {
		t.Error("it lingered")
	}
}

// streamRig is a non-blocking stream, connected to nobody, whose ring is full until a
// timer takes something out.
type streamRig struct {
	watched
	size int // of its ring
	fill []byte
}

func newStreamRig(t *testing.T) *streamRig {
	t.Helper()
	r := &streamRig{watched: watch(t, syscall.SOCK_STREAM, syscall.EPOLLOUT), fill: make([]byte, 256<<10)}
	kernel.SocketConnected(r.id)
	if theStream = r; taker == nil {
		taker = kernel.NewTimer(func() { kernel.SocketSent(theStream.id, theStream.size/2) })
	}
	if taker == nil {
		t.Fatal("no timer left")
	}
	r.size = r.pour(t)
	return r
}

var (
	taker     *kernel.Timer
	theStream *streamRig
)

func (r *streamRig) send(n int, flags uintptr) (int, error) {
	m, _, e := syscall.Syscall6(syscall.SYS_SENDTO, uintptr(r.fd), uintptr(unsafe.Pointer(&r.fill[0])), uintptr(n), flags, 0, 0)
	if e != 0 {
		return 0, e
	}
	return int(m), nil
}

// pour fills the ring and returns how much that took.
func (r *streamRig) pour(t *testing.T) (sum int) {
	t.Helper()
	for {
		n, err := r.send(len(r.fill), syscall.MSG_DONTWAIT)
		if err == syscall.EAGAIN {
			return sum
		}
		if err != nil || n == 0 {
			t.Fatal(n, err)
		}
		sum += n
	}
}

func TestSendLingersForRoomThatComesSoon(t *testing.T) {
	r := newStreamRig(t)
	for name, c := range map[string]struct {
		n     int
		tells bool
	}{
		"takes all of it":    {len(r.fill), false},
		"leaves some of it":  {100, true},
		"leaves, asks again": {200, true},
	} {
		found := false
		for range lingerTries {
			r.pour(t)
			r.told(t)
			kernel.SendLuck(r.id)
			inTrap(func() { taker.Start(300_000) })
			n, err := r.send(c.n, 0)
			if err == syscall.EAGAIN {
				time.Sleep(time.Millisecond) // another thread had work; the timer takes
				continue
			}
			if err != nil || n != min(c.n, r.size/2) {
				t.Fatalf("%s: %d bytes, %v", name, n, err)
			}
			if kernel.SendLuck(r.id) != kernel.LuckMax {
				continue
			}
			if told := r.told(t); told != c.tells {
				t.Errorf("%s: the epoll was told: %v", name, told)
			}
			found = true
			break
		}
		if !found {
			t.Errorf("%s: no send waited for its room", name)
		}
	}
}

// As on Linux (SOCK_NOSPACE) an epoll is told of room only once somebody found none:
// a writer that never does is not what the runtime's poller is to be woken for.
func TestRoomIsToldToThoseWhoFoundNone(t *testing.T) {
	r := newStreamRig(t)
	kernel.SocketSent(r.id, r.size)
	if !r.told(t) {
		t.Error("room came after a send had failed, and the epoll was not told")
	}
	for range 3 {
		if n, err := r.send(1000, syscall.MSG_DONTWAIT); n != 1000 || err != nil {
			t.Fatal(n, err)
		}
		kernel.SocketSent(r.id, 1000)
		if r.told(t) {
			t.Error("the epoll was told of room that nobody had missed")
		}
	}
	if n, err := r.send(len(r.fill), syscall.MSG_DONTWAIT); n != r.size || err != nil {
		t.Fatal(n, err)
	}
	kernel.SocketSent(r.id, r.size)
	if !r.told(t) {
		t.Error("a send took less than it was to, and the epoll was not told of room")
	}
}

//go:build arm && (mx6ulevk || sabrelite)

package sockets_test

import (
	"io"
	"net"
	"runtime"
	"runtime/debug"
	"sync"
	"testing"
	"time"

	"github.com/gasp-go/gasp/board/kernel"
)

// inUse is what a socket takes while it is there.
type inUse struct {
	sockets    uint64
	goroutines int
	objects    uint64 // on the heap
	bytes      uint64 // of page frames
}

func usage() inUse {
	debug.FreeOSMemory() // collects garbage first
	debug.FreeOSMemory() // and what finalizers and pools held
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return inUse{kernel.SocketStat().InUse, runtime.NumGoroutine(), m.HeapObjects, kernel.MemoryStat().Used}
}

// leavesNothing calls fn(n) for some sockets, and then for many, which must not
// have left more behind than those did: far from one object for each, for what is
// kept to be used again comes and goes.
func leavesNothing(t *testing.T, many int, fn func(n int)) {
	t.Helper()
	fn(many / 20)
	settled(t, 1)
	before := usage()
	fn(many)
	settled(t, before.sockets)
	var after inUse
	for range 100 { // the last goroutines may still be ending
		after = usage()
		if after.goroutines <= before.goroutines {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Logf("before %+v, after %d sockets %+v", before, many, after)
	few := uint64(many/10 + 500)
	if after.sockets > before.sockets || after.goroutines > before.goroutines+2 ||
		after.objects > before.objects+few || after.bytes > before.bytes+1<<20 {
		t.Errorf("before %+v, after %d sockets %+v", before, many, after)
	}
}

func TestThousandsOfConnectionsLeaveNothingBehind(t *testing.T) {
	addr := serveTCP(t, "127.0.0.1", echo)
	opened := kernel.SocketStat().Opened
	const workers, all = 8, connections
	leavesNothing(t, all, func(n int) {
		var wg sync.WaitGroup
		for range workers {
			wg.Go(func() {
				buf := make([]byte, 4)
				for range n / workers {
					c, err := net.Dial("tcp", addr)
					if err != nil {
						t.Error(err)
						return
					}
					c.Write([]byte("ping"))
					if _, err := io.ReadFull(c, buf); err != nil {
						t.Error(err)
					}
					c.(*net.TCPConn).SetLinger(0) // no TIME_WAIT: ports are few
					c.Close()
				}
			})
		}
		wg.Wait()
	})
	if n := kernel.SocketStat().Opened - opened; n < 2*all {
		t.Errorf("only %d sockets were opened", n)
	}
}

func TestThousandsOfDatagramSocketsLeaveNothingBehind(t *testing.T) {
	s, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	buf := make([]byte, 10)
	leavesNothing(t, 2000, func(n int) {
		for range n {
			c, err := net.Dial("udp4", s.LocalAddr().String())
			if err != nil {
				t.Fatal(err)
			}
			c.Write([]byte("ping"))
			s.SetReadDeadline(time.Now().Add(time.Minute))
			if m, _, err := s.ReadFrom(buf); err != nil || m != 4 {
				t.Fatal(m, err)
			}
			c.Close()
		}
	})
}

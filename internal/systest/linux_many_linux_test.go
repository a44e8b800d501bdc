package systest

import (
	"fmt"
	"io"
	"regexp"
	"strconv"
	"sync"
	"testing"
)

// footprint is what the firmware has in use, by its own account.
type footprint struct{ sockets, memory, goroutines, objects int }

var (
	objectsLine    = regexp.MustCompile(`# HeapObjects = (\d+)`)
	goroutinesLine = regexp.MustCompile(`goroutine profile: total (\d+)`)
)

func takeFootprint(t *testing.T, to way) (f footprint) {
	t.Helper()
	for range 2 { // the second collects what pools gave up in the first
		f.objects = numberIn(t, objectsLine, get(t, to, "/debug/pprof/heap?gc=1&debug=1"))
	}
	f.goroutines = numberIn(t, goroutinesLine, get(t, to, "/debug/pprof/goroutine?debug=1"))
	s := getStats(t, to)
	f.sockets, f.memory = int(s.Sockets.InUse), int(s.Memory.Used)
	return f
}

func numberIn(t *testing.T, line *regexp.Regexp, text string) int {
	t.Helper()
	m := line.FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("no %v in %.200q", line, text)
	}
	n, _ := strconv.Atoi(m[1])
	return n
}

func TestThousandsOfConnectionsFromLinuxLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	n := newNamespace(t)
	g := n.boot(staticIP)
	to := n.way()
	connections := func(many int) {
		const workers = 8
		var all sync.WaitGroup
		for range workers {
			all.Go(func() {
				buf := make([]byte, 100)
				for range many / workers {
					c, err := to("tcp", portEcho)
					if err != nil {
						t.Error(err)
						return
					}
					// The guest closes last, so that it keeps nothing for TIME_WAIT.
					c.Write(buf)
					if _, err := io.ReadFull(c, buf); err != nil {
						t.Error(err)
					}
					c.Close()
				}
			})
		}
		all.Wait()
	}
	connections(200)
	before := takeFootprint(t, to)
	opened := getStats(t, to).Sockets.Opened
	const many = 2000
	connections(many)
	if n := getStats(t, to).Sockets.Opened - opened; n < many {
		t.Errorf("%d sockets were opened", n)
	}
	g.retry("all is given back", func() error {
		after := takeFootprint(t, to)
		if after.sockets > before.sockets+1 || after.goroutines > before.goroutines+2 ||
			after.objects > before.objects+many || after.memory > before.memory+2<<20 {
			return fmt.Errorf("before %+v, after %d connections %+v", before, many, after)
		}
		t.Logf("before %+v, after %d connections %+v", before, many, after)
		return nil
	})
	g.unharmed()
}

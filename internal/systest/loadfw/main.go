//go:build arm

// Command loadfw is the firmware of the overload and soak tests: goroutines that
// compute, a UDP port whose datagrams are counted and one that echoes, a web page,
// and on the console every 100 ms a line with what has been done so far, or, with
// gasp.stats=1, twice a second all counters: what is read over the network changes
// them. With gasp.netpoll=1 it sends by netpoll all the time. With gasp.chatter=n it
// prints none of that, but n lines once the link is down.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gasp-go/gasp"
	_ "github.com/gasp-go/gasp/boards/mx6ulevk"
)

// creditEvery is after how many datagrams to the counting port it sends one back.
const creditEvery = 32

var spins, sunk, echoed atomic.Uint64

func main() {
	sys := gasp.Start()
	serve(":9", func(c net.PacketConn, from net.Addr, p []byte) {
		if n := sunk.Add(1); n%creditEvery == 0 {
			c.WriteTo(p[:1], from)
		}
	})
	serve(":7", func(c net.PacketConn, from net.Addr, p []byte) {
		if _, err := c.WriteTo(p, from); err == nil {
			echoed.Add(1)
		}
	})
	n, _ := strconv.Atoi(sys.Args.Gasp["spin"])
	for range n {
		go spin()
	}
	go page()
	if sys.Args.Gasp["netpoll"] == "1" {
		streams(sys)
	}
	if n, _ := strconv.Atoi(sys.Args.Gasp["chatter"]); n > 0 {
		chatter(sys, n)
	}
	if sys.Args.Gasp["stats"] == "1" {
		for n := range time.Tick(500 * time.Millisecond) {
			reportAll(sys, n.UnixNano())
		}
	}
	reportProgress(sys)
}

func serve(addr string, each func(c net.PacketConn, from net.Addr, p []byte)) {
	c, err := net.ListenPacket("udp", addr)
	if err != nil {
		slog.Error("load", "err", err)
		return
	}
	go func() {
		buf := make([]byte, 2048)
		for {
			n, from, err := c.ReadFrom(buf)
			if err != nil {
				slog.Error("load", "err", err)
				return
			}
			each(c, from, buf[:n])
		}
	}()
}

// chatter waits for the link, and for its loss, and logs n lines.
func chatter(sys *gasp.System, n int) {
	mac := sys.Interfaces[0].MAC
	for _, up := range []bool{true, false} {
		for mac.Link().Up != up {
			time.Sleep(10 * time.Millisecond)
		}
	}
	time.Sleep(100 * time.Millisecond) // so that what is said of the link is not in between
	for i := range n {
		slog.Info(fmt.Sprintf("chatter %d of %d: nobody hears what is said while the link is down", i+1, n))
	}
	select {}
}

var sink atomic.Uint32

// spin computes for ever.
func spin() {
	x := uint32(1)
	for {
		for range 1000 {
			x = x*1664525 + 1013904223
		}
		sink.Store(x)
		spins.Add(1)
	}
}

// page serves 20 KB over HTTP.
func page() {
	text := strings.Repeat("All work and no play makes Jack a dull boy.\n", 465)
	err := http.ListenAndServe(":80", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(text)))
		io.WriteString(w, text)
	}))
	slog.Error("load", "err", err)
}

// reportAll prints all counters in pieces that fit a record; the last has a 1.
func reportAll(sys *gasp.System, id int64) {
	b, _ := json.Marshal(sys.Stats())
	for last := 0; last == 0; {
		n := min(len(b), 1000)
		if n == len(b) {
			last = 1
		}
		slog.Info(fmt.Sprintf("stats: %d %d %s", id, last, b[:n]))
		b = b[n:]
	}
}

package systest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"
)

var tcpPorts atomic.Uint32

// fetch makes one HTTP request by a TCP made of frames: one segment each way
// at a time, what is lost is sent again, what comes out of order is dropped.
func (w *wire) fetch(method, path string) (string, error) { return w.request(method, path, "") }

// request does the same with a body. Each status of success will do.
func (w *wire) request(method, path, content string) (string, error) {
	req := fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: guest\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", method, path, len(content), content)
	var resp *http.Response
	var body []byte
	whole := func(answer []byte) (err error) {
		if resp, err = http.ReadResponse(bufio.NewReader(bytes.NewReader(answer)), nil); err == nil {
			body, err = io.ReadAll(resp.Body)
		}
		return err
	}
	answer, err := w.talk(portHTTP, req, func(answer []byte) bool { return whole(answer) == nil && resp.ContentLength >= 0 })
	if err != nil {
		return "", err
	}
	if err := whole(answer); err != nil {
		return "", fmt.Errorf("%w in %q", err, answer)
	}
	if resp.StatusCode/100 != 2 {
		return "", fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, body)
	}
	return string(body), nil
}

// talk opens a TCP connection to a port of the guest, sends req and returns
// what comes back until the guest closes the connection, or until enough says
// so: who is about to die may not get to close it.
func (w *wire) talk(port int, req []byte, enough func([]byte) bool) ([]byte, error) {
	us := netip.AddrPortFrom(peerIP, uint16(30000+tcpPorts.Add(1)))
	it := netip.AddrPortFrom(guestIP, uint16(port))
	from := w.mark()
	mine := func(p packet) bool { return p.proto == protoTCP && p.from == it && p.to == us }
	const iss = 1000
	// If the answer is lost, what comes upon the second SYN is an ACK alone, and
	// then the answer again.
	syn := w.ask(w.to4(tcp(us, it, iss, 0, tcpSYN, nil)), from, "an answer to SYN",
		func(p packet) bool { return mine(p) && p.flags&(tcpSYN|tcpRST) != 0 })
	if syn.flags != tcpSYN|tcpACK || syn.ack != iss+1 {
		return nil, fmt.Errorf("SYN was answered by %v", syn)
	}
	next, done := syn.seq+1, uint32(iss+1+len(req))
	var answer []byte
	segment := w.to4(tcp(us, it, iss+1, next, tcpACK|tcpPSH, req))
	w.send(segment)
	end, again := time.After(patience), time.NewTicker(time.Second)
	defer again.Stop()
	for acked := false; ; {
		w.mu.Lock()
		got, changed := w.got[from:len(w.got):len(w.got)], w.changed
		w.mu.Unlock()
		for _, p := range got {
			from++
			if !mine(p) {
				continue
			}
			if p.flags&tcpRST != 0 {
				return answer, errors.New("connection reset by the guest")
			}
			acked = acked || p.ack == done
			if len(p.data) > 0 || p.flags&(tcpFIN|tcpSYN) != 0 {
				if p.seq == next && p.flags&tcpSYN == 0 {
					answer = append(answer, p.data...)
					next += uint32(len(p.data))
					if p.flags&tcpFIN != 0 {
						next++
					}
					if p.flags&tcpFIN != 0 || enough(answer) {
						w.send(w.to4(tcp(us, it, done, next, tcpACK|tcpFIN, nil)))
						return answer, nil
					}
				}
				w.send(w.to4(tcp(us, it, done, next, tcpACK, nil)))
			}
		}
		select {
		case <-changed:
		case <-again.C:
			if !acked {
				w.send(segment)
			}
		case <-end:
			return answer, fmt.Errorf("no end of the answer after %d bytes", len(answer))
		}
	}
}

// stats fetches the counters over the wire.
func (w *wire) stats() stats {
	w.t.Helper()
	body, err := w.fetch(http.MethodGet, "/stats.json")
	if err != nil {
		w.t.Fatal(err)
	}
	return parseStats(w.t, body)
}

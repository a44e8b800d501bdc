package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gasp-go/gasp/internal/ncrx"
	"github.com/gasp-go/gasp/stack/pcap"
)

// captured is what else there was in a capture.
type captured struct {
	others  map[uint16]bool   // ports that other datagrams went to
	skipped map[uint16]uint64 // frames that are not Ethernet, by link type
}

// readCapture hands on the records that a capture, pcap or pcapng, holds for a
// port, as listening there would have.
func readCapture(ctx context.Context, in io.Reader, port uint16, recv *ncrx.Receiver, deliver func(*ncrx.Record)) (captured, error) {
	had := captured{others: map[uint16]bool{}}
	b := bufio.NewReaderSize(in, 64<<10)
	var next func() (time.Time, int, []byte, error)
	if magic, _ := b.Peek(4); pcap.IsNg(magic) {
		r, err := pcap.NewNgReader(b)
		if err != nil {
			return had, err
		}
		next, had.skipped = r.Next, r.Skipped()
	} else {
		r, err := pcap.NewReader(b)
		if err != nil {
			return had, err
		}
		next = r.Next
	}
	each := func(rs []ncrx.Record) {
		for i := range rs {
			deliver(&rs[i])
		}
	}
	var err error
	frames, cut := 0, 0
	var at time.Time
	for ctx.Err() == nil {
		var t time.Time
		var frame []byte
		var length int
		if t, length, frame, err = next(); err != nil {
			break
		}
		if !t.IsZero() {
			at = t // a simple packet of pcapng has none: it came after the one before
		}
		frames++
		d, ok := ncrx.UDP(frame)
		switch {
		case ok && d.To.Port() == port:
			each(recv.Datagram(d.From, d.Payload, at))
		case ok:
			had.others[d.To.Port()] = true
		case length > len(frame):
			cut++
		}
	}
	each(recv.Flush(at))
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return had, err
	case frames == 0 && len(had.skipped) > 0:
		return had, errors.New("no frame of Ethernet")
	case cut > 0:
		return had, fmt.Errorf("%d frames are cut, and may have been netconsole's: capture with a larger snaplen", cut)
	}
	return had, nil
}

func portList(ports map[uint16]bool) string {
	return firstTen(ports, " ", func(port uint16, _ bool) string { return fmt.Sprint(port) })
}

// frameList says how many frames there are of each link type.
func frameList(links map[uint16]uint64) string {
	return firstTen(links, ", ", func(link uint16, n uint64) string { return fmt.Sprintf("%d of link type %d", n, link) })
}

// firstTen says what there is in m, in order, as far as it is not too much.
func firstTen[V any](m map[uint16]V, sep string, say func(uint16, V) string) string {
	var list []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if len(list) == 10 {
			list = append(list, "...")
			break
		}
		list = append(list, say(k, m[k]))
	}
	return strings.Join(list, sep)
}

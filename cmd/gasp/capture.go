package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gasp-go/gasp/internal/ncrx"
	"github.com/gasp-go/gasp/stack/pcap"
)

// pcapng is how a file of the newer format begins, in either byte order.
var pcapng = []byte{0x0a, 0x0d, 0x0d, 0x0a}

// readCapture hands on the records that a capture holds for a port, as
// listening there would have, and returns the other ports that datagrams went
// to.
func readCapture(ctx context.Context, in io.Reader, port uint16, recv *ncrx.Receiver, deliver func(*ncrx.Record)) (others map[uint16]bool, err error) {
	b := bufio.NewReaderSize(in, 64<<10)
	if magic, _ := b.Peek(len(pcapng)); bytes.Equal(magic, pcapng) {
		return nil, errors.New("a pcapng file; tcpdump -r FILE -w NEW, or editcap -F pcap, makes a pcap file of it")
	}
	r, err := pcap.NewReader(b)
	if err != nil {
		return nil, err
	}
	each := func(rs []ncrx.Record) {
		for i := range rs {
			deliver(&rs[i])
		}
	}
	others = map[uint16]bool{}
	cut := 0
	var at time.Time
	for ctx.Err() == nil {
		var frame []byte
		var length int
		if at, length, frame, err = r.Next(); err != nil {
			break
		}
		d, ok := ncrx.UDP(frame)
		switch {
		case ok && d.To.Port() == port:
			each(recv.Datagram(d.From, d.Payload, at))
		case ok:
			others[d.To.Port()] = true
		case length > len(frame):
			cut++
		}
	}
	each(recv.Flush(at))
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return others, err
	case cut > 0:
		return others, fmt.Errorf("%d frames are cut, and may have been netconsole's: capture with a larger snaplen", cut)
	}
	return others, nil
}

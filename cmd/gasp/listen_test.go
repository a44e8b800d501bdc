package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gasp-go/gasp/internal/ncrx"
)

// startListening receives on loopback. stop ends it and returns the records.
func startListening(t *testing.T) (to *net.UDPConn, stop func() []ncrx.Record) {
	t.Helper()
	n, err := listenNetconsole(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	to, err = net.DialUDP("udp", nil, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(n.port())})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { to.Close() })
	ctx, cancel := context.WithCancel(context.Background())
	var records []ncrx.Record
	var done sync.WaitGroup
	done.Go(func() {
		if err := n.serve(ctx, func(r *ncrx.Record) { records = append(records, *r) }); err != nil {
			t.Error(err)
		}
	})
	return to, func() []ncrx.Record {
		cancel()
		done.Wait()
		return records
	}
}

func TestWhatArrivedBeforeTheEndIsDelivered(t *testing.T) {
	to, stop := startListening(t)
	const n = 500
	for i := range n {
		fmt.Fprintf(to, "6,%d,%d,-;record %d\n", i, i, i)
	}
	fmt.Fprintf(to, "6,%d,9,-,ncfrag=0/10;begin", n)
	got := stop()
	if len(got) != n+1 || got[n-1].Text != "record 499" || got[n].Missing != 5 {
		t.Errorf("%d records, the last %+v", len(got), got[len(got)-1])
	}
}

func TestAnIncompleteRecordIsDeliveredWhileNothingElseComes(t *testing.T) {
	n, err := listenNetconsole(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	to, err := net.Dial("udp", n.conn.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	fmt.Fprint(to, strings.Repeat("x", 1000)) // a line whose end does not come
	ctx, cancel := context.WithCancel(bound(t))
	err = n.serve(ctx, func(r *ncrx.Record) { cancel() })
	if err != nil || ctx.Err() != context.Canceled {
		t.Errorf("%v, %v", err, ctx.Err())
	}
}

func TestRecordsArePrintedForPeopleAndAsJSON(t *testing.T) {
	r := &ncrx.Record{
		From: netip.MustParseAddrPort("10.0.0.1:6665"), Time: time.Unix(0, 0).UTC(), Extended: true, Level: 3, Facility: 1,
		Seq: 8, HasTime: true, Usec: 1500000, Text: "two\nlines\x1b", Gap: 1, Dict: []ncrx.KV{{Key: "K", Value: "v"}},
	}
	var out, errs lockedBuffer
	c := &call{tool: &tool{&out, &errs}}
	c.printRecord(r)
	const head = "00:00:00.000 10.0.0.1:6665 "
	want := head + "-- record 7 has not come: lost, or not meant for netconsole --\n" +
		head + "err    [    1.500000] two\n" + head + `err    [    1.500000] lines\x1b` + "\n" +
		head + "err                   K=v\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}

	out = lockedBuffer{}
	c.printJSON(r)
	var got map[string]any
	if err := json.Unmarshal([]byte(out.String()), &got); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]any{"text": "two\nlines\x1b", "from": "10.0.0.1:6665", "seq": 8.0, "usec": 1.5e6, "gap": 1.0, "level": 3.0} {
		if got[key] != want {
			t.Errorf("%s is %v, want %v", key, got[key], want)
		}
	}
	if strings.Count(out.String(), "\n") != 1 {
		t.Errorf("not one line: %q", out.String())
	}
}

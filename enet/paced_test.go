package enet

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/gasp-go/gasp/console"
	"github.com/gasp-go/gasp/console/netconsole"
	"github.com/gasp-go/gasp/internal/macmodel"
	"github.com/gasp-go/gasp/internal/ncrx"
	"github.com/gasp-go/gasp/stack/netpoll"
)

// pacedReport is a log of a megabyte on its way over a wire that is slower than the
// CPU, which QEMU's is not.
type pacedReport struct {
	*bench
	ep      *netpoll.Endpoint
	target  *netconsole.Target
	records int
	bytes   int
	refused int
}

func newPacedReport(t *testing.T, byteTime int64) *pacedReport {
	r := &pacedReport{bench: openBench(t, rings(8, 16))}
	r.model.SetFaults(func(f *macmodel.Faults) { f.ByteTime = byteTime })
	r.ep = netpoll.New(r.mac.dev, r.model.Now)
	r.ep.SetLocal(netip.MustParseAddr("10.0.0.1"))
	cfg, err := netconsole.Parse("+@/,6666@10.0.0.2/02:00:00:00:00:02")
	if err != nil {
		t.Fatal(err)
	}
	if r.target, err = netconsole.New(cfg, r.ep, netconsole.Options{}); err != nil {
		t.Fatal(err)
	}
	return r
}

// text is what record i says: three lines in four as a traceback has them, and one of
// two fragments.
func (r *pacedReport) text(i int) []byte {
	n := 40 + i%100
	if i%4 == 0 {
		n = 1200 + i%800
	}
	return fmt.Appendf(nil, "%d %s", i, bytes.Repeat([]byte{byte('a' + i%26)}, n))
}

// say writes records until n bytes of text are out, and calls each before every one.
// A record that is refused is offered again, as the log does.
func (r *pacedReport) say(n int, each func(r *pacedReport, i int)) {
	r.t.Helper()
	var rec console.Record
	for r.bytes < n {
		if each != nil {
			each(r, r.records)
		}
		text := r.text(r.records)
		rec.Seq, rec.Time, rec.Level, rec.N = uint64(r.records), int64(r.records)*1000, console.Warning, len(text)
		copy(rec.Text[:], text)
		for done := false; !done; {
			inTrap(func() { done = r.target.Write(&rec) })
			if !done {
				if r.refused++; r.refused > 10_000 {
					r.t.Fatalf("record %d is refused for ever: %+v", r.records, r.ep.Stats())
				}
				r.model.Advance(1_000_000)
			}
		}
		r.records++
		r.bytes += len(text)
	}
}

// heard fails the test if the wire did not have every record, whole, in order, and
// returns how many datagrams came again.
func (r *pacedReport) heard() (again uint64) {
	r.t.Helper()
	rx, next := ncrx.NewReceiver(), 0
	take := func(recs []ncrx.Record) {
		for _, rec := range recs {
			if rec.Seq != uint64(next) || rec.Text != string(r.text(next)) || rec.Gap != 0 || rec.Late || rec.Missing != 0 {
				r.t.Fatalf("record %d came as %d of %d bytes, gap %d, %d bytes missing", next, rec.Seq, len(rec.Text), rec.Gap, rec.Missing)
			}
			next++
		}
	}
	for _, f := range r.model.Sent() {
		if d, ok := ncrx.UDP(f); ok && d.To.Port() == 6666 {
			take(rx.Datagram(d.From, d.Payload, time.Unix(0, 0)))
		}
	}
	take(rx.Flush(time.Unix(0, 0)))
	if next != r.records {
		r.t.Errorf("%d of %d records", next, r.records)
	}
	return rx.Stats().Duplicates
}

func TestAReportOfAMegabyteLosesNoLineOnAWireThatIsSlow(t *testing.T) {
	const total = 1 << 20
	for _, c := range []struct {
		name     string
		byteTime int64
		each     func(r *pacedReport, i int)
		retries  bool
	}{
		{"100 Mb/s", 80, nil, false},
		{"10 Mb/s", 800, nil, false},
		{"100 Mb/s, paused for 40 ms", 80, func(r *pacedReport, i int) {
			if i%1000 == 500 {
				r.model.Pause(40_000_000)
			}
		}, false},
		{"100 Mb/s, paused for a second", 80, func(r *pacedReport, i int) {
			if i == 500 {
				r.model.Pause(1_000_000_000)
			}
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newPacedReport(t, c.byteTime)
			// The death finds the ring full of the stack's frames.
			for i := range 16 {
				r.xmit(frame(otherMAC, 1514, i))
			}
			start := r.model.Now()
			inTrap(r.ep.Panic)
			r.say(total, c.each)
			took := r.model.Now() - start
			if wire := int64(total) * c.byteTime; took < wire {
				t.Errorf("%d bytes took %d ns, less than the wire", total, took)
			}
			if r.refused > 0 && !c.retries {
				t.Errorf("refused %d times: %+v", r.refused, r.ep.Stats())
			}
			// A frame that was given up still waits in the ring when its line is offered
			// again: so it may come as often as there is room for.
			again := r.heard()
			if again > 0 && !c.retries || again > privateTx {
				t.Errorf("%d datagrams came again", again)
			}
			t.Logf("%d records, %d bytes: %d ms, %d %% of what their bytes take; %d refusals, %d duplicates", r.records, r.bytes,
				took/1e6, 100*took/(int64(r.bytes)*c.byteTime), r.refused, again)
		})
	}
}

// Live, nobody waits: what finds the ring full is refused, and the log offers it again.
func TestALiveLogLosesNoLineOnAWireThatIsSlow(t *testing.T) {
	r := newPacedReport(t, 80)
	r.say(1<<20, nil)
	if r.refused == 0 {
		t.Error("the ring was never full")
	}
	for range 16 {
		r.model.Advance(1_000_000)
	}
	if again := r.heard(); again > 0 {
		t.Errorf("%d datagrams came again", again)
	}
}

// A wire that has stopped for good holds up a report for a bounded time.
func TestAWireThatStopsForGoodHoldsUpAReportForABoundedTime(t *testing.T) {
	r := newPacedReport(t, 80)
	inTrap(r.ep.Panic)
	r.say(10_000, nil)
	r.model.Pause(1 << 60)
	var rec console.Record
	rec.Seq, rec.N = uint64(r.records), 100
	start := r.model.Now()
	for range 100 {
		var done bool
		inTrap(func() { done = r.target.Write(&rec) })
		if done {
			t.Fatal("sent")
		}
	}
	if took := r.model.Now() - start; took > 2_000_000_000 {
		t.Errorf("100 attempts took %d ns", took)
	}
	r.heard()
}

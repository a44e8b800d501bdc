package netconsole

import (
	"bytes"
	"fmt"
	"math/rand"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/gasp-go/gasp/internal/ncrx"
)

// badNetwork is a target that answers, a receiver that asks, and a network that
// loses a fifth of what it carries, in both directions.
type badNetwork struct {
	t   *testing.T
	rnd *rand.Rand
	a   *answering
	rx  *ncrx.Receiver
	got []ncrx.Record
}

func (n *badNetwork) lost() bool { return n.rnd.Intn(5) == 0 }

// pass has time pass in steps of 50 ms.
func (n *badNetwork) pass(d time.Duration) {
	device := netip.MustParseAddrPort("10.0.0.2:6665")
	receiver := peerOf(n.a.Target)
	for end := n.a.clock + int64(d); n.a.clock < end; {
		for range 50 {
			n.a.Work()
			n.a.clock += 1e6
		}
		now := time.Unix(0, n.a.clock)
		for _, p := range n.a.link.sent {
			if !n.lost() {
				n.got = append(n.got, n.rx.Datagram(device, bytes.Clone(p), now)...)
			}
		}
		n.a.link.sent = nil
		n.got = append(n.got, n.rx.Tick(now)...)
		for _, r := range n.rx.Responses() {
			if r.To != device {
				n.t.Fatal(r.To)
			}
			if !n.lost() {
				n.a.Datagram(&receiver, r.Data)
			}
		}
	}
}

// Every record, from before the receiver began to the last, comes once, in
// order, and signed if there is a key.
func TestEveryRecordArrivesOverABadNetwork(t *testing.T) {
	seeds := int64(10)
	if runtime.GOARCH == "arm" {
		seeds = 1 // the target is a hundred times slower
	}
	for seed := range seeds {
		for _, key := range [][]byte{nil, testKey} {
			n := &badNetwork{t: t, rnd: rand.New(rand.NewSource(seed)), a: newAnswering(t, Options{Key: key}),
				rx: ncrx.New(ncrx.Options{Ack: true, Resend: 1000, Key: key, Strict: key != nil})}
			n.a.log(300)
			n.a.link.sent = nil // nobody listened
			for range 20 {
				n.a.log(50)
				n.pass(100 * time.Millisecond)
			}
			n.pass(90 * time.Second)
			s := n.rx.Stats()
			for i, r := range n.got {
				if r.Seq != uint64(i) || r.Text != fmt.Sprint("record ", i) || r.Gap != 0 || r.Late || r.Repeated || r.Restarted ||
					(r.Auth == ncrx.Authentic) != (key != nil) {
					t.Fatalf("seed %d: record %d is %+v; %+v", seed, i, r, s)
				}
			}
			if len(n.got) != 1300 || s.Recovered == 0 {
				t.Errorf("seed %d, key %t: %d records, %+v, %+v", seed, key != nil, len(n.got), s, n.a.Stats())
			}
		}
	}
}

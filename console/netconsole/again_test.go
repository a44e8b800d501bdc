package netconsole

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/gasp-go/gasp/console"
	"github.com/gasp-go/gasp/stack/netpoll"
)

// peerOf is the target as the sender of a datagram.
func peerOf(t *Target) netpoll.Peer {
	p := netpoll.Peer{Port: t.cfg.RemotePort, V6: t.cfg.RemoteIP.Is6(), VLAN: t.cfg.VLAN}
	copy(p.IP[:], t.cfg.RemoteIP.AsSlice())
	return p
}

// answering is a target whose log has the records first to next-1.
type answering struct {
	*Target
	link        fakeLink
	first, next uint64
	clock       int64
}

func newAnswering(t *testing.T, o Options) *answering {
	a := &answering{clock: 1e9}
	o.Again, o.Now = true, func() int64 { return a.clock }
	o.Read = func(seq uint64, r *console.Record) bool {
		if seq = max(seq, a.first); seq >= a.next {
			return false
		}
		*r = *textRecord(seq, fmt.Sprint("record ", seq))
		return true
	}
	a.Target = newTest(t, "+@/,@10.0.0.1/", o, &a.link)
	return a
}

// log has n records logged and sent.
func (a *answering) log(n int) {
	for range n {
		a.Write(textRecord(a.next, fmt.Sprint("record ", a.next)))
		a.next++
	}
}

// again has the time go on until nothing more comes, and returns the numbers
// that came.
func (a *answering) again(q string) (seqs []uint64) {
	a.link.sent = nil
	peer := peerOf(a.Target)
	if q != "" {
		a.Datagram(&peer, []byte(q))
	}
	for range 1000 {
		a.clock += 1e6
		a.Work()
	}
	return seqsOf(a.link.sent)
}

func seqsOf(sent [][]byte) (seqs []uint64) {
	for _, p := range sent {
		var prio int
		var seq uint64
		fmt.Sscanf(string(p), "%d,%d,", &prio, &seq)
		seqs = append(seqs, seq)
	}
	return seqs
}

func TestWhatIsMissingIsSentAgain(t *testing.T) {
	a := newAnswering(t, Options{Key: testKey, Sysdata: Sysdata{MsgID: true}})
	a.log(10)
	first := slices.Clone(a.link.sent)
	for q, want := range map[string][]uint64{
		"ncrx9":                      nil,
		"ncrx9 3":                    {3},
		"ncrx9 7 3 3 0\n":            {7, 3, 0},
		"ncrx9 100":                  nil, // is still to come
		"ncrx-resend 7":              {7, 8, 9},
		"ncrx-resend 0":              {0, 1, 2, 3, 4, 5, 6, 7, 8, 9},
		"ncrx-resend 10":             nil,
		"ncrx9 5 x":                  nil, // says nothing
		"hello":                      nil,
		"ncrx":                       nil,
		"ncrx 9":                     nil,
		"ncrx9  3":                   nil,
		"ncrx-resend":                nil,
		"ncrx-resend 1 2":            nil,
		"ncrx-resend x":              nil,
		"ncrx9 3 ":                   nil,
		"ncrx99999999999999999999 3": nil,
	} {
		if got := a.again(q); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", q, got, want)
		}
		for _, p := range a.link.sent {
			if !slices.ContainsFunc(first, func(f []byte) bool { return string(f) == string(p) }) {
				t.Errorf("%q is not what was sent first", p)
			}
		}
	}
	if st := a.Stats(); st.Again != 4+13 || st.BadRequests != 10 || st.Requests != 7 {
		t.Errorf("%+v", st)
	}
}

func TestOnlyTheTargetIsAnswered(t *testing.T) {
	a := newAnswering(t, Options{})
	a.log(3)
	a.link.sent = nil
	for i, change := range []func(*netpoll.Peer){
		func(p *netpoll.Peer) { p.IP[3]++ }, func(p *netpoll.Peer) { p.Port++ },
		func(p *netpoll.Peer) { p.V6 = true }, func(p *netpoll.Peer) { p.VLAN = 5 },
	} {
		p := peerOf(a.Target)
		change(&p)
		if a.Datagram(&p, []byte("ncrx2 1")) {
			t.Errorf("%d: taken", i)
		}
	}
	a.clock += 1e9
	if a.Work(); len(a.link.sent) != 0 {
		t.Errorf("answered %q", a.link.sent)
	}
	plain := newTest(t, "+@/,@10.0.0.1/", Options{}, &fakeLink{})
	p := peerOf(plain)
	if plain.Datagram(&p, []byte("ncrx2 1")) {
		t.Error("a target that does not answer took a request")
	}
}

func TestRecordsThatAreGoneAreCounted(t *testing.T) {
	a := newAnswering(t, Options{})
	a.log(10)
	a.first = 5
	if got := a.again("ncrx9 2 6 4"); !slices.Equal(got, []uint64{6}) || a.Stats().Unanswered != 2 {
		t.Errorf("%v, %+v", got, a.Stats())
	}
	if got := a.again("ncrx-resend 1"); !slices.Equal(got, []uint64{5, 6, 7, 8, 9}) || a.Stats().Unanswered != 6 {
		t.Errorf("%v, %+v", got, a.Stats())
	}
	var q strings.Builder
	q.WriteString("ncrx9")
	for i := range 200 {
		fmt.Fprint(&q, " ", i)
	}
	a.log(200)
	if got := a.again(q.String()); len(got) != maxWanted-5 || a.Stats().Unanswered != 6+200-maxWanted+5 {
		t.Errorf("%d, %+v", len(got), a.Stats())
	}
}

func TestSendingAgainHasABoundedRateAndBatch(t *testing.T) {
	a := newAnswering(t, Options{})
	a.log(2000)
	peer := peerOf(a.Target)
	a.Datagram(&peer, []byte("ncrx-resend 0"))
	a.link.sent = nil
	if a.Work(); len(a.link.sent) != perWork {
		t.Errorf("%d at once", len(a.link.sent))
	}
	for range 100 {
		a.Work()
	}
	if len(a.link.sent) != againBurst {
		t.Errorf("%d at one time", len(a.link.sent))
	}
	for range 1000 {
		a.clock += 1e5
		a.Work()
	}
	if n := len(a.link.sent); n != againBurst+100 {
		t.Errorf("%d after a tenth of a second", n)
	}
}

func TestAFailedSendAgainIsTakenUp(t *testing.T) {
	a := newAnswering(t, Options{})
	a.log(5)
	n := 0
	a.link.fail = func() bool { n++; return n%3 != 0 }
	if got := a.again("ncrx4 1 2"); !slices.Equal(got, []uint64{1, 2}) {
		t.Errorf("%v", got)
	}
}

func TestWhatNobodyAcknowledgesIsSentAgainSometimes(t *testing.T) {
	a := newAnswering(t, Options{})
	a.log(5)
	a.clock += 100e9
	if a.Work(); len(a.link.sent) != 5 {
		t.Error("sent again to somebody who acknowledges nothing")
	}
	a.again("ncrx4")
	a.log(5)
	a.link.sent = nil
	a.clock += ackWait - 1e6
	if a.Work(); len(a.link.sent) != 0 {
		t.Error("sent again at once")
	}
	a.clock += 1e6
	a.Work()
	if got := seqsOf(a.link.sent); !slices.Equal(got, []uint64{5, 6, 7, 8, 9}) {
		t.Errorf("%v", got)
	}
	a.again("ncrx7")
	a.link.sent = nil
	for range 1000 {
		a.clock += 1e9
		a.Work()
	}
	if got := seqsOf(a.link.sent); len(got) != 2*ackTries || got[0] != 8 || got[1] != 9 {
		t.Errorf("%v", got)
	}
	// Not more than a window at a time, and not what is acknowledged.
	a.log(1000)
	a.link.sent = nil
	a.again("ncrx19")
	a.link.sent = nil
	for range 20 {
		a.clock += ackWait / 10
		a.Work()
	}
	if got := seqsOf(a.link.sent); len(got) < ackWindow || len(got) > 2*ackWindow || got[0] != 20 || slices.Max(got) != 19+ackWindow {
		t.Errorf("%d, %v", len(got), got)
	}
}

func TestARecordInWorkIsNotDisturbed(t *testing.T) {
	a := newAnswering(t, Options{})
	a.log(3)
	a.link.sent = nil
	n := 0
	a.link.fail = func() bool { n++; return n == 2 }
	long := textRecord(3, strings.Repeat("long ", 400))
	if a.Write(long) {
		t.Fatal("written")
	}
	a.next++
	peer := peerOf(a.Target)
	a.Datagram(&peer, []byte("ncrx2 1"))
	a.clock += 1e9
	a.Work()
	if !a.Write(long) {
		t.Fatal("not written")
	}
	var rest [][]byte
	for _, p := range a.link.sent {
		if !strings.Contains(string(p), "record 1") {
			rest = append(rest, p)
		}
	}
	if _, body := assemble(t, rest); body != strings.Repeat("long ", 400)+"\n" || len(a.link.sent) != len(rest)+1 {
		t.Errorf("%q", a.link.sent)
	}
}

func FuzzRequest(f *testing.F) {
	for _, s := range []string{"ncrx1 2 3", "ncrx-resend 5", "ncrx18446744073709551615 18446744073709551615", "ncrx5 "} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		q, ok := parseRequest(p)
		if !ok {
			return
		}
		s := strings.TrimRight(string(p), "\n\x00")
		want := fmt.Sprint("ncrx", q.seq)
		if q.all {
			want = fmt.Sprint("ncrx-resend ", q.seq)
		}
		for rest := q.rest; len(rest) > 0; {
			var seq uint64
			if seq, rest, ok = missing(rest); !ok {
				t.Fatal("accepted as a whole and not in parts")
			}
			want += fmt.Sprint(" ", seq)
		}
		// Only leading zeros may differ.
		if fields := strings.Fields(s); len(fields) != len(strings.Fields(want)) || len(s) < len(want) {
			t.Errorf("%q read as %q", s, want)
		}
	})
}

func TestAPeerOfTheOtherFamilyIsNotTheTarget(t *testing.T) {
	d, err := netpoll.NewDest(netip.MustParseAddrPort("[a00:1::]:6666"), 1, netpoll.Broadcast)
	if err != nil {
		t.Fatal(err)
	}
	p := netpoll.Peer{Port: 6666}
	copy(p.IP[:], []byte{10, 0, 0, 1})
	if d.From(&p) {
		t.Error("10.0.0.1 is a00:1::")
	}
}

package netdev

import (
	"strconv"
	"strings"
	"testing"
)

type printed struct{ strings.Builder }

func (p *printed) Str(s string) { p.WriteString(s) }
func (p *printed) Num(v uint64, base, width int, pad byte) {
	s := strconv.FormatUint(v, base)
	p.WriteString(strings.Repeat(string(pad), max(width-len(s), 0)) + s)
}

func TestSoftnetStatIsFormattedAsInLinux(t *testing.T) {
	s := NewSoftnet(func() {})
	d := newUp(t, s, "lo", func([]byte) {})
	useBacklog(t, d)
	s.budget.Store(1)
	s.weight.Store(4)
	if err := s.SetSysctl("netdev_max_backlog", "17"); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		d.NetifRx([]byte{1}, 0)
	}
	s.Poll()
	var p printed
	s.PrintStat(&p)
	want := "00000004 00000003 00000001 00000000 00000000 00000000 00000000 00000000 " +
		"00000000 00000000 00000000 0000000d 00000000 0000000d 00000000\n"
	if p.String() != want {
		t.Errorf("got  %q\nwant %q", p.String(), want)
	}
}

func TestAReportHasEveryNAPIInstance(t *testing.T) {
	s := NewSoftnet(func() {})
	d := newUp(t, s, "eth0", func([]byte) {})
	useBacklog(t, d)
	var lines []string
	for i := 0; ; i++ {
		var p printed
		if !s.PrintNAPI(i, &p) {
			break
		}
		lines = append(lines, p.String())
	}
	if len(lines) != int(s.n.Load()) {
		t.Errorf("%q", lines)
	}
	n := s.napi[0]
	n.state.Store(stateSched | stateNPSVC)
	n.scheduled.Add(1)
	n.missed.Store(2)
	n.work[0].Add(3)
	n.work[7].Add(4)
	n.processed.Add(300)
	var p printed
	s.PrintNAPI(0, &p)
	if want := n.name + ": SCHED NPSVC scheduled 1 missed 2 polls 7 processed 300 deferred 0"; p.String() != want {
		t.Errorf("got  %s\nwant %s", p.String(), want)
	}
	if s.PrintNAPI(-1, &p) {
		t.Error("there is a line before the first")
	}
}

func TestProcNetDevIsFormattedAsInLinux(t *testing.T) {
	d := New("eth0", [6]byte{}, 1500, nil, NewSoftnet(func() {}))
	c := d.Counters()
	for range 10 {
		c.RxBytes.Add(1234567890)
	}
	c.RxBytes.Add(1)
	c.RxPackets.Add(1 << 0)
	c.TxBytes.Add(1 << 10)
	c.TxPackets.Add(1 << 11)
	for i, v := range []interface{ Store(uint64) }{
		nil, &c.RxErrors, &c.RxDropped, &c.RxMissedErrors, &c.RxFIFOErrors,
		&c.RxLengthErrors, &c.RxOverErrors, &c.RxCRCErrors, &c.RxFrameErrors, &c.Multicast,
		nil, nil, &c.TxErrors, &c.TxDropped, &c.TxFIFOErrors, &c.Collisions,
		&c.TxCarrierErrors, &c.TxAbortedErrors, &c.TxWindowErrors, &c.TxHeartbeatErrors,
	} {
		if v != nil {
			v.Store(1 << i)
		}
	}
	var p printed
	PrintStatsHeader(&p)
	d.PrintStats(&p)
	// dropped 4+8, frame 32+64+128+256, carrier the last four.
	want := `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
  eth0: 12345678901       1    2   12   16   480          0       512     1024    2048 4096 8192 16384 32768  983040          0
`
	if p.String() != want {
		t.Errorf("got\n%swant\n%s", p.String(), want)
	}
}

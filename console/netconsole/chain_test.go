package netconsole

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/gasp-go/gasp/console"
	"github.com/gasp-go/gasp/stack/netdev"
	"github.com/gasp-go/gasp/stack/netpoll"
)

// nic is a driver whose ring holds four frames until somebody polls it.
type nic struct {
	frames [][]byte
	queued int
	onXmit func()
	dead   bool
}

func (n *nic) Open() error { return nil }
func (n *nic) Stop() error { return nil }
func (n *nic) StartXmit(parts [][]byte, _ netdev.TxFlags) netdev.TxStatus {
	if n.onXmit != nil {
		n.onXmit()
	}
	if n.dead || n.queued == 4 {
		return netdev.TxBusy
	}
	n.queued++
	n.frames = append(n.frames, bytes.Join(parts, nil))
	return netdev.TxOK
}
func (n *nic) PollController()                    { n.queued = 0 }
func (n *nic) PollRx(int, func(frame []byte)) int { return 0 }
func (n *nic) TxIdle() bool                       { return n.queued == 0 }
func (n *nic) Seize() error                       { return nil }

// lines returns the payloads sent since the last call.
func (n *nic) lines() string {
	var b strings.Builder
	for _, f := range n.frames {
		length := int(f[38])<<8 | int(f[39])
		b.Write(f[42 : 34+length])
	}
	n.frames = nil
	return b.String()
}

func TestTheLogReachesTheWireFromItsBeginningAndInOrder(t *testing.T) {
	hw := &nic{}
	dev := netdev.New("eth0", [6]byte{2, 0, 0, 0, 0, 1}, 1500, hw, nil)
	ep := netpoll.New(dev, nil)
	cfg, err := Parse("@/eth0,@10.0.0.9/")
	if err != nil {
		t.Fatal(err)
	}
	target, err := New(cfg, ep, Options{})
	if err != nil {
		t.Fatal(err)
	}
	say := func(format string, args ...any) { console.Log(console.Info, fmt.Appendf(nil, format, args...)) }

	say("before the console")
	reg, err := console.Register(target, console.Debug)
	if err != nil {
		t.Fatal(err)
	}
	defer reg.Unregister()
	say("device closed")
	if err := dev.Open(); err != nil {
		t.Fatal(err)
	}
	say("no link")
	dev.SetCarrier(true)
	say("no address")
	if got := hw.lines(); got != "" {
		t.Fatalf("sent %q", got)
	}
	ep.SetLocal(netip.MustParseAddr("10.0.0.1"))
	console.Flush()
	if got := hw.lines(); got != "before the console\ndevice closed\nno link\nno address\n" {
		t.Fatalf("%q", got)
	}

	// The driver logs while it sends.
	hw.onXmit = func() {
		hw.onXmit = nil
		console.Emit(console.Debug, console.FacKern, []byte("eth0: from the driver"), nil)
	}
	say("outer")
	if got := hw.lines(); got != "outer\neth0: from the driver\n" {
		t.Fatalf("%q", got)
	}

	// The ring is stuck for longer than the log lasts.
	hw.dead = true
	const n = 400
	text := strings.Repeat("x", 1000)
	for i := range n {
		say("%d %s", i, text)
	}
	hw.dead = false
	for range n {
		console.Flush()
	}
	got := strings.Split(strings.TrimSpace(hw.lines()), "\n")
	var lost, first int
	if _, err := fmt.Sscanf(got[0], "** %d printk messages dropped **", &lost); err != nil {
		t.Fatalf("%.60q: %v", got[0], err)
	}
	fmt.Sscan(got[1], &first)
	if lost == 0 || first != lost || len(got)-1+lost != n || reg.Stats().Lost != uint64(lost) {
		t.Errorf("%d lost, first %d, %d lines, %+v", lost, first, len(got), reg.Stats())
	}
	for i, l := range got[1:] {
		if !strings.HasPrefix(l, fmt.Sprintf("%d x", lost+i)) {
			t.Fatalf("line %d is %.20q", i, l)
		}
	}
}

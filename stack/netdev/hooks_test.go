package netdev

import (
	"slices"
	"testing"
)

// lossyWire passes every other frame on.
type lossyWire struct {
	dev    *Device
	rx, tx int
}

func (w *lossyWire) Receive(frame []byte, flags RxFlags) {
	if w.rx++; w.rx%2 == 0 {
		frame[0] = 9
		w.dev.Deliver(frame, flags)
	}
}

func (w *lossyWire) Xmit(parts [][]byte, flags TxFlags) TxStatus {
	if w.tx++; w.tx%2 == 0 {
		return w.dev.XmitTrap(parts, flags)
	}
	return TxOK
}

// recorder keeps the first byte of each frame.
type recorder struct{ rx, tx []byte }

func (r *recorder) Received(frame []byte)          { r.rx = append(r.rx, frame[0]) }
func (r *recorder) Sent(parts [][]byte, _ TxFlags) { r.tx = append(r.tx, parts[0][0]) }

func TestTapSitsBelowTheWireAndTheWireBelowTheStack(t *testing.T) {
	d, f := newFake()
	var stack []byte
	d.SetReceive(func(frame []byte, _ RxFlags) { stack = append(stack, frame[0]) })
	if err := d.Open(); err != nil {
		t.Fatal(err)
	}
	tap, wire := &recorder{}, &lossyWire{dev: d}
	pass := func(n byte) {
		d.Receive([]byte{n, 0, 0, 0, 0, 0}, 0)
		if st := d.Xmit([][]byte{{n}, {n}}, 0); st != TxOK {
			t.Errorf("frame %d: %v", n, st)
		}
	}
	pass(0)
	d.SetTap(tap)
	pass(1)
	d.SetWire(wire)
	pass(2)
	pass(3)
	inTrap(func() { d.XmitTrap([][]byte{{4}}, 0) }) // netpoll's
	f.status = TxBusy
	d.Xmit([][]byte{{5}}, 0)
	d.Xmit([][]byte{{6}}, 0)
	f.status = TxOK
	d.SetTap(nil)
	d.SetWire(nil)
	pass(7)
	if d.hooks.Load() != nil {
		t.Error("hooks are left")
	}
	if want := []byte{0, 1, 9, 7}; !slices.Equal(stack, want) {
		t.Errorf("the stack got %v, want %v", stack, want)
	}
	if want := []byte{1, 2, 3}; !slices.Equal(tap.rx, want) {
		t.Errorf("the tap saw %v received, want %v", tap.rx, want)
	}
	if want := []byte{1, 3, 4}; !slices.Equal(tap.tx, want) {
		t.Errorf("the tap saw %v sent, want %v", tap.tx, want)
	}
	got, want := d.Stats(), Stats{RxPackets: 4, RxBytes: 24, TxPackets: 5, TxBytes: 9, TxBusy: 1, CarrierChanges: 1, Multicast: 3}
	if got != want || f.frames != 5 {
		t.Errorf("%d frames sent\ngot  %+v\nwant %+v", f.frames, got, want)
	}
}

// countingHooks is tap and wire and costs nothing itself.
type countingHooks struct {
	dev *Device
	n   int
}

func (c *countingHooks) Received([]byte)                     { c.n++ }
func (c *countingHooks) Sent([][]byte, TxFlags)              { c.n++ }
func (c *countingHooks) Receive(frame []byte, flags RxFlags) { c.dev.Deliver(frame, flags) }
func (c *countingHooks) Xmit(parts [][]byte, flags TxFlags) (s TxStatus) {
	return c.dev.XmitTrap(parts, flags)
}

func TestHooksDoNotAllocatePerFrame(t *testing.T) {
	d, _ := newFake()
	d.SetReceive(func(_ []byte, _ RxFlags) {})
	if err := d.Open(); err != nil {
		t.Fatal(err)
	}
	c := &countingHooks{dev: d}
	d.SetTap(c)
	d.SetWire(c)
	act := XDPTx
	d.SetXDP(func([]byte) XDPAction { act = XDPTx - act; return act + XDPAborted })
	frame := make([]byte, 60)
	if n := testing.AllocsPerRun(100, func() {
		d.Receive(frame, 0)
		var gather [2][]byte
		gather[0], gather[1] = frame[:14], frame[14:]
		d.Xmit(gather[:], 0)
	}); n != 0 {
		t.Errorf("%v allocations a frame", n)
	}
	if c.n == 0 {
		t.Error("the tap saw nothing")
	}
}

package netdev

import (
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
)

// XDPAction is a program's verdict on a frame, with Linux's values.
type XDPAction uint32

const (
	XDPAborted  XDPAction = iota // the program failed: the frame is dropped
	XDPDrop                      // the frame is dropped
	XDPPass                      // the frame goes on, to netpoll's filter and the stack
	XDPTx                        // the frame, as it is now, goes back out of the device
	XDPRedirect                  // the program has taken the frame's contents; nobody else gets it
)

// XDPProgram looks at a received frame before anything else does and decides
// what becomes of it (Linux: an XDP program of a driver). The frame, Ethernet
// header first and FCS removed, is the program's until it returns: it may
// change the bytes, not the length, and keep nothing but copies. Checksums are
// its own business. It runs on the network thread, for one frame at a time, and
// everything received waits for it: it must not block.
type XDPProgram func(frame []byte) XDPAction

// XDPStats counts frames by verdict; the names are those that Linux's fec
// driver has for ethtool -S, and rx_xdp_aborted. The frames are in RxPackets
// too, and those sent back in TxPackets.
type XDPStats struct {
	Pass     uint64 `json:"rx_xdp_pass"`
	Drop     uint64 `json:"rx_xdp_drop"`
	Tx       uint64 `json:"rx_xdp_tx"`        // sent back
	TxErrors uint64 `json:"rx_xdp_tx_errors"` // to be sent back, but the ring was full or the device not up
	Redirect uint64 `json:"rx_xdp_redirect"`
	Aborted  uint64 `json:"rx_xdp_aborted"` // XDPAborted, an unknown verdict, or a panic
	Panics   uint64 `json:"rx_xdp_panics"`  // of the aborted
}

// xdpAttached is a program that was attached, xdpCounters the device's counters
// of all of them.
type xdpAttached struct {
	run    XDPProgram
	failed bool // a panic was logged; network thread
}

type xdpCounters struct {
	verdict          [XDPRedirect + 1]atomic.Uint64
	txErrors, panics atomic.Uint64
}

// SetXDP attaches a program, in place of another, or with nil detaches it. It
// may be called at any time; the frame under way may still meet the old program
// after it returns. Goroutine.
//
// In a panic no program is asked: netpoll then takes frames from the driver
// itself. Before, a program that drops ARP replies keeps them from netpoll too.
func (d *Device) SetXDP(p XDPProgram) {
	var x *xdpAttached
	if p != nil {
		x = &xdpAttached{run: p}
	}
	d.hook(func(h *hooks) { h.xdp = x })
}

// XDPStats returns a snapshot of the counters. Any context.
func (d *Device) XDPStats() XDPStats {
	c := &d.xdp
	return XDPStats{
		Pass:     c.verdict[XDPPass].Load(),
		Drop:     c.verdict[XDPDrop].Load(),
		Tx:       c.verdict[XDPTx].Load(),
		TxErrors: c.txErrors.Load(),
		Redirect: c.verdict[XDPRedirect].Load(),
		Aborted:  c.verdict[XDPAborted].Load(),
		Panics:   c.panics.Load(),
	}
}

// runXDP asks the program, does what it says, and reports whether the frame
// goes on. Network thread.
func (d *Device) runXDP(x *xdpAttached, frame []byte) (pass bool) {
	act := d.verdict(x, frame)
	if act > XDPRedirect {
		act = XDPAborted
	}
	if act == XDPTx {
		parts := [1][]byte{frame}
		if d.Xmit(parts[:], 0) != TxOK {
			d.xdp.txErrors.Add(1)
			return false
		}
	}
	d.xdp.verdict[act].Add(1)
	return act == XDPPass
}

// verdict runs the program. One that panics stays attached, since a filter that
// one bad frame could remove would be none; that frame is dropped, and the first
// panic is logged.
func (d *Device) verdict(x *xdpAttached, frame []byte) (act XDPAction) {
	defer func() {
		if e := recover(); e != nil {
			act = XDPAborted
			d.xdp.panics.Add(1)
			if !x.failed {
				x.failed = true
				slog.Error(fmt.Sprintf("xdp: program panicked; the frame is dropped, further panics are only counted: %v\n%s", e, debug.Stack()), "dev", d.name)
			}
		}
	}()
	return x.run(frame)
}

package netdev

import (
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/gasp-go/gasp/board/trap"
	"github.com/gasp-go/gasp/board/word"
)

// Device is one network device (Linux: net_device): a driver below, a receive
// function above, and the counters between them. Its life is New, SetReceive
// and OnCarrier, Open, Stop, Open again if wanted.
type Device struct {
	name string
	mtu  atomic.Int32
	drv  Driver
	soft *Softnet
	mac  atomic.Uint64 // in the low 48 bits, first octet highest: trap context reads it

	receive func(frame []byte, flags RxFlags)
	filter  func(frame []byte) bool // may be nil

	groFlush        func(old bool) (held bool) // may be nil
	deferHardIRQs   atomic.Uint32              // polls
	groFlushTimeout atomic.Uint32              // ns
	backlog         atomic.Uint32              // 1 + its index in the backlog, 0: does not use it

	admin sync.Mutex // serialises Open, Stop and SetMAC
	up    atomic.Bool

	filtering sync.Mutex // serialises changes of rx; inside it no other lock is taken
	rx        RxMode
	filtered  bool // rx was set

	link      sync.Mutex // serialises carrier events, so that they arrive in order
	carrier   atomic.Bool
	onCarrier []func(up bool)
	onAddress []func(mac [6]byte)

	hooking sync.Mutex            // serialises changes of hooks
	hooks   atomic.Pointer[hooks] // nil: none
	xdp     xdpCounters

	counters Counters

	txStopped atomic.Bool // the driver had no room: see txqueue.go
	onTxWake  func()      // may be nil
}

// New returns a closed device. mtu is the largest payload of a frame in bytes,
// headers of the link layer not included. soft is the softnet that polls the
// driver's NAPI instances.
func New(name string, mac [6]byte, mtu int, drv Driver, soft *Softnet) *Device {
	d := &Device{name: name, drv: drv, soft: soft, rx: RxMode{AllMulti: true}}
	d.mtu.Store(int32(mtu))
	d.mac.Store(packMAC(mac))
	return d
}

// Name returns the interface name, "eth0".
func (d *Device) Name() string { return d.name }

// Driver returns what drives the device.
func (d *Device) Driver() Driver { return d.drv }

// Softnet returns the softnet that polls the device.
func (d *Device) Softnet() *Softnet { return d.soft }

// MAC returns the station address. Any context.
func (d *Device) MAC() [6]byte {
	v := d.mac.Load()
	return [6]byte{byte(v >> 40), byte(v >> 32), byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}
}

func packMAC(m [6]byte) uint64 {
	return uint64(m[0])<<40 | uint64(m[1])<<32 | uint64(m[2])<<24 |
		uint64(m[3])<<16 | uint64(m[4])<<8 | uint64(m[5])
}

// SetReceive sets where received frames go: the protocol stack. fn is called
// from the NAPI poll on the network thread; the frame, Ethernet header first
// and FCS removed, is its to read until it returns. To be set before Open.
func (d *Device) SetReceive(fn func(frame []byte, flags RxFlags)) { d.receive = fn }

// SetFilter sets a function that sees every received frame ahead of the
// receive function and reports whether it has consumed it (Linux: rx_handler).
// To be set before Open.
func (d *Device) SetFilter(fn func(frame []byte) bool) { d.filter = fn }

// OnCarrier registers fn to be told of every change of the carrier, in order,
// on the goroutine that reports it. fn must not open, stop or re-register.
func (d *Device) OnCarrier(fn func(up bool)) {
	d.link.Lock()
	defer d.link.Unlock()
	d.onCarrier = append(d.onCarrier, fn)
}

// Open brings the device up (IFF_UP). Opening an open device does nothing.
func (d *Device) Open() error {
	d.admin.Lock()
	defer d.admin.Unlock()
	if d.up.Load() {
		return nil
	}
	// Up before the driver is open: it may report the carrier from within
	// Open, and what is sent upon that must find the device up.
	d.up.Store(true)
	if err := d.drv.Open(); err != nil {
		d.up.Store(false)
		d.SetCarrier(false)
		return err
	}
	return nil
}

// Stop takes the device down. When it returns no frame is received any more, but
// for one of the backlog or a Wire that is on its way up, and the carrier is off.
// What they hold of the device is dropped. Stopping a closed device does nothing.
func (d *Device) Stop() error {
	d.admin.Lock()
	defer d.admin.Unlock()
	if !d.up.Load() {
		return nil
	}
	d.up.Store(false)
	err := d.drv.Stop()
	// What waits for room is not kept for the next time, and nobody would wake
	// a sender that begins to wait only now.
	d.txStopped.Store(false)
	d.SetCarrier(false)
	return err
}

// Up reports whether the device is open. Any context.
func (d *Device) Up() bool { return d.up.Load() }

// SetCarrier tells the device whether its link is up. Drivers call it from the
// goroutine that watches the PHY, or from Open. A new device has no carrier.
func (d *Device) SetCarrier(up bool) {
	d.link.Lock()
	defer d.link.Unlock()
	if d.carrier.Load() == up {
		return
	}
	d.carrier.Store(up)
	d.counters.CarrierChanges.Add(1)
	for _, fn := range d.onCarrier {
		fn(up)
	}
}

// Carrier reports whether the link is up. Any context.
func (d *Device) Carrier() bool { return d.carrier.Load() }

// Receive takes one good frame from the driver's poll to the stack (Linux:
// netif_receive_skb). The frame stays the driver's. Network thread.
func (d *Device) Receive(frame []byte, flags RxFlags) {
	h := word.LoadPointer(&d.hooks)
	if h != nil && d.hooked(h, frame, flags) {
		return
	}
	d.deliver(h, frame, flags)
}

// Deliver is Receive for a Wire: it takes one frame past tap and wire. A frame that
// was late for a device that is closed now is dropped. Network thread.
func (d *Device) Deliver(frame []byte, flags RxFlags) {
	if !word.LoadBool(&d.up) {
		d.counters.RxDropped.Add(1)
		return
	}
	d.deliver(word.LoadPointer(&d.hooks), frame, flags)
}

func (d *Device) deliver(h *hooks, frame []byte, flags RxFlags) {
	var b RxBatch
	d.pass(h, frame, flags, &b)
	d.Received(&b)
}

// RxBatch counts the frames of one poll, so that the device's counters are
// updated once for all of them.
type RxBatch struct {
	packets, bytes, multicast uint32
}

// ReceiveBatch is Receive of one frame of many. After the last the driver calls
// Received. Network thread.
func (d *Device) ReceiveBatch(frame []byte, flags RxFlags, b *RxBatch) {
	h := word.LoadPointer(&d.hooks)
	if h != nil && d.hooked(h, frame, flags) {
		return
	}
	d.pass(h, frame, flags, b)
}

// Received adds a batch to the device's counters. Network thread.
func (d *Device) Received(b *RxBatch) {
	if b.packets == 0 {
		return
	}
	d.counters.RxPackets.Add(b.packets)
	d.counters.RxBytes.Add(b.bytes)
	if b.multicast != 0 {
		d.counters.Multicast.Add(uint64(b.multicast))
	}
	*b = RxBatch{}
}

func (d *Device) pass(h *hooks, frame []byte, flags RxFlags, b *RxBatch) {
	if d.receive == nil {
		d.counters.RxDropped.Add(1)
		return
	}
	b.packets++
	b.bytes += uint32(len(frame))
	if len(frame) >= 6 && frame[0]&1 != 0 && !isBroadcast(frame) {
		b.multicast++
	}
	if h != nil && h.xdp != nil && !d.runXDP(h.xdp, frame) {
		return
	}
	if d.filter != nil && d.filter(frame) {
		return
	}
	d.receive(frame, flags)
}

func isBroadcast(frame []byte) bool {
	return frame[0]&frame[1]&frame[2]&frame[3]&frame[4]&frame[5] == 0xff
}

// Xmit sends one frame (Ethernet header first, without FCS), gathered from
// parts in order, with the checksums that flags ask for. The parts are the
// caller's again when it returns. A closed device, or one without carrier,
// drops. It may be called from any goroutine and does not allocate.
func (d *Device) Xmit(parts [][]byte, flags TxFlags) TxStatus {
	x := xmitSection{dev: d, parts: parts, flags: flags}
	trap.Run(xmit, trap.NoEscape(unsafe.Pointer(&x)))
	return x.status
}

// xmitSection carries Xmit's arguments and result in and out of trap context.
type xmitSection struct {
	dev    *Device
	parts  [][]byte
	flags  TxFlags
	status TxStatus
}

func xmit(p unsafe.Pointer) {
	x := (*xmitSection)(p)
	x.status = x.dev.SendTrap(x.parts, x.flags)
}

// SendTrap is Xmit for a protocol stack that is in trap context already, with
// several frames for example. Trap context.
func (d *Device) SendTrap(parts [][]byte, flags TxFlags) TxStatus {
	if !word.LoadBool(&d.up) || !word.LoadBool(&d.carrier) {
		d.counters.TxDropped.Add(1)
		return TxDropped
	}
	h := word.LoadPointer(&d.hooks)
	if h != nil && h.wire != nil {
		// For a Wire holds what is said of drivers in transmit.
		return h.wire.Xmit(*(*[][]byte)(trap.NoEscape(unsafe.Pointer(&parts))), flags&^TxMore)
	}
	return d.transmit(h, parts, flags)
}

// XmitTrap is the same past a Wire: for netpoll, and for the Wire itself. It
// asks neither whether the device is up nor for a carrier: in a panic the driver
// alone knows. parts does not escape. Trap context.
func (d *Device) XmitTrap(parts [][]byte, flags TxFlags) TxStatus {
	return d.transmit(word.LoadPointer(&d.hooks), parts, flags)
}

func (d *Device) transmit(h *hooks, parts [][]byte, flags TxFlags) TxStatus {
	// A driver copies before StartXmit returns, so parts may live on the
	// caller's stack; escape analysis cannot see that through an interface.
	local := *(*[][]byte)(trap.NoEscape(unsafe.Pointer(&parts)))
	st := d.drv.StartXmit(local, flags)
	switch st {
	case TxOK:
		n := 0
		for _, p := range parts {
			n += len(p)
		}
		d.counters.TxPackets.Add(1)
		d.counters.TxBytes.Add(uint32(n))
		if h != nil && h.tap != nil {
			h.tap.Sent(local, flags)
		}
	case TxBusy:
		// In the same section as the driver's look at the ring: the interrupt
		// that says there is room comes after.
		d.txStopped.Store(true)
		d.counters.TxBusy.Add(1)
	}
	return st
}

// Counters returns the live counters for the driver to increment.
func (d *Device) Counters() *Counters { return &d.counters }

// Stats returns a snapshot of the counters. Any context.
func (d *Device) Stats() Stats { return d.counters.Snapshot() }

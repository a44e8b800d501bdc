package netdev

// What can be put between a device's driver and the stack at run time. On the
// way in a frame meets them in this order, on the way out in the reverse; the
// program sees only what comes in:
//
//	driver - tap - wire - program (XDP) - filter (netpoll) - stack
//
// A device without any pays one load a frame and direction.
type hooks struct {
	tap  Tap
	wire Wire
	xdp  *xdpAttached
}

// Tap sees every good frame that the driver received and every frame that it
// took for transmission, netpoll's included (Linux: ptype_all). The frames are
// not the tap's to change, nor to keep.
type Tap interface {
	// Received is called on the network thread.
	Received(frame []byte)
	// Sent is called in trap context; the frame is gathered from parts, and
	// does not have the checksums yet that flags ask for.
	Sent(parts [][]byte, flags TxFlags)
}

// Wire stands for a wire that is worse than the one there is: what it does not
// pass on is lost, what it passes on may be late, changed, or come twice
// (Linux: netem). Netpoll sends past it, as there.
type Wire interface {
	// Receive gets each frame from the driver's poll, to be passed on with
	// Device.Deliver. The frame is the driver's again when it returns; until
	// then it may be changed, but then without RxChecksumOK. Network thread.
	Receive(frame []byte, flags RxFlags)
	// Xmit gets each frame of the stack, to be passed on with
	// Device.XmitTrap. The parts are the caller's. Trap context.
	Xmit(parts [][]byte, flags TxFlags) TxStatus
}

// SetTap attaches a tap, in place of another, or with nil removes it. Frames
// under way may still reach the old one after it returns. Goroutine.
func (d *Device) SetTap(t Tap) { d.hook(func(h *hooks) { h.tap = t }) }

// SetWire puts a wire in place of another, or with nil removes it, likewise.
func (d *Device) SetWire(w Wire) { d.hook(func(h *hooks) { h.wire = w }) }

// hook replaces the device's hooks by a changed copy: whoever reads them reads
// the old or the new ones.
func (d *Device) hook(change func(*hooks)) {
	d.hooking.Lock()
	defer d.hooking.Unlock()
	h := new(hooks)
	if old := d.hooks.Load(); old != nil {
		*h = *old
	}
	change(h)
	if *h == (hooks{}) {
		h = nil
	}
	d.hooks.Store(h)
}

// hooked shows a received frame to the tap and gives it to the wire. It reports
// whether the wire took it. Network thread.
func (d *Device) hooked(h *hooks, frame []byte, flags RxFlags) (taken bool) {
	if h.tap != nil {
		h.tap.Received(frame)
	}
	if h.wire == nil {
		return false
	}
	h.wire.Receive(frame, flags)
	return true
}

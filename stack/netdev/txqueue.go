package netdev

// The transmit queue is stopped from the moment in which a driver has no room
// until it says that there is some again (Linux: netif_stop_queue,
// netif_wake_queue). Who sends keeps what did not fit, if it wants to, and goes
// on when it is told.

// OnTxWake sets who is told that there is room again. fn is called on the
// network thread, never in trap context. To be set before Open.
func (d *Device) OnTxWake(fn func()) { d.onTxWake = fn }

// TxStopped reports whether the driver had no room for a frame and has not said
// since that there is some. Any context.
func (d *Device) TxStopped() bool { return d.txStopped.Load() }

// TxWake says that there is room again, or that what was queued is lost. Drivers
// call it in their poll after they have reclaimed transmits. Network thread.
func (d *Device) TxWake() {
	if !d.txStopped.Load() {
		return
	}
	d.txStopped.Store(false)
	if d.onTxWake != nil {
		d.onTxWake()
	}
}

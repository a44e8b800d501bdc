// Package netdev is the network device as the kernel sees it: what a driver
// provides, how received frames are polled (NAPI, softnet) and how frames are
// sent, with every drop counted. It knows neither a MAC nor a protocol stack.
package netdev

// TxStatus is the outcome of handing one frame to a driver.
type TxStatus uint8

const (
	TxOK      TxStatus = iota // queued; the driver has copied the frame
	TxBusy                    // ring full (NETDEV_TX_BUSY): nothing queued, try after completion
	TxDropped                 // the frame can never be sent (too long, device closed); counted by the driver
)

// Driver is what a MAC driver provides to its Device (Linux: net_device_ops).
// Methods marked "trap context" keep to the rules of package trap and are only
// called there.
type Driver interface {
	// Open starts the hardware: rings, PHY, interrupts, NAPI enabled.
	Open() error

	// Stop undoes Open. It returns once no interrupt, poll or DMA of the
	// device can happen any more. Frames not yet sent are dropped and counted.
	Stop() error

	// StartXmit queues one frame (Ethernet header first, without FCS),
	// gathered from parts in order, and rings the doorbell. It sees to the
	// checksums that flags ask for, whether the device can insert them or not.
	// The parts are copied before it returns. Trap context.
	StartXmit(parts [][]byte, flags TxFlags) TxStatus

	// PollController does by hand what the interrupt handler does: looks at
	// the device's events, reclaims finished transmits, schedules NAPI if
	// frames wait. It works with interrupts off and however far the rest of
	// the system is gone. Trap context.
	PollController()

	// PollRx takes up to budget received frames from the ring and calls fn
	// for each; the frame (FCS removed) is fn's until it returns. It returns
	// the number of frames taken, bad ones included. For netpoll, when NAPI
	// cannot run. Trap context.
	PollRx(budget int, fn func(frame []byte)) int

	// TxIdle reports whether every queued frame has left. Trap context.
	TxIdle() bool

	// Seize takes the device away from the live system for the panic path.
	// It waits for nobody: if the transmit ring is in the middle of an update
	// or does not drain within a bound, the MAC is reset and a private ring,
	// prepared in Open, takes over. Afterwards StartXmit, TxIdle and PollRx
	// work on whatever ring is in use and all interrupts of the device are
	// masked. It fails if the device was never opened. It may be called
	// again. Trap context.
	Seize() error
}

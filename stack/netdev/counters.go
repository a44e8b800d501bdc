package netdev

import (
	"sync/atomic"

	"github.com/gasp-go/gasp/board/word"
)

// Counters are a device's live statistics. The names and meanings are those of
// Linux's struct rtnl_link_stats64. They only ever grow.
//
// The Device itself counts RxPackets, RxBytes and Multicast in Receive,
// TxPackets and TxBytes when a frame was queued, TxDropped when it is closed
// or has no carrier, and TxBusy. Everything else is the driver's, and may be
// incremented from any context, trap context included.
type Counters struct {
	RxPackets word.Counter // good frames given to the stack
	TxPackets word.Counter // frames queued for transmission
	RxBytes   word.Counter // bytes of RxPackets, Ethernet header included, FCS not
	TxBytes   word.Counter // bytes of TxPackets, counted alike

	RxErrors  atomic.Uint64 // bad frames received: the rx errors below but for RxMissedErrors, which nobody has seen
	TxErrors  atomic.Uint64 // failures of transmission: the tx errors below, and what has no counter there
	RxDropped atomic.Uint64 // good frames not processed: nobody to take them, malformed for the stack
	TxDropped atomic.Uint64 // frames given up before they reached the wire
	Multicast atomic.Uint64 // multicast frames received, broadcast not included

	Collisions atomic.Uint64

	RxLengthErrors atomic.Uint64 // too long or too short
	RxOverErrors   atomic.Uint64 // receiver ring overflow
	RxCRCErrors    atomic.Uint64 // bad FCS
	RxFrameErrors  atomic.Uint64 // not a whole number of octets
	RxFIFOErrors   atomic.Uint64 // receive FIFO overrun
	RxMissedErrors atomic.Uint64 // missed for want of a free buffer

	TxAbortedErrors   atomic.Uint64 // excessive collisions
	TxCarrierErrors   atomic.Uint64 // carrier lost during transmission
	TxFIFOErrors      atomic.Uint64 // transmit FIFO underrun
	TxHeartbeatErrors atomic.Uint64
	TxWindowErrors    atomic.Uint64 // late collisions

	// TxBusy counts NETDEV_TX_BUSY answers. It is not a loss in itself: whoever
	// gives the frame up then counts it in TxDropped. Not in rtnl_link_stats64.
	TxBusy atomic.Uint64
	// CarrierChanges counts transitions of the carrier, as in sysfs.
	CarrierChanges atomic.Uint64
}

// Stats is a snapshot of Counters. Each field was read atomically; the whole
// was not, as in /proc/net/dev.
type Stats struct {
	RxPackets uint64 `json:"rx_packets"`
	TxPackets uint64 `json:"tx_packets"`
	RxBytes   uint64 `json:"rx_bytes"`
	TxBytes   uint64 `json:"tx_bytes"`

	RxErrors  uint64 `json:"rx_errors"`
	TxErrors  uint64 `json:"tx_errors"`
	RxDropped uint64 `json:"rx_dropped"`
	TxDropped uint64 `json:"tx_dropped"`
	Multicast uint64 `json:"multicast"`

	Collisions uint64 `json:"collisions"`

	RxLengthErrors uint64 `json:"rx_length_errors"`
	RxOverErrors   uint64 `json:"rx_over_errors"`
	RxCRCErrors    uint64 `json:"rx_crc_errors"`
	RxFrameErrors  uint64 `json:"rx_frame_errors"`
	RxFIFOErrors   uint64 `json:"rx_fifo_errors"`
	RxMissedErrors uint64 `json:"rx_missed_errors"`

	TxAbortedErrors   uint64 `json:"tx_aborted_errors"`
	TxCarrierErrors   uint64 `json:"tx_carrier_errors"`
	TxFIFOErrors      uint64 `json:"tx_fifo_errors"`
	TxHeartbeatErrors uint64 `json:"tx_heartbeat_errors"`
	TxWindowErrors    uint64 `json:"tx_window_errors"`

	TxBusy         uint64 `json:"tx_busy"`
	CarrierChanges uint64 `json:"carrier_changes"`
}

// Snapshot reads every counter. Any context.
func (c *Counters) Snapshot() Stats {
	return Stats{
		RxPackets: c.RxPackets.Load(),
		TxPackets: c.TxPackets.Load(),
		RxBytes:   c.RxBytes.Load(),
		TxBytes:   c.TxBytes.Load(),

		RxErrors:  c.RxErrors.Load(),
		TxErrors:  c.TxErrors.Load(),
		RxDropped: c.RxDropped.Load(),
		TxDropped: c.TxDropped.Load(),
		Multicast: c.Multicast.Load(),

		Collisions: c.Collisions.Load(),

		RxLengthErrors: c.RxLengthErrors.Load(),
		RxOverErrors:   c.RxOverErrors.Load(),
		RxCRCErrors:    c.RxCRCErrors.Load(),
		RxFrameErrors:  c.RxFrameErrors.Load(),
		RxFIFOErrors:   c.RxFIFOErrors.Load(),
		RxMissedErrors: c.RxMissedErrors.Load(),

		TxAbortedErrors:   c.TxAbortedErrors.Load(),
		TxCarrierErrors:   c.TxCarrierErrors.Load(),
		TxFIFOErrors:      c.TxFIFOErrors.Load(),
		TxHeartbeatErrors: c.TxHeartbeatErrors.Load(),
		TxWindowErrors:    c.TxWindowErrors.Load(),

		TxBusy:         c.TxBusy.Load(),
		CarrierChanges: c.CarrierChanges.Load(),
	}
}

package enet

import (
	"unsafe"

	"github.com/gasp-go/gasp/board/trap"
)

// counter is one of the driver's own statistics.
type counter int

const (
	rxGood counter = iota
	rxShort
	rxRunt
	rxOversize
	rxTruncated
	rxCRC
	rxNonOctet
	rxOverrun
	rxMultiBD
	rxOtherHost
	rxBabble
	txQueued
	txDone
	txRingFull
	txTooLong
	txTooShort
	txNotOpen
	txLost
	txKicks
	txTimeouts
	txBabble
	txLateCollision
	txRetryLimit
	txUnderrun
	busErrors
	irqs
	irqSpurious
	pollRaces
	pollRxBusy
	macResets
	macResetTimeouts
	macRestarts
	phyErrors
	linkChanges
	seizures
	takeovers
	numCounters
)

var counterNames = [numCounters]string{
	rxGood:           "rx_good",            // frames passed up
	rxShort:          "rx_short",           // of these, shorter than 60 bytes without FCS
	rxRunt:           "rx_runt",            // dropped: shorter than a header, or than the device claims
	rxOversize:       "rx_oversize",        // dropped: longer than 1518, 1522 with a VLAN tag
	rxTruncated:      "rx_truncated",       // dropped: cut by the MAC
	rxCRC:            "rx_crc",             // dropped: bad FCS
	rxNonOctet:       "rx_non_octet",       // dropped: not a whole number of octets
	rxOverrun:        "rx_overrun",         // dropped: the FIFO overran
	rxMultiBD:        "rx_multi_bd",        // dropped: longer than a buffer
	rxOtherHost:      "rx_other_host",      // dropped: unicast to somebody else
	rxBabble:         "rx_babble",          // BABR events
	txQueued:         "tx_queued",          // frames put into the ring
	txDone:           "tx_done",            // frames sent and reclaimed
	txRingFull:       "tx_ring_full",       // refused, not lost: no free descriptor
	txTooLong:        "tx_too_long",        // dropped: longer than the wire allows
	txTooShort:       "tx_too_short",       // dropped: no Ethernet header
	txNotOpen:        "tx_not_open",        // dropped: closed, or dead
	txLost:           "tx_lost",            // queued, then lost in a stop, restart or takeover
	txKicks:          "tx_kicks",           // doorbells rung again (ERR006358)
	txTimeouts:       "tx_timeouts",        // restarts since nothing left the ring for 2 s
	txBabble:         "tx_babble",          // BABT events
	txLateCollision:  "tx_late_collision",  // LC events
	txRetryLimit:     "tx_retry_limit",     // RL events
	txUnderrun:       "tx_underrun",        // UN events
	busErrors:        "bus_errors",         // EBERR events, each followed by a restart
	irqs:             "irqs",               // calls of the top half
	irqSpurious:      "irq_spurious",       // of these, without an event
	pollRaces:        "poll_races",         // frames found between unmasking and interrupt
	pollRxBusy:       "poll_rx_busy",       // netpoll found the ring in use
	macResets:        "mac_resets",         //
	macResetTimeouts: "mac_reset_timeouts", //
	macRestarts:      "mac_restarts",       // of an open MAC
	phyErrors:        "phy_errors",         // PHY absent, MDIO timeouts
	linkChanges:      "link_changes",       //
	seizures:         "seizures",           // calls of Seize
	takeovers:        "takeovers",          // of these, that had to reset the MAC
}

// mibs are the counters the MAC keeps, which see what never reached the ring.
var mibs = [...]struct {
	name string
	off  uintptr
}{
	{"mib_rx_crc_align", mibRCRCAlign},
	{"mib_rx_undersize", mibRUndersz},
	{"mib_rx_oversize", mibROversz},
	{"mib_rx_fragments", mibRFrag},
	{"mib_rx_jabber", mibRJab},
	{"mib_rx_drop", mibRDrop},
	{"mib_rx_fifo_overflow", mibRMACErr},
	{"mib_tx_fifo_underrun", mibTMACErr},
	{"mib_tx_carrier_lost", mibTCSErr},
}

// count adds one to a counter. Any context.
func (m *MAC) count(c counter) { m.n[c].Add(1) }

// Stat is one statistic.
type Stat struct {
	Name  string `json:"name"`
	Value uint64 `json:"value"`
}

// Stats returns the driver's statistics, as ethtool -S does: its own counters,
// the state of the rings, and, while it is open, the MAC's counters. Goroutine.
func (m *MAC) Stats() []Stat {
	x := statSection{m: m}
	trap.Run(trapStats, unsafe.Pointer(&x))
	s := make([]Stat, 0, int(numCounters)+len(mibs)+8)
	for c := range numCounters {
		s = append(s, Stat{counterNames[c], m.n[c].Load()})
	}
	s = append(s,
		Stat{"mdio_timeouts", m.bus.Timeouts()},
		Stat{"rx_ring_size", uint64(m.rx[x.ring].Len())},
		Stat{"rx_ring_filled", uint64(m.rx[x.ring].Filled())},
		Stat{"tx_ring_size", uint64(m.tx[x.ring].Len())},
		Stat{"tx_ring_queued", uint64(x.queued)},
		Stat{"private_rings", uint64(x.ring)},
	)
	for i := range mibs {
		s = append(s, Stat{mibs[i].name, uint64(x.mib[i])})
	}
	return s
}

// statSection is what Stats reads in trap context.
type statSection struct {
	m      *MAC
	ring   uint32
	queued int
	mib    [len(mibs)]uint32
}

func trapStats(p unsafe.Pointer) {
	x := (*statSection)(p)
	m := x.m
	x.ring = m.cur.Load() & 1
	if !m.txBusy.Load() {
		m.reclaimed(m.tx[x.ring].Reclaim()) // what was sent since the last frame
	}
	x.queued = m.tx[x.ring].Queued()
	if m.state.Load() == stateOpen {
		for i := range mibs {
			x.mib[i] = m.regs.Read32(mibs[i].off)
		}
	}
}

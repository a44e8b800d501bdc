package enet

import (
	"unsafe"

	"github.com/gasp-go/gasp/board/trap"
	"github.com/gasp-go/gasp/stack/netdev"
)

// counter is one of the driver's own statistics.
type counter int

const (
	rxGood counter = iota
	rxShort
	rxRunt
	rxTooLong
	rxTruncated
	rxCRC
	rxNonOctet
	rxOverrun
	rxMultiBD
	rxOtherHost
	rxTaken
	rxBabble
	txQueued
	txDone
	txRingFull
	txTooLong
	txTooShort
	txNotOpen
	txLost
	txResent
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
	rxTooLong:        "rx_too_long",        // dropped: longer than 1518, 1522 with a VLAN tag
	rxTruncated:      "rx_truncated",       // dropped: cut by the MAC
	rxCRC:            "rx_crc",             // dropped: bad FCS
	rxNonOctet:       "rx_non_octet",       // dropped: not a whole number of octets
	rxOverrun:        "rx_overrun",         // dropped: the FIFO overran
	rxMultiBD:        "rx_multi_bd",        // dropped: longer than a buffer
	rxOtherHost:      "rx_other_host",      // dropped: unicast to somebody else
	rxTaken:          "rx_taken",           // descriptors that netpoll took from under a stuck poll (TakeRx)
	rxBabble:         "rx_babble",          // BABR events
	txQueued:         "tx_queued",          // frames put into the ring
	txDone:           "tx_done",            // frames sent and reclaimed
	txRingFull:       "tx_ring_full",       // refused, not lost: no free descriptor
	txTooLong:        "tx_too_long",        // dropped: longer than the wire allows
	txTooShort:       "tx_too_short",       // dropped: no Ethernet header
	txNotOpen:        "tx_not_open",        // dropped: closed, or dead
	txLost:           "tx_lost",            // queued, then lost in a stop, restart or takeover
	txResent:         "tx_resent",          // queued, and sent again by a takeover
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

// count adds one to a counter that is not among the quick ones. Any context.
func (m *MAC) count(c counter) { m.n[c].Add(1) }

// counted is what a counter shows. Any context.
func (m *MAC) counted(c counter) uint64 {
	switch c {
	case rxGood:
		return m.quick.rxGood.Load()
	case irqs:
		return m.quick.irqs.Load()
	case txQueued:
		return m.quick.txQueued.Load()
	case txDone:
		return m.quick.txDone.Load()
	}
	return m.n[c].Load()
}

// Stats returns the driver's statistics, as ethtool -S does: its own counters,
// the state of the rings, and the MAC's counters. Goroutine.
func (m *MAC) Stats() []netdev.Stat {
	m.rings.Lock()
	defer m.rings.Unlock()
	x := statSection{m: m}
	trap.Run(trapStats, unsafe.Pointer(&x))
	s := make([]netdev.Stat, 0, int(numCounters)+len(mibs)+8)
	for c := range numCounters {
		s = append(s, netdev.Stat{Name: counterNames[c], Value: m.counted(c)})
	}
	s = append(s,
		netdev.Stat{Name: "mdio_timeouts", Value: m.bus.Timeouts()},
		netdev.Stat{Name: "rx_ring_size", Value: uint64(m.rx[x.ring].Len())},
		netdev.Stat{Name: "rx_ring_filled", Value: uint64(m.rx[x.ring].Filled())},
		netdev.Stat{Name: "tx_ring_size", Value: uint64(m.tx[x.ring].Len())},
		netdev.Stat{Name: "tx_ring_queued", Value: uint64(x.queued)},
		netdev.Stat{Name: "private_rings", Value: uint64(x.ring)},
	)
	for i := range mibs {
		s = append(s, netdev.Stat{Name: mibs[i].name, Value: x.mib[i].total})
	}
	return s
}

// statSection is what Stats reads in trap context.
type statSection struct {
	m      *MAC
	ring   uint32
	queued int
	mib    [len(mibs)]mibCounter
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
		m.harvest()
	}
	x.mib = m.mib
}

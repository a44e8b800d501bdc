package stack

import (
	"encoding/binary"
	"sync/atomic"
	"unsafe"

	"github.com/gasp-go/gasp/board/trap"
)

// The destination cache (Linux: struct dst_entry): which of our addresses and
// which MAC address gVisor used when it last sent to a destination. It lets
// echo replies and datagrams go out without gVisor, which remains the one that
// routes and resolves: an entry is what it did, holds for dstLife, and is
// dropped with all others when an address, a route or the carrier changes. So
// a packet a second to each destination still goes through gVisor, which thus
// sees that the neighbour is in use and asks for it again when that is due.

const (
	dstEntries = 64            // a power of two
	dstLife    = 1_000_000_000 // ns
)

// ipAddr is an IPv6 address, or an IPv4 address in its mapped form.
type ipAddr [16]byte

func mapped4(a []byte) (m ipAddr) {
	m[10], m[11] = 0xff, 0xff
	copy(m[12:], a[:4])
	return m
}

func (a *ipAddr) is4() bool {
	return a[10] == 0xff && a[11] == 0xff &&
		binary.BigEndian.Uint64(a[:]) == 0 && a[8] == 0 && a[9] == 0
}

// dstEntry is one destination. It holds no pointers: trap context writes it.
type dstEntry struct {
	to, from ipAddr
	eth      [14]byte // the Ethernet header
	expires  int64    // ns, 0: empty
}

// dstCache is direct-mapped; its entries are read and written in trap context.
type dstCache struct {
	entries [dstEntries]dstEntry
	epoch   atomic.Int64 // entries that expire before this are void

	// A router had no way on for longer packets (path MTU discovery).
	narrow      atomic.Int32 // bytes
	narrowUntil atomic.Int64 // ns
}

func (c *dstCache) slot(to *ipAddr) *dstEntry {
	h := uint32(to[15]) ^ uint32(to[14])<<2 ^ uint32(to[13])<<4 ^ uint32(to[7])
	return &c.entries[h%dstEntries]
}

// lookup returns the entry of a destination, nil if there is none. Trap context.
func (c *dstCache) lookup(to *ipAddr, now int64) *dstEntry {
	e := c.slot(to)
	if e.expires <= now || e.expires <= c.epoch.Load() || e.to != *to {
		return nil
	}
	return e
}

// learn notes how gVisor sends to a destination. A valid entry stays, so that it
// expires although it is in use. Goroutine.
func (c *dstCache) learn(to, from ipAddr, eth []byte, now int64) {
	x := dstLearn{c: c, e: dstEntry{to: to, from: from, eth: [14]byte(eth), expires: now + dstLife}, now: now}
	trap.Run(trapLearn, unsafe.Pointer(&x))
}

type dstLearn struct {
	c   *dstCache
	e   dstEntry
	now int64
}

func trapLearn(p unsafe.Pointer) {
	x := (*dstLearn)(p)
	if x.c.lookup(&x.e.to, x.now) == nil {
		*x.c.slot(&x.e.to) = x.e
	}
}

// flush voids all entries learnt until now. Any context.
func (c *dstCache) flush(now int64) { c.epoch.Store(now + dstLife) }

// narrowLife is how long a path is taken to be narrow: as Linux's
// net.ipv4.route.mtu_expires.
const narrowLife = 600_000_000_000 // ns

// tooBig notes that a packet of more than mtu bytes did not reach its
// destination. Which one does not matter here: gVisor knows, and gets all that
// are longer.
func (c *dstCache) tooBig(mtu int, now int64) {
	if old := int(c.narrow.Load()); now < c.narrowUntil.Load() {
		mtu = min(mtu, old)
	}
	c.narrow.Store(int32(mtu))
	c.narrowUntil.Store(now + narrowLife)
}

// mtu is the length of the longest packet that needs no gVisor, at most most.
// Any context.
func (c *dstCache) mtu(most int, now int64) int {
	if until := c.narrowUntil.Load(); now >= until {
		return most
	}
	return min(most, int(c.narrow.Load()))
}

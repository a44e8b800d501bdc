//go:build arm

package kernel

import "github.com/gasp-go/gasp/board/dma"

// ring is a socket's buffer in one direction: bytes for a stream, records for
// datagrams. Indices run freely. Its pages come on demand and go when the
// socket does.
type ring struct {
	base, size uint32 // size is a power of two
	r, w       uint32
	touched    uint32 // bytes from base that may have pages
}

func (q *ring) init(base, size uint32) { *q = ring{base: base, size: size} }

func (q *ring) used() uint32 { return q.w - q.r }
func (q *ring) free() uint32 { return q.size - (q.w - q.r) }

// release gives the pages back.
func (q *ring) release() {
	if q.touched > 0 {
		setState(q.base, q.touched, pageBSS)
	}
	q.touched, q.r, q.w = 0, 0, 0
}

// room makes sure that the n bytes behind w have pages.
func (q *ring) room(n uint32) bool {
	if q.w == q.r { // empty: keep to the pages that are there
		q.r, q.w = 0, 0
	}
	end := min(q.w&(q.size-1)+n, q.size)
	if q.w&(q.size-1)+n > q.size {
		end = q.size
	}
	for q.touched < end {
		if !present(q.base + q.touched) {
			sockStat.NoBuffers++
			return false
		}
		q.touched += pageSize
	}
	return true
}

// put copies n bytes from p behind what the ring holds; the caller checked room.
func (q *ring) put(p, n uint32) {
	at := q.w & (q.size - 1)
	first := min(n, q.size-at)
	copyMany(bytesAt(q.base+at, first), bytesAt(p, first))
	if n > first {
		copyMany(bytesAt(q.base, n-first), bytesAt(p+first, n-first))
	}
	q.w += n
}

// peek copies n bytes at offset off from the start to p.
func (q *ring) peek(off, p, n uint32) {
	at := (q.r + off) & (q.size - 1)
	first := min(n, q.size-at)
	copyMany(bytesAt(p, first), bytesAt(q.base+at, first))
	if n > first {
		copyMany(bytesAt(p+first, n-first), bytesAt(q.base, n-first))
	}
}

func (q *ring) putWord(v uint32) {
	store32(q.base+q.w&(q.size-1), v)
	q.w += 4
}

func (q *ring) word(off uint32) uint32 { return load32(q.base + (q.r+off)&(q.size-1)) }

// A datagram is a record: its length, its address' length, the address, the
// data padded to whole words.
const recordHead = 8 + addrSize

func recordSize(n uint32) uint32 { return recordHead + (n+3)&^3 }

// putRecord appends a datagram of head bytes at p; false if there is no room.
func (q *ring) putRecord(a *sockAddr, iov *vector, n uint32) bool {
	if q.free() < recordSize(n) || !q.room(recordSize(n)) {
		return false
	}
	q.putWord(n)
	q.putWord(a.n)
	q.put(uint32(addrOf(&a.b)), addrSize)
	for i := uint32(0); i < iov.n && n > 0; i++ {
		p, m := iov.at(i)
		m = min(m, n)
		q.put(p, m)
		n -= m
	}
	q.w = (q.w + 3) &^ 3
	return true
}

// copyMany is copy, and takes half as long if it is much.
func copyMany(dst, src []byte) {
	if len(src) < 256 {
		copy(dst, src)
		return
	}
	dma.Copy(dst, src)
}

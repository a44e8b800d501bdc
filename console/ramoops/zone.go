package ramoops

import (
	"math/bits"
	"unsafe"

	"github.com/gasp-go/gasp/board/mmio"
	"github.com/gasp-go/gasp/console"
)

// A zone is a range of persistent memory that holds records, each on its own:
// nothing says where the oldest or the newest is, so there is nothing that could
// be wrong about it. A record, in words of 32 bits, little-endian, at a multiple
// of 8 bytes:
//
//	0  magic
//	1  sum of all other words, see mix
//	2  life: which boot wrote it
//	3  index in the zone: 0, 1, 2, ...
//	4  sequence number, low word, 5 high word
//	6  time, ns since that boot, low word, 7 high word
//	8  length of the text, length of the dictionary << 16
//	9  level, facility << 8, 1<<16 if it continues the record before it
//
// then the text and the dictionary, each padded with zeros to whole words. The sum
// is 0 until all else is written: a record that was being written when the
// reset came is told from one that is whole, and counted.
const (
	magic       = 0x72d1a4e6
	headerWords = 10
	headerSize  = 4 * headerWords
)

// zone writes records. Its fields are used in trap context.
type zone struct {
	mem   []byte
	pos   uint32
	life  uint32
	index uint32

	once bool   // full is full: the first records stay, not the last
	left uint64 // records that did not fit
}

func words(n int) int { return (n + 3) / 4 }

// sizeOf is the size of a record in a zone.
func sizeOf(text, dict int) uint32 {
	return uint32(headerSize+4*words(text)+4*words(dict)+7) &^ 7
}

// mix adds a word to a sum. For each sum it is one to one in the word, and for
// each word in the sum: whatever is wrong within one word, the sum tells.
func mix(sum, w uint32) uint32 { return bits.RotateLeft32(sum, 5) + w }

func at(p []byte, i uint32) *uint32 { return (*uint32)(unsafe.Pointer(&p[i])) }

// write writes a record and reports whether it found room. If it is interrupted for
// good, the next one takes its place. Trap context.
func (z *zone) write(r *console.Record) bool {
	text, dict := int(min(uint(r.N), console.MaxText)), int(min(uint(r.NDict), console.MaxDict))
	need := sizeOf(text, dict)
	if room := uint32(len(z.mem)) - z.pos; need > room {
		if z.once || need > uint32(len(z.mem)) {
			z.left++
			return false
		}
		// What is left there of an older lap would be out of order.
		clear(z.mem[z.pos:])
		z.pos = 0
	}
	p := unsafe.Pointer(&z.mem[z.pos]) // of need bytes
	w := (*[headerWords]uint32)(p)
	w[1] = 0
	mmio.Barrier()
	from := (*[4]uint32)(unsafe.Pointer(r)) // Seq and Time
	a, b, c, d := from[0], from[1], from[2], from[3]
	life, index, lengths := z.life, z.index, uint32(text)|uint32(dict)<<16
	level := uint32(r.Level) | uint32(r.Facility)<<8
	if r.Cont {
		level |= 1 << 16
	}
	w[0], w[2], w[3] = magic, life, index
	w[4], w[5], w[6], w[7] = a, b, c, d
	w[8], w[9] = lengths, level
	sum := mix(mix(mix(mix(mix(mix(magic, life), index), a), b), c), d)
	sum = mix(mix(sum, lengths), level)
	if text > 0 {
		sum = copySum(sum, unsafe.Add(p, headerSize), unsafe.Pointer(&r.Text), text)
	}
	if dict > 0 {
		sum = copySum(sum, unsafe.Add(p, headerSize+4*words(text)), unsafe.Pointer(&r.Dict), dict)
	}
	mmio.Barrier()
	w[1] = final(sum)
	// In RAM before anything else happens, such as the reset.
	mmio.Barrier()
	z.pos += need
	z.index++
	return true
}

// final makes a sum what is stored: never 0, which stands for none.
func final(sum uint32) uint32 {
	if sum == 0 {
		return 1
	}
	return sum
}

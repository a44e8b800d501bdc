package ramoops

import (
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
	magic       = 0x72d1a4e5
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
func mix(sum, w uint32) uint32 {
	sum = (sum ^ w) * 0x9e3779b1
	return sum ^ sum>>15
}

func at(p []byte, i uint32) *uint32 { return (*uint32)(unsafe.Pointer(&p[i])) }

// tail is the last word of p, whose 1 to 3 bytes are padded with zeros.
func tail(p []byte) (w uint32) {
	for i, b := range p {
		w |= uint32(b) << (8 * i)
	}
	return w
}

// write writes a record. If it is interrupted for good, the next one takes its
// place. Trap context.
func (z *zone) write(r *console.Record) {
	text, dict := r.Message(), r.Dictionary()
	need := sizeOf(len(text), len(dict))
	room := uint32(len(z.mem)) - z.pos
	if need > room {
		if z.once || need > uint32(len(z.mem)) {
			z.left++
			return
		}
		// What is left there of an older lap would be out of order.
		clear(z.mem[z.pos:])
		z.pos = 0
	}
	p := z.mem[z.pos : z.pos+need]
	w := (*[headerWords]uint32)(unsafe.Pointer(&p[0]))
	level := uint32(r.Level) | uint32(r.Facility)<<8
	if r.Cont {
		level |= 1 << 16
	}
	w[1] = 0
	mmio.Barrier()
	w[2], w[3] = z.life, z.index
	w[4], w[5] = uint32(r.Seq), uint32(r.Seq>>32)
	w[6], w[7] = uint32(r.Time), uint32(uint64(r.Time)>>32)
	w[8] = uint32(len(text)) | uint32(len(dict))<<16
	w[9] = level
	w[0] = magic
	sum := mix(mix(magic, z.life), z.index)
	sum = mix(mix(sum, uint32(r.Seq)), uint32(r.Seq>>32))
	sum = mix(mix(sum, uint32(r.Time)), uint32(uint64(r.Time)>>32))
	sum = mix(mix(sum, uint32(len(text))|uint32(len(dict))<<16), level)
	sum = copySum(sum, p[headerSize:], text)
	sum = copySum(sum, p[headerSize+4*words(len(text)):], dict)
	mmio.Barrier()
	w[1] = final(sum)
	// In RAM before anything else happens, such as the reset.
	mmio.Barrier()
	z.pos += need
	z.index++
}

// final makes a sum what is stored: never 0, which stands for none.
func final(sum uint32) uint32 {
	if sum == 0 {
		return 1
	}
	return sum
}

// copySum copies p to whole words at dst, the last padded with zeros, and adds
// them to a sum. p begins at a multiple of 4 bytes.
func copySum(sum uint32, dst, p []byte) uint32 {
	if len(p) == 0 || len(dst) < 4*words(len(p)) {
		return sum
	}
	from, to := unsafe.Pointer(&p[0]), unsafe.Pointer(&dst[0])
	for n := len(p) / 4; n > 0; n-- {
		w := *(*uint32)(from)
		*(*uint32)(to) = w
		sum = mix(sum, w)
		from, to = unsafe.Add(from, 4), unsafe.Add(to, 4)
	}
	if rest := p[len(p)&^3:]; len(rest) > 0 {
		w := tail(rest)
		*at(dst, uint32(len(p))&^3) = w
		sum = mix(sum, w)
	}
	return sum
}

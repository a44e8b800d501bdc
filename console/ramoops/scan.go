package ramoops

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/gasp-go/gasp/console"
)

// Record is one record of an earlier life. Text and Dict are copies, Dict as made
// by console.AppendDict.
type Record struct {
	Seq      uint64 // in that life
	Time     int64  // nanoseconds since its boot
	Level    console.Level
	Facility uint8
	Cont     bool
	Text     []byte
	Dict     []byte

	life, index uint32
	end         int // where the next begins in the zone
}

// scan finds the records in a zone. Nothing in it is trusted: what is not a whole
// record with the right sum is none, and the search goes on 8 bytes further. mem
// begins at a multiple of 4 bytes.
//
// damaged is how many records ought to be there besides: by their index, between
// those that are, and, if first, before them; and one more if one was being
// written.
func scan(mem []byte, first bool) (records []Record, life uint32, damaged int) {
	type place struct {
		life, index uint32
		at          int
	}
	var half []place // what begins like a record
	for i := 0; i+headerSize <= len(mem); {
		if binary.LittleEndian.Uint32(mem[i:]) != magic {
			i += 8
			continue
		}
		r, size, ok := parse(mem[i:])
		if !ok {
			half = append(half, place{r.life, r.index, i})
			i += 8
			continue
		}
		i += size
		r.end = i
		records = append(records, r)
	}
	if len(records) == 0 {
		return nil, 0, len(half)
	}
	// One life writes to a zone; it was cleared before.
	life = records[0].life
	for _, r := range records {
		if int32(r.life-life) > 0 {
			life = r.life
		}
	}
	records = slices.DeleteFunc(records, func(r Record) bool { return r.life != life })
	slices.SortStableFunc(records, func(a, b Record) int { return cmp.Compare(a.index, b.index) })
	records = slices.CompactFunc(records, func(a, b Record) bool { return a.index == b.index })
	if first {
		damaged += int(records[0].index)
	}
	for i := 1; i < len(records); i++ {
		damaged += int(records[i].index - records[i-1].index - 1)
	}
	// The one after the newest is behind it, or at the beginning.
	newest := &records[len(records)-1]
	if slices.ContainsFunc(half, func(p place) bool {
		return p.life == life && p.index == newest.index+1 && (p.at == newest.end || p.at == 0)
	}) {
		damaged++
	}
	return records, life, damaged
}

// parse reads the record at the beginning of p. If it is none, life and index are
// set all the same.
func parse(p []byte) (r Record, size int, ok bool) {
	var w [headerWords]uint32
	for i := range w {
		w[i] = binary.LittleEndian.Uint32(p[4*i:])
	}
	r.life, r.index = w[2], w[3]
	text, dict := int(w[8]&0xffff), int(w[8]>>16)
	size = int(sizeOf(text, dict))
	if text > console.MaxText || dict > console.MaxDict || size > len(p) ||
		w[9]&0xff > uint32(console.Debug) || w[9]>>17 != 0 {
		return r, 0, false
	}
	sum := uint32(magic)
	for _, v := range w[2:] {
		sum = mix(sum, v)
	}
	body := p[headerSize:]
	sum = mixBytes(mixBytes(sum, body[:text]), body[4*words(text):][:dict])
	if final(sum) != w[1] {
		return r, 0, false
	}
	r.Seq = uint64(w[4]) | uint64(w[5])<<32
	r.Time = int64(uint64(w[6]) | uint64(w[7])<<32)
	r.Level, r.Facility, r.Cont = console.Level(w[9]), uint8(w[9]>>8), w[9]>>16 != 0
	r.Text = slices.Clone(body[:text])
	r.Dict = slices.Clone(body[4*words(text):][:dict])
	return r, size, true
}

// mixBytes adds p to a sum, as words, the last padded with zeros. p begins at a
// multiple of 4 bytes.
func mixBytes(sum uint32, p []byte) uint32 {
	for len(p) >= 4 {
		sum = mix(sum, *at(p, 0))
		p = p[4:]
	}
	if len(p) > 0 {
		last := uint32(0)
		for i, c := range p {
			last |= uint32(c) << (8 * i)
		}
		sum = mix(sum, last)
	}
	return sum
}

//go:build arm

package kernel

// megabyte counts the pages in a megabyte of mmap's addresses by what they are,
// so that nobody has to look at each: to find room, to print maps. Those of bss
// are the rest of 256.
type megabyte struct {
	none, reserved, promised int16
	mixed                    bool // some may have other rights than read and write, or none
}

var megabytes [maxVM >> 20]megabyte

const maxVM = 1 << 30 // most that Machine.VMSize may be

// megabyteOf is the count for va's megabyte, nil if it is none of mmap's.
func megabyteOf(va uint32) *megabyte {
	if va-machine.VMBase >= machine.VMSize {
		return nil
	}
	return &megabytes[(va-machine.VMBase)>>20]
}

// tally counts n more (or fewer) pages of state s at va, all in one megabyte.
func tally(va uint32, s pageState, n int32) {
	if n == 0 {
		return
	}
	m := megabyteOf(va)
	switch s {
	case pageDemand, pageDemandRO, pageUsed:
		pages.promised += uint32(n)
		if m != nil {
			m.promised += int16(n)
			m.mixed = m.mixed || s == pageDemandRO
		}
	case pageReserved:
		if m != nil {
			m.reserved += int16(n)
		}
	case pageNone:
		if m != nil {
			m.none += int16(n)
			m.mixed = m.mixed && m.none < 256
		}
	}
}

func initMegabytes() {
	for i := range megabytes {
		megabytes[i].none = 256
	}
}

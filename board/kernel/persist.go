//go:build arm

package kernel

// Memory that a warm reset leaves as it was, for what the next boot is to know of
// this one (Linux: ramoops). It lies below the image, in the first megabytes of
// RAM, which U-Boot does not use: that relocates itself to the top. No page frame
// is taken from it, and it is mapped without caches, since a reset loses what is
// only in a cache. Whether the RAM itself keeps its contents depends on the boot
// ROM and the loader (they may initialise the DRAM controller anew).
//
// ramoops.mem_address= and ramoops.mem_size= place it elsewhere: in the same
// megabytes, or in whole megabytes of RAM behind the image. Size 0: there is none.

const (
	persistOffset = 1 << 20 // from the start of RAM
	persistSize   = 256 << 10
	badPersist    = "ramoops: want ramoops.mem_address= and ramoops.mem_size= in pages below the image, or in free megabytes\n"
)

var (
	persistStart, persistSz uint32 // as asked
	persistEnd              uint32 // of what is held out
)

// holdPersistent finds out where it is, and maps it. It runs before page frames
// are given out, after holdOut and holdFiles.
func holdPersistent() {
	const mb = sectionSize - 1
	if len(bootValue("gasp.exec=")) > 0 {
		return // programs do not know of it
	}
	start, size := machine.RAMBase+persistOffset, uint32(persistSize)
	if v := bootValue("ramoops.mem_size="); len(v) > 0 {
		size = parseSize(v)
	}
	if v := bootValue("ramoops.mem_address="); len(v) > 0 {
		start = parseSize(v)
	}
	size &^= pageSize - 1
	if size == 0 {
		return
	}
	end := start + size
	switch {
	case start&(pageSize-1) != 0 || !inRAM(start, size):
		end = 0
	case start >= machine.RAMBase+cmdlineOffset+pageSize && end <= firstOfImage()&^(pageSize-1):
	case start&mb == 0 && start >= (imageEnd+mb)&^mb && (end+mb)&^mb <= tableRanges[3].start:
		end = (end + mb) &^ mb
	default:
		end = 0
	}
	if end == 0 || start < filesEnd && filesStart < end {
		puts(badPersist)
		return
	}
	persistStart, persistSz, persistEnd = start, size, end
	protect(start, end-start, attrDMA)
}

// Persistent returns the memory that a warm reset leaves as it was, with what the
// last boot, or nobody, left there, and its physical address. It is mapped without
// caches and never freed. nil: there is none. To be called once; the caller owns
// it.
func Persistent() (mem []byte, phys uint32) {
	if persistSz == 0 {
		return nil, 0
	}
	return bytesAt(persistStart, persistSz), persistStart
}

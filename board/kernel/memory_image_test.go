//go:build arm && (mx6ulevk || sabrelite)

package kernel_test

import (
	"runtime"
	"runtime/debug"
	"syscall"
	"testing"
	"unsafe"

	"github.com/gasp-go/gasp/board/kernel"
)

// chunks are mappings of fillMemory; static, so that nothing is allocated
// while there is no memory.
var chunks [1024]uintptr

// fillMemory maps and touches memory, a megabyte each, until mmap refuses or
// there is as much as most (bytes), and returns how many chunks there are.
func fillMemory(most uint64) (n int, e syscall.Errno) {
	const size = 1 << 20
	for ; n < len(chunks) && uint64(n)*size < most; n++ {
		p, _, e := syscall.RawSyscall6(syscall.SYS_MMAP2, 0, size, 3, 0x22, ^uintptr(0), 0)
		if e != 0 {
			return n, e
		}
		for i := uintptr(0); i < size; i += 4096 {
			*(*uint32)(unsafe.Add(nil, p+i)) = uint32(p + i)
		}
		chunks[n] = p
	}
	return n, 0
}

// checkMemory gives n chunks back and reports whether they held what they were
// given.
func checkMemory(n int) bool {
	const size = 1 << 20
	ok := true
	for _, p := range chunks[:n] {
		for i := uintptr(0); i < size; i += 4096 {
			ok = ok && *(*uint32)(unsafe.Add(nil, p+i)) == uint32(p+i)
		}
		_, _, e := syscall.RawSyscall(syscall.SYS_MUNMAP, p, size, 0)
		ok = ok && e == 0
	}
	return ok
}

// All memory there is, twice and again: mmap says ENOMEM, every page is one's
// own, and what was taken is given back to the frame.
func TestMemoryCanBeExhaustedAndComesBackWhole(t *testing.T) {
	inImage(t)
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	runtime.GC()
	debug.FreeOSMemory()
	var got [5]int
	var refused [5]syscall.Errno
	var before, full, after [5]kernel.Memory
	whole := true
	for i := range got { // nothing in it allocates
		before[i] = kernel.MemoryStat()
		got[i], refused[i] = fillMemory(1 << 32)
		full[i] = kernel.MemoryStat()
		whole = checkMemory(got[i]) && whole
		after[i] = kernel.MemoryStat()
	}
	if !whole {
		t.Error("a page held what was not its own, or could not be given back")
	}
	same := 0
	for i := range got {
		b, a := before[i], after[i]
		if refused[i] != syscall.ENOMEM {
			t.Errorf("round %d: %v after %d MiB, want ENOMEM", i, refused[i], got[i])
		}
		if left := full[i].Total - full[i].Kernel - full[i].Promised; left >= 1<<20 {
			t.Errorf("round %d: ENOMEM with %d bytes left", i, left)
		}
		// The runtime's own threads may touch a page of theirs meanwhile.
		if a.Free == b.Free && a.Promised == b.Promised && a.Used == b.Used {
			same++
		}
		if lost := int64(b.Free) - int64(a.Free); lost > 8<<12 || lost < -8<<12 {
			t.Errorf("round %d: %d bytes free before, %d after", i, b.Free, a.Free)
		}
		if a.Free+a.Used != b.Free+b.Used {
			t.Errorf("round %d: %d frames before, %d after", i, (b.Free+b.Used)>>12, (a.Free+a.Used)>>12)
		}
	}
	if same == 0 {
		t.Errorf("memory was the same after none of %d rounds", len(got))
	}
	t.Logf("%d MiB of %d, five times", got[0], before[0].Total>>20)
}

// The Go heap takes most of the memory that is free, and gives it back.
func TestHeapGrowsToMostOfMemoryAndShrinks(t *testing.T) {
	inImage(t)
	runtime.GC()
	debug.FreeOSMemory()
	before := kernel.MemoryStat()
	left := before.Total - before.Kernel - before.Promised
	for range 3 {
		var keep [][]byte
		for n := uint64(0); n < left/2; n += 64 << 10 {
			b := make([]byte, 64<<10)
			for i := 0; i < len(b); i += 4096 {
				b[i] = byte(n >> 16)
			}
			keep = append(keep, b)
		}
		for i, b := range keep {
			if b[4096] != byte(i) {
				t.Fatalf("block %d of %d holds %d", i, len(keep), b[4096])
			}
		}
		if used := kernel.MemoryStat().Used; used < left/2 {
			t.Errorf("%d bytes used, with %d on the heap", used, left/2)
		}
		clear(keep)
		keep = nil
		runtime.GC()
		debug.FreeOSMemory()
		if used := kernel.MemoryStat().Used; used > before.Used+left/8 {
			t.Errorf("%d bytes used, %d before there was a heap of %d", used, before.Used, left/2)
		}
	}
}

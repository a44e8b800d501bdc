//go:build arm && (mx6ulevk || sabrelite)

package kernel_test

import (
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/gasp-go/gasp/board/kernel"
)

// In a file of its own, whose tests come late: the heap keeps the right to the
// memory that it once had, and other tests want some, too.

// Calls for many pages are made in steps, by making the call again; signals and
// other threads come in between.
func TestCallsForManyPagesSurviveSignalsAndEachOther(t *testing.T) {
	inImage(t)
	const size = 5<<20 + 3<<12
	var ids [2]atomic.Uintptr
	var stop atomic.Bool
	var working, signalling sync.WaitGroup
	for w := range ids {
		working.Add(1)
		go func() {
			defer working.Done()
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			id, _, _ := syscall.RawSyscall(syscall.SYS_GETTID, 0, 0, 0)
			ids[w].Store(id)
			defer ids[w].Store(0)
			for round := range 8 {
				if err := manyPages(size, uint32(w<<8+round)); err != "" {
					t.Errorf("worker %d, round %d: %s", w, round, err)
					return
				}
			}
		}()
	}
	signalling.Add(1)
	signals := 0
	go func() {
		defer signalling.Done()
		for !stop.Load() {
			for i := range ids {
				if id := ids[i].Load(); id != 0 {
					syscall.RawSyscall(syscall.SYS_TGKILL, 1, id, uintptr(syscall.SIGURG))
					signals++
				}
			}
			time.Sleep(20 * time.Microsecond)
		}
	}()
	working.Wait()
	stop.Store(true)
	signalling.Wait()
	t.Log(signals, "signals")
}

// manyPages maps size bytes and makes every call on all of them; it returns what
// went wrong.
func manyPages(size uintptr, mark uint32) string {
	p, _, e := syscall.RawSyscall6(syscall.SYS_MMAP2, 0, size, 0, 0x22, ^uintptr(0), 0)
	if e != 0 {
		return "mmap: " + e.Error()
	}
	words := unsafe.Slice((*uint32)(unsafe.Add(nil, p)), size/4)
	all := func(fn func(i int) bool) bool {
		for i := 0; i < len(words); i += 1024 {
			if !fn(i) {
				return false
			}
		}
		return true
	}
	zero := func(i int) bool { return words[i] == 0 }
	set := func(i int) bool { words[i] = mark ^ uint32(i); return true }
	isSet := func(i int) bool { return words[i] == mark^uint32(i) }
	over := func() string {
		at, _, e := syscall.RawSyscall6(syscall.SYS_MMAP2, p, size, 3, 0x32, ^uintptr(0), 0)
		if e != 0 || at != p {
			return "MAP_FIXED"
		}
		return ""
	}
	if err := over(); err != "" {
		return err
	}
	if !all(zero) || !all(set) || !all(isSet) {
		return "fresh memory"
	}
	if raw(syscall.SYS_MPROTECT, p, size, 1) != 0 || !all(isSet) || raw(syscall.SYS_MPROTECT, p, size, 3) != 0 || !all(isSet) {
		return "mprotect"
	}
	if raw(syscall.SYS_MADVISE, p, size, 4) != 0 || !all(zero) || !all(set) {
		return "madvise"
	}
	if err := over(); err != "" {
		return err
	}
	if !all(zero) || !all(set) || !all(isSet) {
		return "mapped over"
	}
	if raw(syscall.SYS_MUNMAP, p, size, 0) != 0 {
		return "munmap"
	}
	return ""
}

// pattern is what word i of block n holds.
func pattern(n, i int) uint32 { return uint32(n)*2654435761 ^ uint32(i)*40503 }

// Nearly all memory, by the Go heap: what is in it is its own, the frames come back
// to the kernel, and it all goes once more.
func TestHeapFillsMemoryAgainAndAgain(t *testing.T) {
	inImage(t)
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	runtime.GC()
	debug.FreeOSMemory()
	before := kernel.MemoryStat()
	left := before.Total - before.Kernel - before.Promised
	const words = 16 << 10
	for round := range 3 {
		blocks := make([][]uint32, 0, left/(words*4))
		for kernel.MemoryStat().Free > before.Free/16 && len(blocks) < cap(blocks) {
			b := make([]uint32, words)
			for i := 0; i < len(b); i += 8 {
				b[i] = pattern(len(blocks), i)
			}
			blocks = append(blocks, b)
		}
		got := uint64(len(blocks)) * words * 4
		if got < left*3/4 {
			t.Errorf("round %d: %d bytes of %d", round, got, left)
		}
		for n, b := range blocks {
			for i := 0; i < len(b); i += 8 {
				if b[i] != pattern(n, i) || b[i+1] != 0 {
					t.Fatalf("round %d: words %d of block %d are %#x", round, i, n, b[i:i+2])
				}
			}
		}
		blocks = nil
		debug.FreeOSMemory()
		if now := kernel.MemoryStat(); now.Used > before.Used+left/16 {
			t.Errorf("round %d: %d bytes in use, %d before %d were", round, now.Used, before.Used, got)
		}
	}
}

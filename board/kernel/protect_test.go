//go:build arm

package kernel_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

const (
	protNone  = 0
	protRead  = 1
	protWrite = 3 // and read

	sysMincore = 219
)

// mapped returns size bytes of anonymous memory.
func mapped(t *testing.T, size, prot uintptr) []byte {
	t.Helper()
	p, _, e := syscall.RawSyscall6(syscall.SYS_MMAP2, 0, size, prot, 0x22, ^uintptr(0), 0)
	if e != 0 {
		t.Fatal("mmap:", e)
	}
	t.Cleanup(func() { raw(syscall.SYS_MUNMAP, p, size, 0) })
	return unsafe.Slice((*byte)(unsafe.Add(nil, p)), size)
}

func mprotect(t *testing.T, mem []byte, prot uintptr) {
	t.Helper()
	if e := raw(syscall.SYS_MPROTECT, uintptr(unsafe.Pointer(&mem[0])), uintptr(len(mem)), prot); e != 0 {
		t.Fatalf("mprotect to %d: %v", prot, e)
	}
}

// mayAccess checks what may be done with the byte at p, by the program and by a
// system call for it.
func mayAccess(t *testing.T, p *byte, read, write bool) {
	t.Helper()
	addr := uintptr(unsafe.Pointer(p))
	if e := raw(syscall.SYS_CLOCK_GETTIME, 1, addr, 0); (e == 0) != write || e != 0 && e != syscall.EFAULT {
		t.Errorf("a system call stores there: %v, want %v", e == 0, write)
	}
	if e := raw(syscall.SYS_NANOSLEEP, addr, 0, 0); !read && e == 0 {
		t.Error("a system call reads there")
	}
	var v byte
	if at, fault := faults(t, func() { v = *p }); fault == read || fault && at != addr {
		t.Errorf("reading: fault %v at %#x, want %v", fault, at, !read)
	}
	if at, fault := faults(t, func() { *p = v }); fault == write || fault && at != addr {
		t.Errorf("writing: fault %v at %#x, want %v", fault, at, !write)
	}
}

func TestReadOnlyMappingsAreNotWritable(t *testing.T) {
	mem := mapped(t, 3*4096, protRead)
	mayAccess(t, &mem[0], true, false)
	if mem[4096] != 0 {
		t.Error("not zero")
	}
	mayAccess(t, &mem[4096], true, false) // touched
	mprotect(t, mem, protWrite)
	for i := range mem {
		mem[i] = byte(i>>8) | 0x80
	}
	mprotect(t, mem[4096:8192], protRead)
	mayAccess(t, &mem[4096], true, false)
	mayAccess(t, &mem[4088], true, true)
	mayAccess(t, &mem[8192], true, true)
	for i := 4096; i < 8192; i++ {
		if mem[i] != byte(i>>8)|0x80 {
			t.Fatalf("byte %d is %#x after mprotect", i, mem[i])
		}
	}
}

func TestMprotectKeepsContents(t *testing.T) {
	mem := mapped(t, 2*4096, protWrite)
	mem[0], mem[5000] = 1, 2
	mprotect(t, mem, protNone)
	mayAccess(t, &mem[0], false, false)
	mayAccess(t, &mem[5000], false, false)
	if e := raw(syscall.SYS_MADVISE, uintptr(unsafe.Pointer(&mem[0])), 4096, 4); e != 0 {
		t.Error("MADV_DONTNEED:", e)
	}
	mayAccess(t, &mem[0], false, false)
	mprotect(t, mem, protRead)
	if mem[0] != 0 || mem[5000] != 2 {
		t.Errorf("memory holds %d and %d, want 0 as given back and 2", mem[0], mem[5000])
	}
	mayAccess(t, &mem[5000], true, false)
	mprotect(t, mem, protWrite)
	mayAccess(t, &mem[0], true, true)
}

// A range of many megabytes is worked on in steps.
func TestMprotectChangesTheWholeOfALargeRange(t *testing.T) {
	const size = 9 << 20
	mem := mapped(t, size, protNone)
	at := []int{0, 1 << 20, 5<<20 + 4096, size - 1}
	mprotect(t, mem, protWrite)
	for _, i := range at {
		mem[i] = 1
	}
	mprotect(t, mem, protRead)
	for _, i := range at {
		if _, fault := faults(t, func() { mem[i] = 2 }); !fault || mem[i] != 1 {
			t.Errorf("byte %d was written", i)
		}
	}
}

func TestMprotectRefusesWhatIsNotThere(t *testing.T) {
	mem := mapped(t, 3*4096, protWrite)
	p := uintptr(unsafe.Pointer(&mem[0]))
	raw(syscall.SYS_MUNMAP, p+4096, 4096, 0)
	for _, c := range []struct {
		name             string
		addr, size, prot uintptr
		want             syscall.Errno
	}{
		{"a hole", p, 3 * 4096, protWrite, syscall.ENOMEM},
		{"a misaligned address", p + 1, 4096, protWrite, syscall.EINVAL},
		{"rights that there are not", p, 4096, 0x40, syscall.EINVAL},
		{"nothing", p, 0, protRead, 0},
	} {
		if e := raw(syscall.SYS_MPROTECT, c.addr, c.size, c.prot); e != c.want {
			t.Errorf("%s: %v, want %v", c.name, e, c.want)
		}
	}
}

func TestMapsTellRightsThatMprotectGave(t *testing.T) {
	onKernel(t)
	mem := mapped(t, 6*4096, protNone)
	mprotect(t, mem[4096:3*4096], protRead)
	mprotect(t, mem[3*4096:], protWrite)
	mem[3*4096], mem[4*4096] = 1, 1
	mprotect(t, mem[4*4096:5*4096], protNone)
	p := uintptr(unsafe.Pointer(&mem[0]))
	maps := slurp(t, "/proc/self/maps")
	for _, want := range []string{
		fmt.Sprintf("%08x-%08x r--p", p+4096, p+3*4096),
		fmt.Sprintf("%08x-%08x rw-p", p+3*4096, p+4*4096),
		fmt.Sprintf("%08x-%08x ---p", p+4*4096, p+5*4096),
	} {
		if !strings.Contains(maps, want) {
			t.Errorf("no %q in\n%s", want, maps)
		}
	}
}

func TestMincoreTellsWhatIsResident(t *testing.T) {
	const size = 300 * 4096 // more than one step
	mem := mapped(t, size, protWrite)
	mem[4096], mem[299*4096] = 1, 1
	p := uintptr(unsafe.Pointer(&mem[0]))
	var vec [300]byte
	v := uintptr(unsafe.Pointer(&vec))
	if e := raw(sysMincore, p, size, v); e != 0 {
		t.Fatal(e)
	}
	for i, got := range vec {
		want := byte(0)
		if i == 1 || i == 299 {
			want = 1
		}
		if got != want {
			t.Errorf("page %d: %d, want %d", i, got, want)
		}
	}
	raw(syscall.SYS_MUNMAP, p+4096, 4096, 0)
	for _, c := range []struct {
		name            string
		addr, size, vec uintptr
		want            syscall.Errno
	}{
		{"a misaligned address", p + 1, 4096, v, syscall.EINVAL},
		{"a hole", p, 3 * 4096, v, syscall.ENOMEM},
		{"a bad vector", p, 4096, bad[1], syscall.EFAULT},
		{"nothing", p, 0, bad[1], 0},
	} {
		if e := raw(sysMincore, c.addr, c.size, c.vec); e != c.want {
			t.Errorf("%s: %v, want %v", c.name, e, c.want)
		}
	}
}

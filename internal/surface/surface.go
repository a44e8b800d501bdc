//go:build linux && arm

package surface

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"syscall"
	"unsafe"
)

// Config is what is tried.
type Config struct {
	Kernel []uintptr // addresses no program may name: the kernel's, devices'
	Seed   uint64    // of the random part
	Random int       // calls drawn at random
	Only   []uint32  // the random part's numbers; none: all of them

	NoMatrix bool         // the random part alone
	FDs      func() []int // more descriptors to make calls with

	Failf func(format string, args ...any)
}

const (
	numbers     = 501     // 0 to 500
	private     = 0xf0000 // ARM's own calls: cacheflush, set_tls, …
	scratchSize = 64 << 10
	firstFD     = 64 // the lowest of ours: those below are the runtime's and the test's
)

// Stat tells what was done.
type Stat struct{ Calls, Skipped, Succeeded int }

// tester makes the calls, on one thread.
type tester struct {
	Config
	Stat
	scratch uintptr // may be read and written; behind it nothing may
	values  []uintptr
	text    uintptr
	fds     []int
	opened  int
	mask    [2]uint32
	watch   watchdog
}

// Run tries all there is.
func Run(c Config) Stat {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if dir, err := os.Getwd(); err == nil {
		defer os.Chdir(dir) // chdir and fchdir are among the calls
	}
	t := &tester{Config: c}
	t.prepare()
	defer closeFDs()
	t.watch.start()
	defer t.watch.end()
	if !c.NoMatrix {
		t.matrix()
	}
	t.random()
	return t.Stat
}

func (t *tester) prepare() {
	p, _, e := syscall.Syscall6(syscall.SYS_MMAP2, 0, 2*scratchSize, 3, 0x22, ^uintptr(0), 0)
	if e == 0 {
		e = errnoOf(syscall.Syscall(syscall.SYS_MUNMAP, p+scratchSize, scratchSize, 0))
	}
	if e == 0 { // reserved, so that nobody else gets it
		e = errnoOf(syscall.Syscall6(syscall.SYS_MMAP2, p+scratchSize, scratchSize, 0, 0x32, ^uintptr(0), 0))
	}
	if e != 0 {
		t.Failf("memory to play with: %v", e)
		return
	}
	f := (*tester).prepare
	t.text = **(**uintptr)(unsafe.Pointer(&f))
	t.scratch = p
	for _, v := range append([]uintptr{
		0, 1, 3, 8, 16, 4096, 65536,
		^uintptr(0), ^uintptr(99), 1 << 31, 1<<31 - 1, 1 << 30, // -1, AT_FDCWD, INT_MIN, …
		0xff8, 0x1000, // page 0 and its end
		0xfffff000, 0xfffffffc, 0xfffffff1, // around the end
		p, p + 1, p + 2, p + 4096, p + scratchSize - 4, p + scratchSize - 1, // the last cross into:
		p + scratchSize, p + scratchSize + 5, // reserved, no access
		t.text, t.text + 2,
	}, t.Kernel...) {
		t.values = append(t.values, t.harmless(v))
	}
	t.reopen()
	raw(syscall.SYS_RT_SIGPROCMASK, 0, 0, uintptr(unsafe.Pointer(&t.mask)), 8, 0, 0)
}

// matrix tries every number with every value as every argument, the others being
// plausible ones.
func (t *tester) matrix() {
	for nr := range uint32(numbers) {
		t.row(nr)
	}
	for nr := range uint32(16) {
		t.row(private + nr)
	}
	for _, nr := range []uint32{512, 0xffff, 0x10001, 0x900000, 1 << 31, ^uint32(0)} {
		t.row(nr)
	}
}

func (t *tester) row(nr uint32) {
	for i := range 6 {
		for _, v := range t.values {
			a := [6]uintptr{t.scratch, t.scratch + 4096, t.scratch + 8192, 4, 0, 0}
			a[i] = v
			t.try(nr, a)
			if i != 0 {
				a = [6]uintptr{t.fd(nr + uint32(i)), t.scratch, 128, 0, 0, 0}
				a[i] = v
				t.try(nr, a)
			}
			a = [6]uintptr{}
			a[i] = v
			t.try(nr, a)
		}
	}
}

// random draws calls.
func (t *tester) random() {
	rng := rand.New(rand.NewPCG(t.Seed, 0))
	for range t.Random {
		nr := rng.Uint32N(numbers)
		if len(t.Only) > 0 {
			nr = t.Only[rng.IntN(len(t.Only))]
		}
		var a [6]uintptr
		for i := range a {
			switch rng.IntN(8) {
			case 0:
				a[i] = t.harmless(uintptr(rng.Uint32()))
			case 1:
				a[i] = uintptr(rng.Uint32N(256))
			case 2:
				a[i] = t.scratch + uintptr(rng.Uint32N(scratchSize))
			case 3:
				a[i] = t.harmless(1 << rng.Uint32N(32))
			case 4, 5:
				a[i] = t.fd(rng.Uint32())
			default:
				a[i] = t.values[rng.IntN(len(t.values))]
			}
		}
		if t.FDs != nil && rng.IntN(4) > 0 {
			a[0] = t.fd(rng.Uint32()) // what the calls are about
		}
		// What the calls find in memory varies, too.
		word := (*uint32)(unsafe.Add(nil, t.scratch+uintptr(rng.Uint32N(scratchSize/4))*4))
		*word = uint32(t.values[rng.IntN(len(t.values))])
		t.try(nr, a)
	}
}

func (t *tester) fd(i uint32) uintptr { return uintptr(t.fds[i%uint32(len(t.fds))]) }

// try makes a call, unless it is one of those that may not be made, and puts
// right what it changed.
func (t *tester) try(nr uint32, a [6]uintptr) {
	if t.never(nr, a) {
		t.Skipped++
		return
	}
	t.Calls++
	t.watch.begin(nr, a)
	r, e := raw(uintptr(nr), a[0], a[1], a[2], a[3], a[4], a[5])
	closed := t.watch.done()
	if e == 0 {
		t.Succeeded++
	}
	if e > 133 {
		t.Failf("%s: %d is no errno", callText(nr, a), e)
	}
	t.repair(nr, a, r, e == 0)
	if closed {
		t.reopen()
	}
}

func callText(nr uint32, a [6]uintptr) string { return fmt.Sprintf("system call %d, %#x", nr, a) }

// harmless returns v if it is no address in the test's own memory, where a call
// might store what it has to tell, and 0 if it is.
func (t *tester) harmless(v uintptr) uintptr {
	if v-t.scratch < scratchSize || v-t.text < 4 || !t.readable(v) {
		return v
	}
	return 0
}

// readable reports whether a program may read at p.
func (t *tester) readable(p uintptr) bool {
	_, e := raw(syscall.SYS_RT_SIGPROCMASK, 99, p, 0, 8, 0, 0)
	return e != syscall.EFAULT
}

func raw(nr, a, b, c, d, e, f uintptr) (uintptr, syscall.Errno) {
	r, _, err := syscall.Syscall6(nr, a, b, c, d, e, f)
	return r, err
}

func errnoOf(_, _ uintptr, e syscall.Errno) syscall.Errno { return e }

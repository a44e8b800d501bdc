//go:build arm && (mx6ulevk || sabrelite)

package kernel_test

import (
	"bytes"
	"syscall"
	"testing"
	"unsafe"

	"github.com/gasp-go/gasp/board/kernel"
)

const sysGetrandom = 384

func getrandom(b []byte, flags uintptr) (int, syscall.Errno) {
	n, _, e := syscall.RawSyscall(sysGetrandom, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), flags)
	return int(n), e
}

func TestGetrandomFlags(t *testing.T) {
	for _, c := range []struct {
		flags uintptr
		want  syscall.Errno
	}{
		{0, 0}, {1, 0}, {2, 0}, {3, 0}, {4, 0}, {5, 0},
		{6, syscall.EINVAL}, {7, syscall.EINVAL}, {8, syscall.EINVAL}, {1 << 31, syscall.EINVAL}, {0xffffffff, syscall.EINVAL},
	} {
		b := make([]byte, 32)
		n, e := getrandom(b, c.flags)
		if e != c.want {
			t.Errorf("flags %#x: %v, want %v", c.flags, e, c.want)
		}
		if e == 0 && (n != len(b) || bytes.Equal(b, make([]byte, 32))) {
			t.Errorf("flags %#x: %d bytes, %x", c.flags, n, b)
		}
	}
}

// Without a seed a caller that will not wait gets EAGAIN; one that waits gets
// jitter collected, and its bytes within a bound even if there is none.
func TestGetrandomWaitsForEntropy(t *testing.T) {
	inImage(t)
	was := kernel.RandomSeeded()
	defer func() {
		if was {
			kernel.Seed()
		}
	}()
	_, _, most := kernel.Samples()
	b := make([]byte, 32)

	kernel.ForgetSeed(0)
	if kernel.RandomSeeded() {
		t.Fatal("seeded")
	}
	if n, e := getrandom(b, 1); e != syscall.EAGAIN {
		t.Errorf("GRND_NONBLOCK: %d, %v, want EAGAIN", n, e)
	}
	if n, e := getrandom(b, 4); n != len(b) || e != 0 {
		t.Errorf("GRND_INSECURE: %d, %v", n, e)
	}
	kernel.ForgetSeed(0)
	t0 := kernel.Nanotime()
	if n, e := getrandom(b, 0); n != len(b) || e != 0 {
		t.Errorf("%d, %v", n, e)
	}
	taken, counted, _ := kernel.Samples()
	t.Logf("%d samples, of which %d count, in %d ns", taken, counted, kernel.Nanotime()-t0)
	switch seeded := kernel.RandomSeeded(); {
	case seeded != (counted >= 256):
		t.Errorf("seeded %v with %d credits", seeded, counted)
	case !seeded && taken < most:
		t.Errorf("gave up after %d samples", taken)
	}
	if regular() && kernel.RandomSeeded() {
		t.Error("a regular timer counts as random")
	}

	// Where the bound was reached it returns at once.
	kernel.ForgetSeed(most)
	if n, e := getrandom(b, 0); n != len(b) || e != 0 {
		t.Errorf("at the bound: %d, %v", n, e)
	}
	if n, e := getrandom(b, 1); e != syscall.EAGAIN {
		t.Errorf("at the bound, GRND_NONBLOCK: %d, %v, want EAGAIN", n, e)
	}
	if now, _, _ := kernel.Samples(); now != most {
		t.Errorf("%d samples more at the bound", now-most)
	}
}

// Two callers meanwhile both get bytes, and different ones.
func TestGetrandomSharesTheWait(t *testing.T) {
	inImage(t)
	was := kernel.RandomSeeded()
	kernel.ForgetSeed(0)
	got := make(chan [32]byte)
	for range 4 {
		go func() {
			var b [32]byte
			getrandom(b[:], 0)
			got <- b
		}()
	}
	seen := map[[32]byte]bool{{}: true}
	for range 4 {
		b := <-got
		if seen[b] {
			t.Errorf("%x twice", b)
		}
		seen[b] = true
	}
	if was {
		kernel.Seed()
	}
}

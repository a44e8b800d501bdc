//go:build arm && (mx6ulevk || sabrelite)

package kernel_test

import (
	"bytes"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/gasp-go/gasp/board"
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

// unseeded forgets the seed for the length of a test, and the hardware's
// generator if there is one.
func unseeded(t *testing.T) {
	t.Helper()
	inImage(t)
	was := kernel.RandomSeeded()
	hw := kernel.SetEntropy(nil)
	kernel.ForgetSeed()
	t.Cleanup(func() {
		kernel.SetEntropy(hw)
		if was {
			kernel.Seed()
		}
	})
	if kernel.RandomSeeded() {
		t.Fatal("seeded")
	}
}

func TestGetrandomWithoutASeedWaitsOnlyForWhoWantsIt(t *testing.T) {
	unseeded(t)
	b := make([]byte, 32)
	if n, e := getrandom(b, 1); e != syscall.EAGAIN {
		t.Errorf("GRND_NONBLOCK: %d, %v, want EAGAIN", n, e)
	}
	if n, e := getrandom(b, 4); n != len(b) || e != 0 {
		t.Errorf("GRND_INSECURE: %d, %v", n, e)
	}
}

// getrandomIn has another thread call getrandom.
func getrandomIn() chan [32]byte {
	got := make(chan [32]byte, 1)
	go func() {
		var b [32]byte
		n, _, e := syscall.Syscall(sysGetrandom, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), 0)
		if n != 32 || e != 0 {
			b = [32]byte{}
		}
		got <- b
	}()
	return got
}

// blocked fails the test if getrandom returns within d. The CPU is idle most of
// the time meanwhile.
func blocked(t *testing.T, got chan [32]byte, d time.Duration) {
	t.Helper()
	t0, idle := kernel.Nanotime(), kernel.CPUStat().Idle
	select {
	case b := <-got:
		t.Errorf("getrandom returned %x, not seeded", b)
	case <-time.After(d):
	}
	took := kernel.Nanotime() - t0
	if idle = kernel.CPUStat().Idle - idle; idle < took*3/4 {
		t.Errorf("the CPU was idle for %v of %v", time.Duration(idle), time.Duration(took))
	}
}

// With a timer that is perfectly regular there is no jitter, so that getrandom
// waits for something else: interrupts of devices.
func TestGetrandomBlocksUntilInterruptsSeedIt(t *testing.T) {
	unseeded(t)
	if !regular() {
		t.Skip("the timer's jitter seeds it without gasp test -icount")
	}
	got := getrandomIn()
	blocked(t, got, 100*time.Millisecond)
	kernel.Interrupted(40, 255*64)
	blocked(t, got, 100*time.Millisecond)
	if taken, _ := kernel.Samples(); taken < 100 || taken > 16*300 {
		t.Errorf("%d samples taken in 200 ms", taken)
	}
	kernel.Interrupted(40, 64)
	if b := <-got; b == [32]byte{} {
		t.Error("no random numbers")
	}
	if _, counted := kernel.Samples(); !kernel.RandomSeeded() || counted != 256 {
		t.Errorf("seeded %v with %d credits", kernel.RandomSeeded(), counted)
	}
}

func TestGetrandomThatWaitsForLongSaysSo(t *testing.T) {
	unseeded(t)
	if !regular() {
		t.Skip("the timer's jitter seeds it without gasp test -icount")
	}
	var line [256]byte // trap context stores no pointers
	n := 0
	before := kernel.ErrorHook
	kernel.ErrorHook = func(l []byte) { n = copy(line[:], l) }
	defer func() { kernel.ErrorHook = before }()
	got := getrandomIn()
	blocked(t, got, kernel.ComplainAfter-10*time.Millisecond)
	if n != 0 {
		t.Errorf("too early: %q", line[:n])
	}
	blocked(t, got, 20*time.Millisecond)
	if !bytes.Contains(line[:n], []byte("gasp.seed=")) {
		t.Errorf("the console has %q", line[:n])
	}
	n = 0
	blocked(t, got, 2*kernel.ComplainAfter)
	if n != 0 {
		t.Errorf("said again: %q", line[:n])
	}
	kernel.Seed()
	<-got
}

// The timer of a CPU that is not emulated instruction by instruction has jitter.
func TestJitterSeedsGetrandom(t *testing.T) {
	unseeded(t)
	if regular() {
		t.Skip("no jitter with gasp test -icount")
	}
	if b := <-getrandomIn(); b == [32]byte{} {
		t.Error("no random numbers")
	}
	taken, counted := kernel.Samples()
	t.Logf("%d samples, of which %d count", taken, counted)
	if !kernel.RandomSeeded() || counted != 256 {
		t.Errorf("seeded %v with %d credits", kernel.RandomSeeded(), counted)
	}
}

// entropy stands for a hardware generator.
var entropyReady, entropyTaken atomic.Uint32

func entropy() (uint32, bool) {
	if entropyReady.Load() == 0 {
		return 0, false
	}
	entropyReady.Add(^uint32(0))
	return entropyTaken.Add(1) * 0x9e3779b1, true
}

// The generator's words seed getrandom: 16 of them, not fewer.
func TestHardwareSeedsGetrandom(t *testing.T) {
	unseeded(t)
	entropyTaken.Store(0)
	entropyReady.Store(15)
	kernel.SetEntropy(entropy)
	if regular() {
		got := getrandomIn()
		blocked(t, got, 10*time.Millisecond)
		if n := entropyTaken.Load(); n != 15 {
			t.Errorf("%d words taken of 15", n)
		}
		entropyReady.Store(1)
		<-got
	} else {
		entropyReady.Store(16)
		<-getrandomIn()
	}
	if !kernel.RandomSeeded() {
		t.Error("not seeded")
	}
}

// Random numbers that are asked for later have new words in them, but not all the
// time.
func TestHardwareIsAskedAgain(t *testing.T) {
	inImage(t)
	hw := kernel.SetEntropy(entropy)
	defer func() { kernel.SetEntropy(hw) }()
	if !regular() {
		t.Skip("takes a minute without gasp test -icount")
	}
	b := make([]byte, 32)
	entropyReady.Store(1000)
	for _, c := range []struct {
		pause time.Duration
		want  uint32
	}{{0, 16}, {0, 0}, {59 * time.Second, 0}, {time.Second, 16}, {time.Second, 0}} {
		time.Sleep(c.pause)
		entropyTaken.Store(0)
		if n, e := getrandom(b, 0); n != 32 || e != 0 {
			t.Fatal(n, e)
		}
		if n := entropyTaken.Load(); n != c.want {
			t.Errorf("%d words taken after %v, want %d", n, c.pause, c.want)
		}
	}
	// One that had none is asked sooner.
	entropyReady.Store(0)
	time.Sleep(time.Minute)
	getrandom(b, 0)
	entropyReady.Store(1000)
	entropyTaken.Store(0)
	time.Sleep(200 * time.Millisecond)
	getrandom(b, 0)
	if n := entropyTaken.Load(); n != 16 {
		t.Errorf("%d words taken once there are some", n)
	}
}

// Callers that wait together all get bytes, and different ones.
func TestGetrandomSharesTheWait(t *testing.T) {
	unseeded(t)
	var got [4]chan [32]byte
	for i := range got {
		got[i] = getrandomIn()
	}
	time.Sleep(10 * time.Millisecond)
	kernel.Interrupted(40, 256*64)
	seen := map[[32]byte]bool{{}: true}
	for _, c := range got {
		b := <-c
		if seen[b] {
			t.Errorf("%x twice", b)
		}
		seen[b] = true
	}
}

// QEMU's machines have no CAAM: its registers read as zero.
func TestMissingGeneratorIsSeenAndSaid(t *testing.T) {
	inImage(t)
	if s := board.Current().SoC.RNG.Status(); s != "CAAM not there" && s != "CAAM running" {
		t.Errorf("status %q", s)
	}
}

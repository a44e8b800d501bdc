//go:build arm

package kernel_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"runtime"
	"runtime/pprof"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// spendTime computes for d of this thread's CPU time.
//
//go:noinline
func spendTime(d time.Duration) (x float64) {
	for end := threadTime() + d; threadTime() < end; {
		for i := range 20_000 {
			x += float64(i) / (x + 1)
		}
	}
	return x
}

// threadTime is the CPU time of the calling thread.
func threadTime() time.Duration {
	var ts syscall.Timespec
	if e := raw(syscall.SYS_CLOCK_GETTIME, 3, uintptr(unsafe.Pointer(&ts)), 0); e != 0 {
		panic(e)
	}
	return time.Duration(ts.Nano())
}

// profile is what is needed of a profile in pprof's format.
type profile struct {
	strings []string
	funcs   map[uint64]string // by function ID
	locs    map[uint64]uint64 // function of the innermost frame, by location
	leaves  map[uint64]int64  // samples by location of the innermost frame
	samples int64
}

// fields calls fn for each field of a protocol buffer message.
func fields(t *testing.T, b []byte, fn func(num uint64, v uint64, data []byte)) {
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		if n <= 0 {
			t.Fatal("profile: bad tag")
		}
		b = b[n:]
		v, n := binary.Uvarint(b)
		if n <= 0 {
			t.Fatal("profile: bad number")
		}
		b = b[n:]
		switch tag & 7 {
		case 0:
			fn(tag>>3, v, nil)
		case 2:
			if v > uint64(len(b)) {
				t.Fatal("profile: short field")
			}
			fn(tag>>3, 0, b[:v])
			b = b[v:]
		default:
			t.Fatal("profile: wire type", tag&7)
		}
	}
}

// parseProfile reads a profile (github.com/google/pprof, proto/profile.proto).
func parseProfile(t *testing.T, zipped []byte) profile {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(zipped))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	p := profile{funcs: map[uint64]string{}, locs: map[uint64]uint64{}, leaves: map[uint64]int64{}}
	names := map[uint64]uint64{}
	fields(t, b, func(num, _ uint64, data []byte) {
		switch num {
		case 2: // Sample: location_id, value
			var locs, values []uint64
			fields(t, data, func(num, v uint64, packed []byte) {
				all := []uint64{v}
				for all = all[:1-min(1, len(packed))]; len(packed) > 0; {
					v, n := binary.Uvarint(packed)
					all, packed = append(all, v), packed[n:]
				}
				switch num {
				case 1:
					locs = append(locs, all...)
				case 2:
					values = append(values, all...)
				}
			})
			if len(locs) > 0 && len(values) > 0 {
				p.leaves[locs[0]] += int64(values[0])
				p.samples += int64(values[0])
			}
		case 4: // Location: id, line
			var id, fn uint64
			fields(t, data, func(num, v uint64, line []byte) {
				if num == 1 {
					id = v
				}
				if num == 4 && fn == 0 {
					fields(t, line, func(num, v uint64, _ []byte) {
						if num == 1 {
							fn = v
						}
					})
				}
			})
			p.locs[id] = fn
		case 5: // Function: id, name
			var id, name uint64
			fields(t, data, func(num, v uint64, _ []byte) {
				switch num {
				case 1:
					id = v
				case 2:
					name = v
				}
			})
			names[id] = name
		case 6:
			p.strings = append(p.strings, string(data))
		}
	})
	for id, name := range names {
		p.funcs[id] = p.strings[name]
	}
	return p
}

// in is how many samples were taken in functions whose name ends so.
func (p profile) in(name string) (n int64) {
	for loc, samples := range p.leaves {
		if strings.HasSuffix(p.funcs[p.locs[loc]], name) {
			n += samples
		}
	}
	return n
}

func TestCPUProfileNamesTheBusyFunction(t *testing.T) {
	var buf bytes.Buffer
	if err := pprof.StartCPUProfile(&buf); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	runtime.LockOSThread() // threadTime is a thread's
	spendTime(time.Second)
	runtime.UnlockOSThread()
	wall := time.Since(start)
	pprof.StopCPUProfile()
	p := parseProfile(t, buf.Bytes())
	in := p.in(".spendTime") + p.in(".threadTime") + p.in(".raw") + p.in("RawSyscall6")
	t.Logf("%d samples, %d in the busy function, in %v", p.samples, in, wall)
	// 100 in a second of CPU time, fewer if the host was elsewhere meanwhile.
	if in < 20 || in > 110 || in < p.samples/2 {
		t.Errorf("%d samples, %d of them in the busy function; want about 100", p.samples, in)
	}
}

func TestSleepingThreadsAreNotInTheProfile(t *testing.T) {
	var buf bytes.Buffer
	if err := pprof.StartCPUProfile(&buf); err != nil {
		t.Fatal(err)
	}
	before := processTime(t)
	time.Sleep(300 * time.Millisecond)
	pprof.StopCPUProfile()
	// What the CPU was busy nevertheless, on a loaded host with standing still.
	busy := processTime(t) - before
	if p := parseProfile(t, buf.Bytes()); p.samples > 5+int64(busy/(5*time.Millisecond)) {
		t.Errorf("%d samples of a program that sleeps, with the CPU busy for %v", p.samples, busy)
	}
}

// processTime is the CPU time of all threads.
func processTime(t *testing.T) time.Duration {
	t.Helper()
	var ts syscall.Timespec
	const processCPUTime = 2
	if e := raw(syscall.SYS_CLOCK_GETTIME, processCPUTime, uintptr(unsafe.Pointer(&ts)), 0); e != 0 {
		t.Fatal(e)
	}
	return time.Duration(ts.Nano())
}

func TestTwoBusyThreadsShareTheProfile(t *testing.T) {
	var buf bytes.Buffer
	if err := pprof.StartCPUProfile(&buf); err != nil {
		t.Fatal(err)
	}
	done := make(chan bool)
	for range 2 {
		go func() {
			runtime.LockOSThread() // and the thread ends with its timer
			spendTime(500 * time.Millisecond)
			done <- true
		}()
	}
	<-done
	<-done
	pprof.StopCPUProfile()
	p := parseProfile(t, buf.Bytes())
	if n := p.in(".spendTime") + p.in(".threadTime") + p.in(".raw") + p.in("RawSyscall6"); n < 20 || n > 110 {
		t.Errorf("%d samples of a second of CPU time in two threads, %d in all", n, p.samples)
	}
}

// A thread that ends leaves its timer behind.
func TestTimersOfEndedThreadsComeBack(t *testing.T) {
	for range 5 {
		if err := pprof.StartCPUProfile(io.Discard); err != nil {
			t.Fatal(err)
		}
		done := make(chan bool)
		for range 50 {
			go func() {
				runtime.LockOSThread()
				spendTime(time.Millisecond)
				done <- true
			}()
		}
		for range 50 {
			<-done
		}
		pprof.StopCPUProfile()
	}
}

const (
	sysTimerCreate    = 257
	sysTimerSettime   = 258
	sysTimerDelete    = 261
	sysTimerSettime64 = 409
)

// event is a struct sigevent for SIGPROF to this thread.
func event() [16]uint32 { return [16]uint32{1: 27, 2: 4, 3: uint32(syscall.Gettid())} }

func TestProfileTimersGetLinuxErrors(t *testing.T) {
	onKernel(t)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	good, other, sig, notify := event(), event(), event(), event()
	other[3], sig[1], notify[2] = 77777, 65, 9
	var id uint32
	var spec, old [8]uint32
	at := func(p *[16]uint32) uintptr { return uintptr(unsafe.Pointer(p)) }
	idp, specp, oldp := uintptr(unsafe.Pointer(&id)), uintptr(unsafe.Pointer(&spec)), uintptr(unsafe.Pointer(&old))
	if e := raw(sysTimerCreate, 3, at(&good), idp); e != 0 {
		t.Fatal(e)
	}
	n := uintptr(id)
	spec = [8]uint32{2: 100} // in 100 s of CPU time
	if e := raw6(sysTimerSettime, n, 0, specp, 0); e != 0 {
		t.Fatal(e)
	}
	if e := raw6(sysTimerSettime, n, 0, specp, oldp); e != 0 || old[2] < 98 || old[2] > 100 {
		t.Errorf("old value %v, %v", old, e)
	}
	wrong := [8]uint32{3: 1_000_000_000}
	wrongp := uintptr(unsafe.Pointer(&wrong))
	negative := [8]uint32{1 << 31}
	negativep := uintptr(unsafe.Pointer(&negative))
	for _, c := range []struct {
		name      string
		got, want syscall.Errno
	}{
		{"unknown clock", raw(sysTimerCreate, 99, at(&good), idp), syscall.EINVAL},
		{"another thread", raw(sysTimerCreate, 3, at(&other), idp), syscall.EINVAL},
		{"signal 65", raw(sysTimerCreate, 3, at(&sig), idp), syscall.EINVAL},
		{"unknown notification", raw(sysTimerCreate, 3, at(&notify), idp), syscall.EINVAL},
		{"event at a bad pointer", raw(sysTimerCreate, 3, bad[1], idp), syscall.EFAULT},
		{"number to a bad pointer", raw(sysTimerCreate, 3, at(&good), bad[1]), syscall.EFAULT},
		{"no such timer", raw6(sysTimerSettime, 1<<31, 0, specp, 0), syscall.EINVAL},
		{"no such timer, 64", raw6(sysTimerSettime64, 143, 0, specp, 0), syscall.EINVAL},
		{"no spec", raw6(sysTimerSettime, n, 0, 0, 0), syscall.EINVAL},
		{"spec at a bad pointer", raw6(sysTimerSettime, n, 0, bad[2], 0), syscall.EFAULT},
		{"old to a bad pointer", raw6(sysTimerSettime64, n, 0, specp, bad[2]), syscall.EFAULT},
		{"too many nanoseconds", raw6(sysTimerSettime, n, 0, wrongp, 0), syscall.EINVAL},
		{"negative seconds", raw6(sysTimerSettime, n, 0, negativep, 0), syscall.EINVAL},
		{"delete", raw(sysTimerDelete, n, 0, 0), 0},
		{"delete again", raw(sysTimerDelete, n, 0, 0), syscall.EINVAL},
		{"usage of children", raw(syscall.SYS_GETRUSAGE, ^uintptr(0), specp, 0), syscall.EINVAL},
		{"usage to a bad pointer", raw(syscall.SYS_GETRUSAGE, 0, bad[1], 0), syscall.EFAULT},
		{"unknown interval timer", raw(syscall.SYS_SETITIMER, 7, specp, 0), syscall.EINVAL},
		{"interval at a bad pointer", raw(syscall.SYS_SETITIMER, 2, bad[1], 0), syscall.EFAULT},
		{"old interval to a bad pointer", raw(syscall.SYS_SETITIMER, 2, 0, bad[1]), syscall.EFAULT},
		{"too many microseconds", raw(syscall.SYS_SETITIMER, 2, wrongp, 0), syscall.EINVAL},
		{"a clock that cannot be set", raw(syscall.SYS_CLOCK_SETTIME, 1, specp, 0), syscall.EINVAL},
		{"a time that is none", raw(syscall.SYS_CLOCK_SETTIME, 0, wrongp+8, 0), syscall.EINVAL},
	} {
		if c.got != c.want {
			t.Errorf("%s: %v, want %v", c.name, c.got, c.want)
		}
	}
	runtime.KeepAlive(&spec)
}

func TestSettingTheClockMovesWallTimeOnly(t *testing.T) {
	onKernel(t)
	before := time.Now()
	defer func() {
		now := syscall.NsecToTimeval(before.Add(time.Since(before)).UnixNano())
		if err := syscall.Settimeofday(&now); err != nil {
			t.Error(err)
		}
	}()
	want := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	tv := syscall.NsecToTimeval(want.UnixNano())
	if err := syscall.Settimeofday(&tv); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	if d := now.Round(0).Sub(want); d < 0 || d > 5*time.Second {
		t.Errorf("it is %v, want %v", now, want)
	}
	if d := now.Sub(before); d < 0 || d > 5*time.Second {
		t.Errorf("monotonic time moved by %v", d)
	}
	ts := syscall.NsecToTimespec(want.Add(time.Hour).UnixNano())
	if e := raw(syscall.SYS_CLOCK_SETTIME, 0, uintptr(unsafe.Pointer(&ts)), 0); e != 0 {
		t.Fatal(e)
	}
	if d := time.Now().Round(0).Sub(want); d < time.Hour || d > time.Hour+5*time.Second {
		t.Errorf("it is %v after the hour was added", d)
	}
}

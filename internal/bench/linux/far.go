//go:build arm

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"github.com/gasp-go/gasp/board/mmio"
	"github.com/gasp-go/gasp/internal/bench/guest"
	"github.com/gasp-go/gasp/internal/bench/wire"
)

// farArg makes this program the far end. Its jobs come over standard input.
const farArg = "far"

// shared is what both processes see, behind the rings.
type shared struct {
	stop  atomic.Uint32 // ends what takes periods
	ticks atomic.Uint32
}

const sharedSize = 4096

// mapPhysical maps device memory, or RAM that is not the kernel's.
func mapPhysical(at int64, size int) ([]byte, error) {
	f, err := os.OpenFile("/dev/mem", os.O_RDWR|syscall.O_SYNC, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := syscall.Mmap(int(f.Fd()), at, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("mapping %#x: %w", at, err)
	}
	return b, nil
}

// rings is how much RAM the rings take, in whole pages.
const rings = (wire.Memory + 4095) &^ 4095

func mapShared() ([]byte, *shared, error) {
	mem, err := mapPhysical(guest.LinuxRAMEnd, rings+sharedSize)
	if err != nil {
		return nil, nil, err
	}
	return mem, (*shared)(unsafe.Pointer(&mem[rings])), nil
}

// farMain is the far end's process. It has one thread that matters, whose
// instructions in user mode are not counted.
func farMain() {
	runtime.LockOSThread() // main's goroutine: the process's first thread
	mem, s, err := mapShared()
	var regs []byte
	if err == nil {
		regs, err = mapPhysical(farBase, 4096)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "far end:", err)
		os.Exit(1)
	}
	port := wire.New(mmio.At(uintptr(unsafe.Pointer(&regs[0]))), mem[:rings], guest.LinuxRAMEnd)
	end := wire.NewEnd(port)
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var j wire.Job
		if err := in.Decode(&j); err != nil {
			os.Exit(0)
		}
		r, ticks := end.Do(j)
		out.Encode(r)
		if ticks {
			tick(end, s, j.Period)
		}
	}
}

// tick calls the far end once a period. It sleeps without giving up its P, for
// there is no other goroutine.
func tick(end *wire.End, s *shared, period time.Duration) {
	const monotonic, absolute = 1, 1
	next := now() + int64(period)
	for s.stop.Load() == 0 {
		ts := syscall.NsecToTimespec(next)
		syscall.RawSyscall6(syscall.SYS_CLOCK_NANOSLEEP, monotonic, absolute, pointer(&ts), 0, 0, 0)
		more := end.Tick()
		s.ticks.Add(1)
		if !more {
			return
		}
		if next += int64(period); next < now() {
			next = now() + int64(period) // late: no burst to make up for it
		}
	}
}

// now is CLOCK_MONOTONIC. The runtime reads it without a system call.
func now() int64 { return int64(time.Since(epoch)) + epochNS }

var epoch, epochNS = func() (time.Time, int64) {
	var ts syscall.Timespec
	syscall.Syscall(syscall.SYS_CLOCK_GETTIME, 1, pointer(&ts), 0)
	return time.Now(), ts.Nano()
}()

// farProcess is the far end as the other process sees it.
type farProcess struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	enc *json.Encoder
	dec *json.Decoder
	s   *shared
}

func startFar() (*farProcess, error) {
	_, s, err := mapShared()
	if err != nil {
		return nil, err
	}
	f := &farProcess{cmd: exec.Command("/proc/self/exe", farArg), s: s}
	// Nothing but its ticks: no preemption, no collection.
	f.cmd.Env = []string{"GODEBUG=asyncpreemptoff=1", "GOGC=off", "GOMAXPROCS=1"}
	f.cmd.Stderr = os.Stderr
	if f.in, err = f.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := f.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	f.enc, f.dec = json.NewEncoder(f.in), json.NewDecoder(out)
	return f, f.cmd.Start()
}

func (f *farProcess) pid() int      { return f.cmd.Process.Pid }
func (f *farProcess) ticks() uint64 { return uint64(f.s.ticks.Load()) }

// do has the far end do j, once it has ended what it was doing.
func (f *farProcess) do(j wire.Job) (r wire.Report) {
	switch j.Op {
	case wire.Stop:
		f.s.stop.Store(1)
	case wire.Pace, wire.Connect:
		f.s.stop.Store(0)
	}
	if f.enc.Encode(j) != nil || f.dec.Decode(&r) != nil {
		fmt.Println("the far end is gone")
	}
	return r
}

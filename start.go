//go:build arm

package gasp

import (
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/gasp-go/gasp/board"
	"github.com/gasp-go/gasp/board/bootarg"
	"github.com/gasp-go/gasp/board/dma"
	"github.com/gasp-go/gasp/board/kernel"
	"github.com/gasp-go/gasp/board/trap"
	"github.com/gasp-go/gasp/console"
	"github.com/gasp-go/gasp/console/ramoops"
	"github.com/gasp-go/gasp/stack"
	"github.com/gasp-go/gasp/stack/netdev"
	"github.com/gasp-go/gasp/stack/sockets"
)

// System is the running firmware.
type System struct {
	Board      *board.Board
	Args       bootarg.Args
	Softnet    *netdev.Softnet
	Interfaces []*Interface // in the board's order

	// Ramoops has the logs of earlier lives; nil: no memory is kept for them.
	Ramoops *ramoops.Store

	dma       *dma.Region
	rxBuffers *dma.Region
	softirq   kernel.Event
	sockets   atomic.Pointer[sockets.Service]
	consoles

	replayed  struct{ first, last uint64 } // records of earlier lives that were logged again; last 0: none
	rtcFailed bool                         // it could not be set
}

// Stack returns the first interface's stack, nil if there is no interface.
func (s *System) Stack() *stack.Stack {
	if len(s.Interfaces) == 0 {
		return nil
	}
	return s.Interfaces[0].Stack
}

var system System

func init() { board.OnRegister(system.prepare) }

// prepare is what of the start comes before the program's own init functions and
// main, so that their deaths are told too: the log, its consoles, the panic path and
// the MACs, which that can take. Neither a goroutine nor a timer begins here: until
// Start the runtime can tell that all goroutines are asleep.
func (s *System) prepare() {
	if !kernel.Runs() {
		return // a test of a firmware's main package, as a program
	}
	s.Board = board.Current()
	args, errs := bootarg.Parse(kernel.Cmdline())
	s.Args = args
	s.prepareConsole()
	s.banner()
	for _, err := range errs {
		slog.Warn(err.Error())
	}
	for _, u := range args.Unknown {
		slog.Info("unknown boot argument", "arg", u.String())
	}
	s.prepareRamoops()
	// A goroutine that recurses without end is to die of that, with its
	// traceback, and not of the lack of memory.
	debug.SetMaxStack(int(kernel.MemoryStat().Free / 8))
	s.armPanic()
	s.prepareNetwork()
}

// Start brings the firmware up: watchdog, network and netconsole. What fails is
// logged and left out; a firmware without network is still a firmware. It is called
// once, from main.
func Start() *System {
	s := &system
	switch {
	case board.Current() == nil:
		panic("gasp: no board: import one of github.com/gasp-go/gasp/boards/...")
	case !kernel.Runs():
		panic("gasp: this program is no firmware image")
	}
	s.startConsole()
	s.startRamoops()
	s.startWatchdog()
	s.waitSeeded()
	s.startNetwork()
	go s.setClock()
	return s
}

// banner says what runs where, as Linux's first lines do.
func (s *System) banner() {
	mem := kernel.MemoryStat()
	slog.Info(fmt.Sprintf("gasp %s (%s) on %s, %s", kernel.Version, runtime.Version(), s.Board.Name, s.Board.SoC.Name))
	slog.Info("Kernel command line: " + kernel.Cmdline())
	slog.Info(fmt.Sprintf("Memory: %d KiB, kernel and image %d KiB", mem.Total>>10, mem.Kernel>>10))
	slog.Info("Reset cause: " + s.Board.SoC.ResetCause())
	s.reportClock()
}

// seedPatience is how long the start of the network waits for entropy.
const seedPatience = time.Second

// waitSeeded has entropy collected before the network draws its secrets (of TCP
// sequence numbers, of ports), and says how that went. A network with secrets that
// can be guessed is better than none; programs' own random numbers wait for as
// long as it takes.
func (s *System) waitSeeded() {
	var b [1]byte
	for end := kernel.Nanotime() + int64(seedPatience); !kernel.RandomSeeded() && kernel.Nanotime() < end; {
		if _, err := unix.Getrandom(b[:], unix.GRND_NONBLOCK); err == nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	hw := "none"
	if rng := s.Board.SoC.RNG; rng != nil {
		hw = rng.Status()
	}
	if !kernel.RandomSeeded() {
		slog.Error("random: not seeded; the network's secrets can be guessed, and getrandom waits (gasp.seed= helps)", "generator", hw)
		return
	}
	slog.Info("random: seeded", "generator", hw)
}

// networkThread is the softirq side of the network: it sleeps in the kernel
// until a top half or a poll schedules NAPI, and has priority over all others
// while it keeps to its budget. When the budget is spent it waits for its turn as
// one thread among equals (Linux: ksoftirqd), so that load does not starve the
// application, and then has the next budget.
func (s *System) networkThread() {
	runtime.LockOSThread()
	kernel.SetNetPriority(true)
	for {
		s.softirq.Wait()
		if !s.networkWork() {
			continue
		}
		for more := true; more; more = s.networkWork() {
			// Everybody else first. Then a whole batch again: a reader that
			// interrupted it would sleep and wake up for each few frames.
			kernel.SetNetPriority(false)
			kernel.SetNetPriority(true)
		}
	}
}

// networkWork polls the devices and serves the sockets once, and reports
// whether something is left.
func (s *System) networkWork() bool {
	more := s.Softnet.Poll()
	if svc := s.sockets.Load(); svc != nil && svc.Run() {
		more = true
	}
	return more
}

// flushPeriod is how often consoles that could not keep up are offered what
// waits for them.
const flushPeriod = 100 * time.Millisecond

// flushConsoles is what moves a console on whose device gives no sign when it
// is ready again: netconsole, after the link or the address was missing.
func (s *System) flushConsoles() {
	for range time.Tick(flushPeriod) {
		trap.Run(flush, nil)
	}
}

func flush(unsafe.Pointer) { console.Flush() }

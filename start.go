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

	"github.com/gasp-go/gasp/board"
	"github.com/gasp-go/gasp/board/bootarg"
	"github.com/gasp-go/gasp/board/dma"
	"github.com/gasp-go/gasp/board/kernel"
	"github.com/gasp-go/gasp/board/trap"
	"github.com/gasp-go/gasp/console"
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

	dma     *dma.Region
	softirq kernel.Event
	sockets atomic.Pointer[sockets.Service]
	consoles
}

// Stack returns the first interface's stack, nil if there is no interface.
func (s *System) Stack() *stack.Stack {
	if len(s.Interfaces) == 0 {
		return nil
	}
	return s.Interfaces[0].Stack
}

var system System

// Start brings the firmware up: console and panic path first, then
// network and netconsole. What fails is logged and left out; a firmware without
// network is still a firmware. It is called once, from main.
func Start() *System {
	s := &system
	s.Board = board.Current()
	if s.Board == nil {
		panic("gasp: no board: import one of github.com/gasp-go/gasp/boards/...")
	}
	args, errs := bootarg.Parse(kernel.Cmdline())
	s.Args = args
	s.startConsole()
	s.banner()
	for _, err := range errs {
		slog.Warn(err.Error())
	}
	for _, u := range args.Unknown {
		slog.Info("unknown boot argument", "arg", u.String())
	}
	// A goroutine that recurses without end is to die of that, with its
	// traceback, and not of the lack of memory.
	debug.SetMaxStack(int(kernel.MemoryStat().Free / 8))
	s.armPanic()
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
	if !kernel.RandomSeeded() {
		slog.Warn("random: not seeded: no seed from the loader, no jitter of the timer")
	}
}

// networkThread is the softirq side of the network: it sleeps in the kernel
// until a top half or a poll schedules NAPI, and has priority over all others
// while it keeps to its budget. When the budget is spent it goes on as one
// thread among equals (Linux: ksoftirqd), so that load does not starve the
// application.
func (s *System) networkThread() {
	runtime.LockOSThread()
	for {
		kernel.SetNetPriority(true)
		s.softirq.Wait()
		if !s.networkWork() {
			continue
		}
		kernel.SetNetPriority(false)
		for more := true; more; more = s.networkWork() {
			kernel.Yield()
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

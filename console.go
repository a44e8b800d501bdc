//go:build arm

package gasp

import (
	"bytes"
	"log/slog"

	"github.com/gasp-go/gasp/board"
	"github.com/gasp-go/gasp/board/bootarg"
	"github.com/gasp-go/gasp/board/kernel"
	"github.com/gasp-go/gasp/console"
	"github.com/gasp-go/gasp/console/netconsole"
)

type consoles struct {
	serial     *console.Registration
	netconsole *netconsole.Set
}

// prepareConsole connects descriptors 1 and 2, slog and the board's UART to the
// kernel log.
func (s *System) prepareConsole() {
	console.SetClock(kernel.Nanotime)
	console.SetCaller(kernel.Caller)
	if n := s.Args.LogBufLen; n > console.RingSize {
		console.Grow(n)
	}
	// What was written so far is on the UART already; the log gets it too.
	kernel.ConsoleHook = console.FD
	kernel.ErrorHook = func(line []byte) { console.Emit(console.Err, console.FacKern, line, nil) }
	for early := kernel.EarlyLog(); len(early) > 0; {
		var line []byte
		line, early, _ = bytes.Cut(early, []byte{'\n'})
		console.Log(console.Info, line)
	}
	slog.SetDefault(slog.New(console.NewHandler(nil)))
	s.boundTraceback()
	if s.Board.Console == nil {
		return
	}
	u := interruptUART{s.Board.Console}
	if irq := s.Board.ConsoleIRQ; irq != 0 {
		kernel.HandleIRQ(irq, func() {
			u.UART.TxInterrupt(false)
			console.Flush()
		})
	}
	var err error
	s.serial, err = console.Register(console.NewSerial(u, s.Args.PrintkTime, kernel.Nanotime), consoleLevel(s.Args.LogLevel))
	if err != nil {
		slog.Error("serial console", "err", err)
	}
}

// startConsole has the consoles offered again what they could not take.
func (s *System) startConsole() { go s.flushConsoles() }

// boundTraceback bounds what a traceback takes of the log, as the boot argument
// gasp.traceback_max=<size> says; 0: not at all.
func (s *System) boundTraceback() {
	arg, ok := s.Args.Gasp["traceback_max"]
	if !ok {
		return
	}
	var size uint64
	if arg != "0" {
		var err error
		if size, err = bootarg.ParseSize(arg); err != nil {
			slog.Warn("boot argument gasp.traceback_max ignored", "err", err)
			return
		}
	}
	console.SetTracebackMax(uint32(min(size, 1<<32-1)))
}

// consoleLevel is the highest level that loglevel=n lets through: those below n.
func consoleLevel(n int) console.Level {
	return console.Level(min(max(n-1, 0), int(console.Debug)))
}

// interruptUART asks for an interrupt when the port has no more room, so that
// the rest of the log follows when it has.
type interruptUART struct{ board.UART }

func (u interruptUART) TryWrite(b byte) bool {
	if u.UART.TryWrite(b) {
		return true
	}
	u.UART.TxInterrupt(true)
	return false
}

package systest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gasp-go/gasp/internal/gobuild"
	"github.com/gasp-go/gasp/internal/qemu"
)

// patience bounds every single wait, and longPatience one in which things go on:
// a report of thousands of lines, say. They are far longer than anything takes, on a
// busy machine too.
const (
	patience     = 60 * time.Second
	longPatience = 5 * patience
)

// slots bounds how many guests run at the same time.
var slots = make(chan struct{}, 2)

// built is what is made once for all tests.
var built struct {
	once  sync.Once
	dir   string
	board qemu.Board // its QEMU is the path of a program
	image string
	err   error

	other struct { // the other board, for tests that run on both
		once  sync.Once
		board qemu.Board
		image string
		err   error
	}
}

// bothBoards are the boards that a test of what the hardware takes part in runs on.
var bothBoards = []string{qemu.DefaultBoard, "sabrelite"}

// onBoard makes o's machine a board of bothBoards.
func onBoard(t *testing.T, name string, o qemu.Options) qemu.Options {
	t.Helper()
	prepare(t)
	if name == qemu.DefaultBoard {
		return o
	}
	b := &built.other
	b.once.Do(func() { b.board, b.image, b.err = firmwareFor(name) })
	if b.err != nil {
		t.Fatal(b.err)
	}
	o.Board, o.Kernel = &b.board, b.image
	return o
}

func TestMain(m *testing.M) {
	code := m.Run()
	if built.dir != "" {
		os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

// prepare skips the test if it cannot run here, and otherwise makes sure that
// the firmware is built.
func prepare(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("system tests do not run with -short")
	}
	built.once.Do(build)
	if errors.Is(built.err, errNoQEMU) && os.Getenv("GASP_REQUIRE_QEMU") != "1" {
		t.Skip(built.err)
	}
	if built.err != nil {
		t.Fatal(built.err)
	}
}

var errNoQEMU = errors.New("no emulator")

func build() {
	if built.dir, built.err = os.MkdirTemp("", "gasp-systest-"); built.err != nil {
		return
	}
	watchSources()
	built.board, built.image, built.err = firmwareFor(qemu.DefaultBoard)
	// A test may put a program of its own in front of QEMU (see namespace).
	os.Unsetenv(qemu.EnvQEMU)
}

// firmwareFor builds the firmware for a board.
func firmwareFor(name string) (board qemu.Board, image string, err error) {
	b, err := qemu.LookupBoard(name)
	if err != nil {
		return board, "", err
	}
	board = *b
	if board.QEMU = built.board.QEMU; board.QEMU == "" {
		if board.QEMU, err = qemu.Find(b); err != nil {
			return board, "", fmt.Errorf("%w: %w", errNoQEMU, err)
		}
	}
	image = filepath.Join(built.dir, "firmware-"+name+".elf")
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	f := gobuild.Firmware{Board: b, Dir: "../..", Package: "./cmd/firmware", Output: image}
	return board, image, f.Build(ctx)
}

// watchSources looks at every source file of the module, so that go test takes
// no result from its cache if one of them changed: it cannot know what build
// reads.
func watchSources() {
	filepath.WalkDir("../..", func(path string, d os.DirEntry, err error) error {
		switch filepath.Ext(path) {
		case ".go", ".s", ".mod":
			os.Stat(path)
		case ".git":
			return filepath.SkipDir
		}
		return nil
	})
}

// guest is a running firmware.
type guest struct {
	t       *testing.T
	machine *qemu.Machine
	board   string
	serial  *qemu.Log
	ctx     context.Context // done with the test, or when QEMU ends
}

// boot starts the firmware as o says, whose Serial, and Kernel and Board if there
// is none, are filled in. The guest ends with the test; if that failed, the
// serial console's last lines are shown.
func boot(t *testing.T, o qemu.Options) *guest {
	t.Helper()
	prepare(t)
	slots <- struct{}{}
	t.Cleanup(func() { <-slots })
	g := &guest{t: t, serial: &qemu.Log{}}
	if o.Board == nil {
		o.Board = &built.board
	}
	if o.Kernel == "" {
		o.Kernel = built.image
	}
	o.Serial = g.serial
	g.board = o.Board.Name
	m, err := qemu.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	g.machine = m
	ctx, ended := context.WithCancelCause(t.Context())
	g.ctx = ctx
	go func() {
		<-m.Done()
		ended(fmt.Errorf("QEMU has ended with status %d", m.Status()))
	}()
	t.Cleanup(func() {
		m.Close()
		if t.Failed() {
			t.Logf("serial console, %d lines, the last:\n%s", g.serial.Len(), strings.Join(g.serial.Tail(500), "\n"))
		}
	})
	return g
}

// bounded returns a context that ends when patience or the guest does.
func (g *guest) bounded() (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(g.ctx, patience, fmt.Errorf("nothing in %v", patience))
}

// whileItGoesOn returns a context that ends when the guest does, when count has been
// the same for as long as patience, or after longPatience.
func (g *guest) whileItGoesOn(count func() int) (context.Context, context.CancelFunc) {
	return whileItGoesOn(g.ctx, count)
}

func whileItGoesOn(parent context.Context, count func() int) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	go func() {
		start := time.Now()
		seen, at := count(), start
		for tick := time.NewTicker(time.Second); ; {
			select {
			case <-ctx.Done():
				tick.Stop()
				return
			case now := <-tick.C:
				if n := count(); n != seen {
					seen, at = n, now
				}
				if now.Sub(at) >= patience {
					cancel(fmt.Errorf("nothing new in %v, after %v", patience, at.Sub(start).Round(time.Second)))
				} else if now.Sub(start) >= longPatience {
					cancel(fmt.Errorf("it went on for %v", longPatience))
				}
			}
		}
	}()
	return ctx, func() { cancel(context.Canceled) }
}

// line waits for a line of the serial console that contains text.
func (g *guest) line(text string) string {
	g.t.Helper()
	return g.lineFrom(0, text)
}

// lineFrom does the same from the from-th line on.
func (g *guest) lineFrom(from int, text string) string {
	g.t.Helper()
	l, err := g.awaitLine(from, text)
	if err != nil {
		g.t.Fatal(err)
	}
	return l
}

// awaitLine does so, too.
func (g *guest) awaitLine(from int, text string) (string, error) {
	ctx, cancel := g.whileItGoesOn(g.serial.Len)
	defer cancel()
	l, err := g.serial.WaitFor(ctx, from, func(l string) bool { return strings.Contains(l, text) })
	if err != nil {
		return "", fmt.Errorf("serial console: waiting for %q: %w", text, err)
	}
	return l, nil
}

// said tells whether the serial console has a line that contains text by now.
func (g *guest) said(text string) bool {
	for _, l := range g.serial.Lines() {
		if strings.Contains(l, text) {
			return true
		}
	}
	return false
}

// unharmed fails the test if the firmware complains of itself.
func (g *guest) unharmed() {
	g.t.Helper()
	for _, l := range g.serial.Lines() {
		for _, bad := range []string{"panic: ", "Kernel panic", "goroutine ", "fatal error", "BUG", "SIGSEGV", "no system call"} {
			if strings.Contains(l, bad) {
				g.t.Errorf("serial console: %s", l)
			}
		}
	}
}

// untimed returns the lines without the time in front.
func untimed(lines []string) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		if j := strings.Index(l, "] "); strings.HasPrefix(l, "[") && j > 0 && strings.Trim(l[1:j], " .0123456789") == "" {
			l = l[j+2:]
		}
		out[i] = l
	}
	return out
}

// retry calls try until it succeeds, and fails the test with its last error
// when patience or the guest ends.
func (g *guest) retry(what string, try func() error) {
	g.t.Helper()
	ctx, cancel := g.bounded()
	defer cancel()
	for {
		err := try()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			g.t.Fatalf("%s: %v: %v", what, context.Cause(ctx), err)
		case <-time.After(100 * time.Millisecond): // between attempts
		}
	}
}

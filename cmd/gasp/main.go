// Command gasp builds firmware for boards, runs it in QEMU, runs Go tests on
// the target and receives what firmware says over netconsole.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/gasp-go/gasp/internal/qemu"
)

// Exit statuses. "gasp exec" passes on the program's; 124 and up are then its
// own, as those of timeout(1) and shells are.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitTimeout     = 124 // the program did not end in time
	exitMachine     = 125 // there is no status: QEMU or the machine failed
	exitInterrupted = 130
)

// tool is what commands have of the world.
type tool struct {
	stdout, stderr io.Writer
}

// command is one subcommand.
type command struct {
	name  string
	args  string // behind the flags, for the usage line
	short string
	long  string
	run   func(ctx context.Context, c *call) int
}

// call is one use of a command.
type call struct {
	*tool
	command *command
	flags   *flag.FlagSet
	args    []string
}

var commands []*command

func init() {
	commands = []*command{buildCommand, runCommand, execCommand, testCommand, listenCommand, demoCommand}
}

func main() {
	// SIGQUIT is what "go test" sends to a test that takes too long.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGHUP)
	t := &tool{stdout: os.Stdout, stderr: os.Stderr}
	status := t.main(ctx, os.Args[1:])
	stop()
	os.Exit(status)
}

// main runs the command that args name and returns the exit status.
func (t *tool) main(ctx context.Context, args []string) int {
	if len(args) == 0 {
		t.usage(t.stderr)
		return exitUsage
	}
	name, args := args[0], args[1:]
	switch name {
	case "help", "-h", "-help", "--help":
		if len(args) == 0 {
			t.usage(t.stdout)
			return exitOK
		}
		name, args = args[0], []string{"-h"}
	}
	for _, c := range commands {
		if c.name == name {
			fs := flag.NewFlagSet(name, flag.ContinueOnError)
			fs.SetOutput(io.Discard) // parse says it, in our order
			fs.Usage = func() {}
			return c.run(ctx, &call{t, c, fs, args})
		}
	}
	fmt.Fprintf(t.stderr, "gasp: unknown command %q; \"gasp help\" lists them\n", name)
	return exitUsage
}

func (t *tool) usage(w io.Writer) {
	fmt.Fprint(w, "gasp builds firmware in Go, runs it in QEMU, and listens to it.\n\nUsage: gasp <command> [flags] [arguments]\n\n")
	for _, c := range commands {
		fmt.Fprintf(w, "  %-8s %s\n", c.name, c.short)
	}
	fmt.Fprintf(w, "\n\"gasp <command> -h\" tells more. Boards: %s.\n", strings.Join(qemu.BoardNames(), ", "))
}

// parse parses the command's flags. When the command is not to go on, status
// is the exit status and ok is false.
func (c *call) parse() (status int, ok bool) {
	err := c.flags.Parse(c.args)
	if err == nil {
		return exitOK, true
	}
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(c.stdout, "Usage: gasp %s [flags] %s\n\n%s\n\nFlags:\n", c.command.name, c.command.args, strings.TrimSpace(c.command.long))
		c.flags.SetOutput(c.stdout)
		c.flags.PrintDefaults()
		return exitOK, false
	}
	return c.wrongUsage(err), false
}

// wrongUsage reports that the command was called in a wrong way.
func (c *call) wrongUsage(err error) int {
	fmt.Fprintf(c.stderr, "gasp %s: %v\n\"gasp %s -h\" tells how to use it\n", c.command.name, err, c.command.name)
	return exitUsage
}

// fail reports why the command failed.
func (c *call) fail(err error) int {
	fmt.Fprintf(c.stderr, "gasp %s: %v\n", c.command.name, err)
	return exitFailed
}

// boardFlag adds -board to fs. The function it returns looks the board up.
func boardFlag(fs *flag.FlagSet) func() (*qemu.Board, error) {
	name := fs.String("board", qemu.DefaultBoard, "`board` to build for")
	return func() (*qemu.Board, error) { return qemu.LookupBoard(*name) }
}

// memoryFlag adds -m to fs.
func memoryFlag(fs *flag.FlagSet) *string {
	return fs.String("m", "", "`size` of RAM, such as 128M (default: the board's)")
}

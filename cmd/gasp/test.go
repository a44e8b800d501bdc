package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/gasp-go/gasp/internal/gobuild"
	"github.com/gasp-go/gasp/internal/qemu"
)

var testCommand = &command{
	name:  "test",
	args:  "[go test's flags] [packages]",
	short: "run go test on the target",
	long: `
Test runs "go test" for linux/arm with "gasp exec" of the board as -exec. Its
own flags come first; the rest goes to go test as it is:

	gasp test -net loop -v -run Ring ./enet/...

With -image the test binaries are linked as firmware images: the kernel is in
them, as the tests of packages that use it want (they import the board's package
under its build tag), instead of below them.

What "gasp exec" says about files and environment holds for every test.`,
	run: runTest,
}

// testOwn are the flags that go to "gasp exec".
var testOwn = []string{"board", "m", "net", "files", "append"}

// testOwnBool are those without a value; the first is test's own.
var testOwnBool = []string{"image", "icount"}

func runTest(ctx context.Context, c *call) int {
	fs := c.flags
	own, rest := splitOwn(c.args, testOwn)
	c.args = own
	board := boardFlag(fs)
	memoryFlag(fs)
	fs.String("net", "none", "`network`, as for gasp exec")
	filesFlag(fs)
	fs.String("append", "", "boot `arguments` for the kernel")
	image := fs.Bool("image", false, "link the tests as firmware images")
	fs.Bool("icount", false, "count instructions, as for gasp exec")
	if status, ok := c.parse(); !ok {
		return status
	}
	b, err := board()
	if err != nil {
		return c.wrongUsage(err)
	}
	if _, err := qemu.Find(b); err != nil {
		return c.fail(err) // once, not for each package
	}
	self, err := os.Executable()
	if err != nil {
		return c.fail(err)
	}
	own = slices.DeleteFunc(own, func(w string) bool { return strings.TrimLeft(w, "-") == "image" })
	line, err := execLine(append([]string{self, "exec"}, own...))
	if err != nil {
		return c.fail(err)
	}
	goArgs := []string{"test", "-exec", line}
	if *image {
		f := gobuild.Firmware{Board: b}
		goArgs = append(goArgs, f.LinkFlags()...)
	}
	cmd := exec.CommandContext(ctx, "go", append(goArgs, rest...)...)
	cmd.Env = gobuild.Env(b)
	cmd.Stdout, cmd.Stderr = c.stdout, c.stderr
	// The go command passes an interrupt on to what it started.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = 30 * time.Second
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return exitInterrupted
	case errors.As(err, &exit):
		return exitFailed // go test has said why
	case err != nil:
		return c.fail(err)
	}
	return exitOK
}

// splitOwn splits off the flags at the beginning of args that are in own, each
// with its value, or a request for help.
func splitOwn(args, own []string) (mine, rest []string) {
	i := 0
	for i < len(args) {
		name, ok := strings.CutPrefix(args[i], "-")
		name = strings.TrimPrefix(name, "-")
		name, _, hasValue := strings.Cut(name, "=")
		if ok && (name == "h" || name == "help") {
			return []string{"-h"}, nil
		}
		if ok && slices.Contains(testOwnBool, name) {
			i++
			continue
		}
		if !ok || !slices.Contains(own, name) {
			break
		}
		i++
		if !hasValue && i < len(args) {
			i++
		}
	}
	return args[:i], args[i:]
}

// execLine makes the value of go test's -exec.
func execLine(words []string) (string, error) {
	out := make([]string, len(words))
	for i, w := range words {
		q, err := gobuild.Quote(w)
		if err != nil {
			return "", err
		}
		out[i] = q
	}
	return strings.Join(out, " "), nil
}

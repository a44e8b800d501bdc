package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/gasp-go/gasp/internal/gobuild"
	"github.com/gasp-go/gasp/internal/qemu"
)

var execCommand = &command{
	name:  "exec",
	args:  "program [argument...]",
	short: "run a program as a unikernel in QEMU, for go test -exec",
	long: `
Exec boots a program in QEMU and passes on what it writes to stdout and stderr
and its exit status. It is made for "go test":

	GOOS=linux GOARCH=arm go test -exec "gasp exec" ./...

The program is a firmware image, which is booted as it is, or any other static
linux/arm Go program, such as a test binary, which a loader kernel starts. The
loader kernel is built from this module's source when it is needed, or is the
image that GASP_EXECKERNEL names.

The program gets its arguments, and of the environment GODEBUG, GOGC,
GOMAXPROCS, GOMEMLIMIT and GOTRACEBACK. Arguments and environment together have
to fit into 4095 bytes and cannot hold double quotes. Its standard input is empty.

A test binary (a program, not an image, that is called *.test) finds the files
that tests expect: those of the working directory, and those below testdata there
and in the directories above it, up to the module's root. They are copies that can
only be read; nothing can be written, so that a profile has nowhere to go. With
-files any program gets a directory of the host, or none.

The program can open any file of the host through semihosting, if it tries to:
run only programs that you would run on the host.

Exit status: the program's; 124 if it did not end in time; 125 if there was no
program's status to pass on (QEMU missing, image unusable, the machine reset
itself); 130 after a signal. QEMU never outlives the command.`,
	run: runExec,
}

// passedEnv is what the program gets of the environment: what the Go runtime
// looks at.
var passedEnv = []string{"GODEBUG", "GOGC", "GOMAXPROCS", "GOMEMLIMIT", "GOTRACEBACK"}

// Timeouts of a program that says nothing itself, and what is granted beyond
// the timeout that a test binary has of its own.
const (
	defaultTimeout = 10 * time.Minute
	timeoutMargin  = 30 * time.Second
)

// tailLines is how much of the serial console is shown after a failure.
const tailLines = 40

func runExec(ctx context.Context, c *call) int {
	fs := c.flags
	board := boardFlag(fs)
	memory := memoryFlag(fs)
	network := fs.String("net", "none", "`network`: none, user (QEMU's own, with DHCP) or loop (both ports joined)")
	timeout := fs.Duration("timeout", 0, "`time` until the program is ended (default: that of a test binary and 30s, else 10m)")
	icount := fs.Bool("icount", false, "count instructions: the guest's clock advances 1 ns an instruction, and idle time is skipped")
	files := filesFlag(fs)
	add := fs.String("append", "", "boot `arguments` for the kernel")
	verbose := fs.Bool("v", false, "show the serial console on stderr")
	if status, ok := c.parse(); !ok {
		return status
	}
	b, err := board()
	if err != nil {
		return c.wrongUsage(err)
	}
	net, ok := networks[*network]
	if !ok {
		return c.wrongUsage(fmt.Errorf("unknown network %q", *network))
	}
	if fs.NArg() == 0 {
		return c.wrongUsage(errors.New("no program"))
	}
	program, programArgs := fs.Arg(0), fs.Args()[1:]

	dir, err := os.MkdirTemp("", "gasp-exec-")
	if err != nil {
		c.fail(err)
		return exitMachine
	}
	defer os.RemoveAll(dir) // QEMU has read what is in there when it has started
	o, err := execOptions(ctx, b, program, programFiles{*files, dir}, *memory, *add, programEnv(os.Environ()), programArgs)
	if err != nil {
		c.fail(err)
		return exitMachine
	}
	o.Net = net
	if *icount {
		o.Icount = "shift=0,sleep=off"
	}
	if *timeout == 0 {
		*timeout = programTimeout(programArgs)
	}
	return c.execute(ctx, o, *timeout, *verbose)
}

var networks = map[string]qemu.Network{"none": qemu.NetNone, "user": qemu.NetUser, "loop": qemu.NetHub}

// execOptions returns the machine that runs the program at path.
func execOptions(ctx context.Context, b *qemu.Board, path string, files programFiles, memory, add string, env, args []string) (qemu.Options, error) {
	o := qemu.Options{Board: b, Memory: memory, Semihosting: true, NoReboot: true}
	kind, err := qemu.Inspect(b, path)
	if err != nil {
		return o, err
	}
	own := []arg{{"gasp.semihosting", "1"}, seed()}
	free := b.Exec
	switch kind {
	case qemu.KindFirmware:
		o.Kernel = path
	case qemu.KindProgram:
		size, err := sizeInRAM(b, path, b.Exec, memory)
		if err != nil {
			return o, err
		}
		free += uint32(size)
		if o.Kernel, err = gobuild.ExecKernel(ctx, b); err != nil {
			return o, err
		}
		o.Load = []qemu.Load{{Path: path, Addr: b.Exec}}
		own = append(own, arg{"gasp.exec", fmt.Sprintf("%#x,%d", b.Exec, size)})
	}
	archive, err := files.pack(path, kind)
	if err != nil {
		return o, err
	}
	if archive != "" {
		const mb = 1 << 20
		at := (free + mb - 1) &^ (mb - 1)
		size, err := sizeInRAM(b, archive, at, memory)
		if err != nil {
			return o, err
		}
		o.Load = append(o.Load, qemu.Load{Path: archive, Addr: at})
		own = append(own, arg{"gasp.files", fmt.Sprintf("%#x,%d", at, size)})
	}
	if slices.Contains(strings.Fields(add), "--") {
		return o, errors.New("-append holds \"--\", behind which the program's arguments go")
	}
	o.BootArgs, err = qemu.BootArgs(withDefaults(add, own...), env, args)
	return o, err
}

// sizeInRAM returns the size of a file that is to be placed at addr. QEMU would
// drop what does not fit into RAM without a word, so that is an error here.
func sizeInRAM(b *qemu.Board, path string, addr uint32, memory string) (int64, error) {
	st, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	if memory == "" {
		memory = b.Memory
	}
	ram, err := qemu.ParseMemory(memory)
	if err != nil {
		return 0, err
	}
	if end := uint64(addr-b.RAM) + uint64(st.Size()); end > ram {
		return 0, fmt.Errorf("%s does not fit into %s of RAM; give more with -m", path, memory)
	}
	return st.Size(), nil
}

// programEnv picks what a program gets of an environment.
func programEnv(environ []string) []string {
	var env []string
	for _, e := range environ {
		key, value, _ := strings.Cut(e, "=")
		if value != "" && slices.Contains(passedEnv, key) {
			env = append(env, e)
		}
	}
	return env
}

// programTimeout is how long a program with these arguments may run.
func programTimeout(args []string) time.Duration {
	timeout := defaultTimeout
	for _, a := range args {
		value, ok := strings.CutPrefix(a, "-test.timeout=")
		if !ok {
			continue
		}
		// 0 is no timeout; the test is then bounded by nothing but ctx.
		if d, err := time.ParseDuration(value); err == nil && d > 0 {
			timeout = d + timeoutMargin
		} else if err == nil {
			timeout = 0
		}
	}
	return timeout
}

// filesFlag adds -files to fs.
func filesFlag(fs *flag.FlagSet) *string {
	return fs.String("files", filesAuto, "`files` the program can read: auto (a test's), none, or a directory with all below it")
}

var errTimeout = errors.New("timeout")

// execute runs the machine to its end and returns the program's status.
// timeout 0 is none.
func (c *call) execute(ctx context.Context, o qemu.Options, timeout time.Duration, verbose bool) int {
	serial := &qemu.Log{Keep: 1000}
	stderr := c.stderr
	if verbose { // then it has two writers
		stderr = &lockedWriter{w: c.stderr}
		serial.Line = func(line string) { fmt.Fprintf(stderr, "serial | %s\n", printable(line)) }
	}
	o.Serial, o.Stdout, o.Stderr = serial, c.stdout, stderr
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, timeout, errTimeout)
		defer cancel()
	}
	m, err := qemu.Start(ctx, o)
	if err != nil {
		c.fail(err)
		return exitMachine
	}
	defer m.Close()
	waited := m.Wait(ctx)
	m.Close()
	serial.Flush()
	if waited == nil && !m.WasReset() && m.Status() >= 0 {
		return m.Status()
	}
	if !verbose {
		c.tail("serial | ", serial)
	}
	switch {
	case errors.Is(context.Cause(ctx), errTimeout):
		fmt.Fprintf(c.stderr, "gasp exec: the program did not end within %v; QEMU was killed\n", timeout)
		return exitTimeout
	case ctx.Err() != nil:
		fmt.Fprintln(c.stderr, "gasp exec: interrupted; QEMU was killed")
		return exitInterrupted
	case m.WasReset():
		fmt.Fprintln(c.stderr, "gasp exec: the machine reset itself, so there is no exit status")
	default:
		fmt.Fprintln(c.stderr, "gasp exec: QEMU was killed by a signal")
	}
	return exitMachine
}

// tail shows the end of a log.
func (c *call) tail(prefix string, l *qemu.Log) {
	for _, line := range l.Tail(tailLines) {
		fmt.Fprintln(c.stderr, prefix+printable(line))
	}
}

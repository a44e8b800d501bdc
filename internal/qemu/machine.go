package qemu

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"
)

// startTimeout bounds how long QEMU may take until its CPU can run, and
// drainTimeout how long output may take to arrive after QEMU has ended.
const (
	startTimeout = 30 * time.Second
	drainTimeout = 5 * time.Second
)

// portTries is how often Start picks other free ports when somebody else took
// one before QEMU did.
const portTries = 5

// maxEvents bounds what Events keeps; a guest can reset itself for ever.
const maxEvents = 64

// Machine is a QEMU process that runs a guest.
type Machine struct {
	cmd      *exec.Cmd
	kill     context.CancelFunc
	forwards []Forward
	links    links
	readers  sync.WaitGroup // of links; start holds one until all are added
	done     chan struct{}  // closed when the process and its readers ended

	mu     sync.Mutex
	events []Event
}

// Start starts the machine and returns once its CPU runs. When ctx is done
// QEMU is killed, then and later. If QEMU does not come up the error has its
// own words.
func Start(ctx context.Context, o Options) (*Machine, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	path, err := Find(o.Board)
	if err != nil {
		return nil, err
	}
	picks := slices.ContainsFunc(o.Forwards, func(f Forward) bool { return f.Port == 0 })
	for try := 1; ; try++ {
		chosen := o
		if chosen.Forwards, err = resolve(o.Forwards); err != nil {
			return nil, err
		}
		m, err := start(ctx, path, chosen)
		// The words are those of QEMU's user network.
		if err == nil || !picks || try == portTries || !strings.Contains(err.Error(), "host forwarding rule") {
			return m, err
		}
	}
}

// start does what Start says, once, with every port chosen.
func start(ctx context.Context, path string, o Options) (*Machine, error) {
	dir, err := os.MkdirTemp("", "gasp-qemu-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) // QEMU has read its files once it answers
	if err := os.WriteFile(dir+"/"+argsFile, append([]byte(o.BootArgs), 0), 0o600); err != nil {
		return nil, err
	}

	ctx, kill := context.WithCancel(ctx)
	m := &Machine{kill: kill, forwards: o.Forwards, done: make(chan struct{})}
	m.cmd = exec.CommandContext(ctx, path, o.args(dir)...)
	m.cmd.Stdout = o.Stdout
	m.cmd.WaitDelay = drainTimeout
	m.cmd.SysProcAttr = childAttr()
	if err := m.launch(); err != nil {
		kill()
		return nil, fmt.Errorf("cannot start QEMU: %w", err)
	}
	err = m.bringUp(ctx, &o)
	m.readers.Done()
	if err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// bringUp waits for QEMU to have taken its options, starts the readers of its
// output and then its CPU.
func (m *Machine) bringUp(ctx context.Context, o *Options) error {
	up, stop := context.WithTimeout(ctx, startTimeout)
	defer stop()
	m.copy(o.Serial, m.links.serial)
	if err := m.links.qmp.greet(up); err != nil {
		if up.Err() != nil {
			return fmt.Errorf("QEMU did not come up: %w", context.Cause(up))
		}
		m.kill()
		words, _ := io.ReadAll(io.LimitReader(m.links.stderr, 4096))
		return fmt.Errorf("QEMU did not come up (%w): %s", err, strings.TrimSpace(string(words)))
	}
	// What QEMU said up to here is about its options. Warnings among it (a
	// port without a peer) are no business of whoever reads the guest's
	// stderr, which starts now.
	discardReady(m.links.stderr)
	m.copy(o.Stderr, m.links.stderr)
	// A short program may have ended QEMU before it answered; only a QEMU
	// that hangs is an error here.
	if err := m.links.qmp.cont(up, m.note); err != nil && up.Err() != nil {
		return fmt.Errorf("QEMU did not start its CPU: %w", context.Cause(up))
	}
	m.readers.Go(func() { m.links.qmp.events(m.note) })
	return nil
}

// note keeps an event.
func (m *Machine) note(e Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.events) < maxEvents {
		m.events = append(m.events, e)
	}
}

// SetLink plugs the first network port's cable in or pulls it out. It returns before
// the guest can have noticed.
func (m *Machine) SetLink(up bool) error {
	// The answer is for nobody: it passes by among the events.
	return m.links.qmp.send("set_link", fmt.Sprintf(`{"name":"net0","up":%v}`, up))
}

// SaveMemory writes size bytes of physical memory from addr on to a file. It returns
// before QEMU has done so: the file is complete when it is that long.
func (m *Machine) SaveMemory(addr, size uint32, file string) error {
	return m.links.qmp.send("pmemsave", fmt.Sprintf(`{"val":%d,"size":%d,"filename":%q}`, addr, size, file))
}

// Forwards returns the forwards with the ports they got, in the order of
// Options.Forwards.
func (m *Machine) Forwards() []Forward { return slices.Clone(m.forwards) }

// Done is closed when QEMU has ended and everything it wrote was delivered.
func (m *Machine) Done() <-chan struct{} { return m.done }

// Kill kills QEMU and does not wait for its end.
func (m *Machine) Kill() { m.kill() }

// Close kills QEMU, if it still runs, and waits for its end. It may be called
// more than once.
func (m *Machine) Close() {
	m.kill()
	<-m.done
}

// Wait waits for the machine to end, at most until ctx is done; then it
// returns the cause. It never kills QEMU.
func (m *Machine) Wait(ctx context.Context) error {
	select {
	case <-m.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Status is the exit status of QEMU, which a guest can choose through
// semihosting, or -1 if a signal killed it. Valid once Done is closed.
func (m *Machine) Status() int { return m.cmd.ProcessState.ExitCode() }

// Reset resets the machine, as a button would, and does not wait for it. RAM
// keeps its contents but for what QEMU loads: image, boot arguments, Options.Load.
func (m *Machine) Reset() error { return m.links.qmp.send("system_reset", "{}") }

// Events returns what QEMU reported since the CPU was started, at most the
// first 64 events.
func (m *Machine) Events() []Event {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.events)
}

// WasReset tells whether the guest reset the machine, itself or through its
// watchdog.
func (m *Machine) WasReset() bool {
	return slices.ContainsFunc(m.Events(), func(e Event) bool {
		return e.Name == "WATCHDOG" || e.Reason == "guest-reset"
	})
}

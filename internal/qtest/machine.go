// Package qtest runs a driver on the host against a device that QEMU emulates:
// registers over QEMU's qtest socket, the guest's RAM mapped into the test, the
// Ethernet wire as Unix datagrams. The guest's CPU runs an idle loop.
package qtest

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gasp-go/gasp/board/dma"
)

// Options say which machine to run.
type Options struct {
	Machine string // QEMU's name of it, default mcimx6ul-evk
	RAM     uint32 // address of the guest's RAM, default 0x80000000
	Size    int    // of the RAM in bytes, default 64 MiB
	NICs    int    // ports with a wire, in the machine's order, default 1
	IRQs    string // QOM path of the device whose interrupt inputs are watched, default /machine/soc/a7mpcore
	Args    []string
}

// Machine is a running QEMU. It is an mmio.Bus. Its methods may be called from
// any goroutine.
type Machine struct {
	t       testing.TB
	opt     Options
	ram     []byte
	wires   []*Wire
	monitor string

	mu     sync.Mutex
	conn   net.Conn
	in     *bufio.Reader
	levels map[int]bool
	rises  map[int]int
	closed bool
}

// Start runs a machine for the duration of the test. Without QEMU it skips the
// test, or fails it if GASP_REQUIRE_QEMU=1.
func Start(t testing.TB, opt Options) *Machine {
	t.Helper()
	if opt.Machine == "" {
		opt.Machine = "mcimx6ul-evk"
	}
	if opt.RAM == 0 {
		opt.RAM = 0x80000000
	}
	if opt.Size == 0 {
		opt.Size = 64 << 20
	}
	if opt.NICs == 0 {
		opt.NICs = 1
	}
	if opt.IRQs == "" {
		opt.IRQs = "/machine/soc/a7mpcore"
	}
	qemu, err := exec.LookPath("qemu-system-arm")
	if err != nil {
		if os.Getenv("GASP_REQUIRE_QEMU") == "1" {
			t.Fatal("qemu-system-arm is missing and GASP_REQUIRE_QEMU=1")
		}
		t.Skip("qemu-system-arm is missing: install it (Debian: qemu-system-arm) to test against QEMU's ENET")
	}
	// Not t.TempDir: a Unix socket's path has at most 107 bytes.
	dir, err := os.MkdirTemp("", "qtest")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	m := &Machine{t: t, opt: opt, levels: map[int]bool{}, rises: map[int]int{}, monitor: filepath.Join(dir, "mon")}
	m.mapRAM(filepath.Join(dir, "ram"))
	kernel := filepath.Join(dir, "idle.elf")
	if err := os.WriteFile(kernel, idleELF(opt.RAM+0x10000, idleARM), 0o600); err != nil {
		t.Fatal(err)
	}
	sock := filepath.Join(dir, "qtest")
	args := []string{
		"-M", opt.Machine + ",memory-backend=ram",
		"-object", fmt.Sprintf("memory-backend-file,id=ram,size=%d,mem-path=%s,share=on", opt.Size, filepath.Join(dir, "ram")),
		"-m", fmt.Sprintf("size=%dk", opt.Size>>10), "-kernel", kernel,
		"-display", "none", "-serial", "none",
		"-monitor", "unix:" + m.monitor + ",server=on,wait=off",
		"-qtest", "unix:" + sock + ",server=on,wait=on", "-qtest-log", "none",
	}
	for i := range opt.NICs {
		w := newWire(t, dir, i)
		m.wires = append(m.wires, w)
		args = append(args, w.args()...)
	}
	var log strings.Builder
	cmd := exec.Command(qemu, append(args, opt.Args...)...)
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() { cmd.Wait(); close(exited) }()
	t.Cleanup(func() {
		m.mu.Lock()
		m.closed = true
		m.mu.Unlock()
		cmd.Process.Kill()
		<-exited
		if t.Failed() && log.Len() > 0 {
			t.Logf("qemu: %s", log.String())
		}
	})
	m.connect(sock, exited, &log)
	m.command("irq_intercept_in " + opt.IRQs)
	return m
}

// mapRAM makes the file that is the guest's RAM and maps it.
func (m *Machine) mapRAM(path string) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		m.t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(int64(m.opt.Size)); err != nil {
		m.t.Fatal(err)
	}
	m.ram, err = syscall.Mmap(int(f.Fd()), 0, m.opt.Size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		m.t.Fatal(err)
	}
	// It stays mapped: a goroutine of the driver may still look at its rings
	// when the test is over.
}

// Region returns size bytes of the guest's RAM at offset off as DMA memory.
// The idle loop lives at offset 0x10000.
func (m *Machine) Region(off, size int) *dma.Region {
	return dma.NewRegion(m.ram[off:off+size:off+size], m.opt.RAM+uint32(off))
}

// Wire returns the wire of the n-th port.
func (m *Machine) Wire(n int) *Wire { return m.wires[n] }

// connect waits for the qtest socket; QEMU waits for us before it starts.
func (m *Machine) connect(sock string, exited <-chan struct{}, log *strings.Builder) {
	deadline := time.Now().Add(20 * time.Second)
	for {
		c, err := net.Dial("unix", sock)
		if err == nil {
			m.conn, m.in = c, bufio.NewReader(c)
			m.t.Cleanup(func() { c.Close() })
			return
		}
		select {
		case <-exited:
			m.t.Fatalf("qemu ended: %s", log.String())
		case <-time.After(5 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			m.t.Fatalf("qemu does not open its qtest socket: %v", err)
		}
	}
}

// command sends one qtest command and returns what follows OK. Changes of
// interrupt lines reported meanwhile are noted.
func (m *Machine) command(cmd string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return ""
	}
	m.conn.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := m.conn.Write([]byte(cmd + "\n")); err != nil {
		m.t.Errorf("qtest: %s: %v", cmd, err)
		m.closed = true
		return ""
	}
	for {
		line, err := m.in.ReadString('\n')
		if err != nil {
			m.t.Errorf("qtest: %s: %v", cmd, err)
			m.closed = true
			return ""
		}
		f := strings.Fields(line)
		switch {
		case len(f) == 3 && f[0] == "IRQ":
			n, _ := strconv.Atoi(f[2])
			m.levels[n] = f[1] == "raise"
			if m.levels[n] {
				m.rises[n]++
			}
		case len(f) > 0 && f[0] == "OK":
			return strings.Join(f[1:], " ")
		default:
			m.t.Errorf("qtest: %s: %s", cmd, strings.TrimSpace(line))
			return ""
		}
	}
}

// Read32 is part of mmio.Bus.
func (m *Machine) Read32(addr uintptr) uint32 {
	s := m.command(fmt.Sprintf("readl %#x", addr))
	v, _ := strconv.ParseUint(s, 0, 64)
	return uint32(v)
}

// Write32 is part of mmio.Bus.
func (m *Machine) Write32(addr uintptr, v uint32) {
	m.command(fmt.Sprintf("writel %#x %#x", addr, v))
}

// IRQ reports the level of input n of the watched interrupt controller, as of
// now, and how often it rose so far.
func (m *Machine) IRQ(n int) (level bool, rises int) {
	// Reports come before the answer to the next command.
	m.command(fmt.Sprintf("readl %#x", m.opt.RAM))
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.levels[n], m.rises[n]
}

// Monitor runs a command of QEMU's human monitor, for instance "set_link n0 off".
func (m *Machine) Monitor(cmd string) {
	m.t.Helper()
	c, err := net.Dial("unix", m.monitor)
	if err != nil {
		m.t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	r := bufio.NewReader(c)
	prompt := func() {
		for last := ""; !strings.HasSuffix(last, "(qemu) "); {
			b, err := r.ReadByte()
			if err != nil {
				m.t.Fatalf("monitor: %v", err)
			}
			last += string(b)
		}
	}
	prompt()
	fmt.Fprintf(c, "%s\n", cmd)
	prompt()
}

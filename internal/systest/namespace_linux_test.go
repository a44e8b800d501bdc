package systest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gasp-go/gasp/internal/qemu"
)

const tapName = "gasp0"

// namespace is a network namespace with a tap device to which a guest is
// connected: Linux's own network stack is the peer.
type namespace struct {
	t     *testing.T
	name  string
	calls chan func()
}

var namespaces atomic.Int32

// newNamespace makes a namespace that goes with the test, which is skipped if
// that cannot be done here.
func newNamespace(t *testing.T) *namespace {
	t.Helper()
	prepare(t)
	if os.Getuid() != 0 {
		t.Skip("a network namespace needs root")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("a network namespace needs the program ip (package iproute2)")
	}
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		t.Skip("a tap device needs /dev/net/tun")
	}
	n := &namespace{t: t, name: fmt.Sprintf("gasp-%d-%d", os.Getpid(), namespaces.Add(1)), calls: make(chan func())}
	removeLeftovers()
	if out, err := exec.Command("ip", "netns", "add", n.name).CombinedOutput(); err != nil {
		t.Skipf("no network namespace here: %v: %s", err, out)
	}
	t.Cleanup(func() { exec.Command("ip", "netns", "del", n.name).Run() })
	if out, err := n.ip("tuntap", "add", "dev", tapName, "mode", "tap"); err != nil {
		t.Skipf("no tap device here: %v: %s", err, out)
	}
	for _, args := range [][]string{
		{"link", "set", "lo", "up"},
		{"addr", "add", peerIP.String() + "/24", "dev", tapName},
		{"link", "set", tapName, "up"},
	} {
		if out, err := n.ip(args...); err != nil {
			t.Fatalf("ip %v: %v: %s", args, err, out)
		}
	}
	entered := make(chan error)
	go n.thread(entered)
	if err := <-entered; err != nil {
		t.Skipf("cannot enter a network namespace: %v", err)
	}
	t.Cleanup(func() { close(n.calls) })
	return n
}

// removeLeftovers deletes the namespaces of test processes that were killed.
func removeLeftovers() {
	names, _ := filepath.Glob("/run/netns/gasp-*-*")
	for _, name := range names {
		var pid, i int
		if n, _ := fmt.Sscanf(filepath.Base(name), "gasp-%d-%d", &pid, &i); n == 2 && unix.Kill(pid, 0) == unix.ESRCH {
			exec.Command("ip", "netns", "del", filepath.Base(name)).Run()
		}
	}
}

// ip runs the program in the namespace.
func (n *namespace) ip(args ...string) (string, error) {
	out, err := exec.Command("ip", append([]string{"-n", n.name}, args...)...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// thread is a thread in the namespace that runs calls. It is never unlocked, so
// it ends with the goroutine.
func (n *namespace) thread(entered chan<- error) {
	runtime.LockOSThread()
	f, err := os.Open("/run/netns/" + n.name)
	if err == nil {
		err = unix.Setns(int(f.Fd()), unix.CLONE_NEWNET)
		f.Close()
	}
	entered <- err
	for call := range n.calls {
		call()
	}
}

// do runs f in the namespace. A socket that it opens stays there.
func (n *namespace) do(f func()) {
	done := make(chan struct{})
	n.calls <- func() {
		f()
		close(done)
	}
	<-done
}

// way is how Linux's stack connects to the guest.
func (n *namespace) way() way {
	return func(network string, port int) (c net.Conn, err error) {
		n.do(func() {
			d := net.Dialer{Timeout: patience}
			c, err = d.Dial(network, fmt.Sprintf("%v:%d", guestIP, port))
		})
		return c, err
	}
}

// boot boots the guest with its first port on the tap device. QEMU is started
// by ip, inside the namespace.
func (n *namespace) boot(args string) *guest {
	n.t.Helper()
	return n.bootImage("", args)
}

// bootImage does the same with another firmware.
func (n *namespace) bootImage(image, args string) *guest {
	n.t.Helper()
	script := filepath.Join(n.t.TempDir(), "qemu")
	text := fmt.Sprintf("#!/bin/sh\nexec ip netns exec %s '%s' \"$@\"\n", n.name, built.board.QEMU)
	if err := os.WriteFile(script, []byte(text), 0o700); err != nil {
		n.t.Fatal(err)
	}
	b := built.board
	b.QEMU = script
	g := boot(n.t, qemu.Options{Kernel: image, Board: &b, BootArgs: args, Extra: []string{
		"-netdev", "tap,id=tap0,ifname=" + tapName + ",script=no,downscript=no", "-net", "nic,netdev=tap0"}})
	g.serving(n.way())
	return g
}

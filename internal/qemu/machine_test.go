package qemu_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gasp-go/gasp/internal/qemu"
	"github.com/gasp-go/gasp/internal/qemu/qemutest"
)

// bound is far longer than any of these guests runs.
func bound(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func run(t *testing.T, o qemu.Options, image []byte) *qemu.Machine {
	t.Helper()
	o.Kernel = qemutest.Write(t, image)
	ctx := bound(t)
	m, err := qemu.Start(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	if err := m.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestSemihostingCarriesStdoutStderrAndStatus(t *testing.T) {
	var out, err bytes.Buffer
	o := qemu.Options{Board: qemutest.Board(t), Semihosting: true, Stdout: &out, Stderr: &err}
	m := run(t, o, qemutest.Say("out\n", "err\n", 42))
	if out.String() != "out\n" || err.String() != "err\n" || m.Status() != 42 {
		t.Errorf("stdout %q, stderr %q, status %d", out.String(), err.String(), m.Status())
	}
	if m.WasReset() {
		t.Errorf("an exit counts as a reset: %v", m.Events())
	}
}

func TestBootArgumentsReachTheGuestAndSerialReachesUs(t *testing.T) {
	for _, args := range []string{"a=1 \"b c\" -- -x", strings.Repeat("x", qemu.MaxBootArgs)} {
		b := qemutest.Board(t)
		var serial bytes.Buffer
		run(t, qemu.Options{Board: b, BootArgs: args, Semihosting: true, Serial: &serial}, qemutest.EchoString(b.BootArgs))
		if serial.String() != args {
			t.Errorf("got %q, want %q", serial.String(), args)
		}
	}
}

func TestAResetEndsTheMachineAndIsNotTakenForAnExit(t *testing.T) {
	m := run(t, qemu.Options{Board: qemutest.Board(t), NoReboot: true}, qemutest.Reset())
	if !m.WasReset() {
		t.Errorf("events %v", m.Events())
	}
}

func TestTheEndOfTheContextKillsQEMU(t *testing.T) {
	ctx, cancel := context.WithCancel(bound(t))
	m, err := qemu.Start(ctx, qemu.Options{Board: qemutest.Board(t), Kernel: qemutest.Write(t, qemutest.Spin())})
	if err != nil {
		t.Fatal(err)
	}
	gone, stop := context.WithCancelCause(context.Background())
	stop(os.ErrDeadlineExceeded)
	if err := m.Wait(gone); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Wait on a running machine: %v", err)
	}
	cancel()
	if err := m.Wait(bound(t)); err != nil {
		t.Fatal(err)
	}
	if m.Status() != -1 {
		t.Errorf("status %d, want -1", m.Status())
	}
	m.Close()
	m.Close()
}

func TestNoTemporaryFileIsLeftBehind(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	m, err := qemu.Start(bound(t), qemu.Options{
		Board: qemutest.Board(t), BootArgs: "x", Kernel: qemutest.Write(t, qemutest.Spin())})
	if err != nil {
		t.Fatal(err)
	}
	m.Close()
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range left {
		if strings.HasPrefix(e.Name(), "gasp-") {
			t.Errorf("%s is left", e.Name())
		}
	}
}

func TestStartReportsQEMUsOwnWords(t *testing.T) {
	b := qemutest.Board(t)
	_, err := qemu.Start(bound(t), qemu.Options{
		Board: b, Kernel: qemutest.Write(t, qemutest.Spin()), Extra: []string{"-no-such-option"}})
	if err == nil || !strings.Contains(err.Error(), "no-such-option") {
		t.Errorf("got %v", err)
	}
}

func TestEveryNetworkComesUp(t *testing.T) {
	free := netip.MustParseAddrPort("127.0.0.1:0")
	l, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(free))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	remote := l.LocalAddr().(*net.UDPAddr).AddrPort()
	for _, tt := range []struct {
		name string
		o    qemu.Options
	}{
		{"none", qemu.Options{}},
		{"user", qemu.Options{Net: qemu.NetUser}},
		{"dgram", qemu.Options{Net: qemu.NetDgram, DgramLocal: free, DgramRemote: remote}},
		{"hub", qemu.Options{Net: qemu.NetHub}},
		{"icount", qemu.Options{Icount: "shift=0"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var stderr bytes.Buffer
			tt.o.Board, tt.o.Semihosting, tt.o.Stderr = qemutest.Board(t), true, &stderr
			m := run(t, tt.o, qemutest.Say("", "e", 7))
			// No warning of QEMU's may get between the program's output.
			if m.Status() != 7 || stderr.String() != "e" {
				t.Errorf("status %d, stderr %q", m.Status(), stderr.String())
			}
		})
	}
}

func TestForwardsGetFreePortsThatListen(t *testing.T) {
	m, err := qemu.Start(bound(t), qemu.Options{
		Board: qemutest.Board(t), Kernel: qemutest.Write(t, qemutest.Spin()), Net: qemu.NetUser,
		Forwards: []qemu.Forward{{Proto: "tcp", Guest: 80}, {Proto: "udp", Guest: 7}}})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	fs := m.Forwards()
	if fs[0].Port == 0 || fs[1].Port == 0 {
		t.Fatalf("not chosen: %v", fs)
	}
	c, err := net.Dial("tcp", fs[0].Addr())
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

func TestAForwardToAPortInUseFails(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).AddrPort().Port()
	_, err = qemu.Start(bound(t), qemu.Options{
		Board: qemutest.Board(t), Kernel: qemutest.Write(t, qemutest.Spin()), Net: qemu.NetUser,
		Forwards: []qemu.Forward{{Proto: "tcp", Port: port, Guest: 80}}})
	if err == nil || !strings.Contains(err.Error(), "host forwarding rule") {
		t.Errorf("got %v", err)
	}
}

func TestAMissingQEMUNamesThePackage(t *testing.T) {
	b, err := qemu.LookupBoard(qemu.DefaultBoard)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(qemu.EnvQEMU, "no-such-emulator")
	if _, err := qemu.Find(b); err == nil || !strings.Contains(err.Error(), "qemu-system-arm") {
		t.Errorf("got %v", err)
	}
}

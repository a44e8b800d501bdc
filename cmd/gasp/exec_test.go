package main

import (
	"context"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gasp-go/gasp/internal/gobuild"
	"github.com/gasp-go/gasp/internal/qemu"
	"github.com/gasp-go/gasp/internal/qemu/qemutest"
)

func TestExecPassesOnStdoutStderrAndStatus(t *testing.T) {
	qemutest.Board(t)
	for _, status := range []uint32{0, 1, 2, 77} {
		image := qemutest.Write(t, qemutest.Say("out\n", "err\n", status))
		got, out, err := gasp(bound(t), "exec", image, "-test.v")
		if got != int(status) || out != "out\n" || err != "err\n" {
			t.Errorf("status %d, want %d, stdout %q, stderr %q", got, status, out, err)
		}
	}
}

func TestExecPassesArgumentsAsLinuxPassesThemToInit(t *testing.T) {
	b := qemutest.Board(t)
	t.Setenv("GOGC", "50")
	for _, e := range passedEnv {
		if e != "GOGC" {
			t.Setenv(e, "")
		}
	}
	image := qemutest.Write(t, qemutest.EchoString(b.BootArgs))
	_, _, err := gasp(bound(t), "exec", "-v", "-append", "quiet gasp.seed=00", image, "-test.run=A B", "x")
	if want := `serial | gasp.semihosting=1 quiet gasp.seed=00 -- GOGC=50 "-test.run=A B" x`; !strings.Contains(err, want) {
		t.Errorf("got %q, want %q", err, want)
	}
}

func TestExecOfWhatCannotRunIsStatus125WithTheReason(t *testing.T) {
	qemutest.Board(t)
	foreign := qemutest.Header{Type: elf.ET_EXEC, Machine: elf.EM_X86_64, Entry: qemutest.Base}
	ok := qemutest.Write(t, qemutest.Spin())
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"no-such-file"}, "no such file"},
		{[]string{qemutest.Write(t, []byte("#!/bin/sh"))}, "not an ELF"},
		{[]string{qemutest.Write(t, foreign.Image(qemutest.Base, 0))}, "GOARCH=arm"},
		{[]string{ok, strings.Repeat("x", qemu.MaxBootArgs)}, "room for 4095"},
		{[]string{ok, `"`}, "cannot carry"},
		{[]string{"-append", "a -- b", ok}, `"--"`},
		{[]string{"-m", "much", ok}, "QEMU did not come up"},
	} {
		status, out, err := gasp(bound(t), append([]string{"exec"}, tt.args...)...)
		if status != exitMachine || !strings.Contains(err, tt.want) || out != "" {
			t.Errorf("%.60q: status %d, stdout %q, stderr %q", tt.args, status, out, err)
		}
	}
}

func TestAResetIsNoSuccess(t *testing.T) {
	qemutest.Board(t)
	status, _, err := gasp(bound(t), "exec", qemutest.Write(t, qemutest.Reset()))
	if status != exitMachine || !strings.Contains(err, "reset itself") {
		t.Errorf("status %d, stderr %q", status, err)
	}
}

func TestAProgramThatDoesNotEndIsKilledAndSaidSo(t *testing.T) {
	qemutest.Board(t)
	image := qemutest.Write(t, qemutest.Spin())
	// The time includes QEMU's start, which on a busy machine may take longer.
	tries := []time.Duration{time.Second, 10 * time.Second, 50 * time.Second}
	for i, d := range tries {
		status, _, err := gasp(bound(t), "exec", "-timeout", d.String(), image)
		if status == exitMachine && strings.Contains(err, "QEMU did not") && i < len(tries)-1 {
			continue
		}
		if status != exitTimeout || !strings.Contains(err, "did not end within "+d.String()) {
			t.Errorf("status %d, stderr %q", status, err)
		}
		break
	}
	for i, d := range tries {
		ctx, cancel := context.WithTimeout(bound(t), d)
		status, _, err := gasp(ctx, "exec", image)
		cancel()
		if status == exitMachine && strings.Contains(err, "QEMU did not") && i < len(tries)-1 {
			continue
		}
		if status != exitInterrupted || !strings.Contains(err, "interrupted") {
			t.Errorf("status %d, stderr %q", status, err)
		}
		break
	}
}

// The loader kernel and the kernel's system calls have tests of their own;
// this one has every part of exec's way work together.
func TestAPlainLinuxProgramRunsOnTheTarget(t *testing.T) {
	b := qemutest.Board(t)
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module example.org/tool\n\ngo 1.26\n",
		"main.go": `package main

import ("fmt"; "os")

func main() {
	fmt.Printf("%q %q\n", os.Args[1:], os.Getenv("GOGC"))
	fmt.Fprintln(os.Stderr, "to stderr")
	os.Exit(9)
}
`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	program := filepath.Join(dir, "program")
	build := exec.CommandContext(bound(t), "go", "build", "-o", program, ".")
	build.Dir, build.Env = dir, gobuild.Env(b)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Setenv("GOGC", "75")
	status, out, err := gasp(bound(t), "exec", program, "-a", "b c", "", "D=e")
	if status != 9 || out != `["-a" "b c" "" "D=e"] "75"`+"\n" || err != "to stderr\n" {
		t.Errorf("status %d, stdout %q, stderr %q", status, out, err)
	}
}

func TestTheKernelSaysWhyItCannotReadTheFiles(t *testing.T) {
	b := qemutest.Board(t)
	h := qemutest.Header{Type: elf.ET_EXEC, Machine: elf.EM_ARM, Entry: 0x11000}
	program := qemutest.Write(t, h.Image(0x11000, 0))
	for _, tt := range []struct{ arg, want string }{
		{"gasp.files=here", "gasp.files: want <address>,<size>"},
		{"gasp.files=0x88000100,512", "whole megabytes"},
		{"gasp.files=0xc0000000,512", "in free RAM"},
		{fmt.Sprintf("gasp.files=%#x,512", b.Exec), "in free RAM"}, // the program is there
		{"gasp.files=0x88000000,512", "not a cpio archive"},
	} {
		status, out, err := gasp(bound(t), "exec", "-append", tt.arg, program)
		if status != 126 || !strings.Contains(err, tt.want) || out != "" {
			t.Errorf("%s: status %d, stdout %q, stderr %q", tt.arg, status, out, err)
		}
	}
}

package gobuild

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gasp-go/gasp/internal/qemu"
)

func board(t *testing.T) *qemu.Board {
	t.Helper()
	b, err := qemu.LookupBoard(qemu.DefaultBoard)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestTheGoCommandGetsTheBoardsFlagsAndTheUsersBehindThem(t *testing.T) {
	f := Firmware{Board: board(t), Package: "./x", Output: "x.elf", LDFlags: "-s -w", Tags: "a,b", Cmdline: "quiet panic=1"}
	got, err := f.args("v1")
	want := []string{"build", "-trimpath", "-o", "x.elf", "-tags", "mx6ulevk,a,b", "-ldflags",
		"-T 0x80201000 -R 0x1000 -E github.com/gasp-go/gasp/boards/mx6ulevk.Start" +
			" -X github.com/gasp-go/gasp/board/kernel.Version=v1" +
			" -X 'github.com/gasp-go/gasp/board/kernel.DefaultCmdline=quiet panic=1' -s -w", "./x"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v", got, err)
	}
	f = Firmware{Board: board(t), Output: "x.elf"}
	got, err = f.args("")
	if err != nil || got[len(got)-1] != "." || strings.Contains(strings.Join(got, " "), "-X") {
		t.Errorf("got %q, %v", got, err)
	}
	f.Cmdline = `a "b" 'c'`
	if got, err := f.args(""); err == nil {
		t.Errorf("got %q, want an error", got)
	}
}

func TestQuoteUsesTheQuotesTheGoCommandKnows(t *testing.T) {
	for in, want := range map[string]string{"a": "a", "": "''", "a b": "'a b'", "it's": `"it's"`, `"`: `'"'`} {
		if got, err := Quote(in); err != nil || got != want {
			t.Errorf("Quote(%q) = %q, %v, want %q", in, got, err, want)
		}
	}
	if got, err := Quote(`'"`); err == nil {
		t.Errorf("got %q", got)
	}
}

// source makes a module with one file.
func source(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{"go.mod": "module example.org/tool\n\ngo 1.26\n", "a.go": text} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func bound(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func TestNameIsThatOfTheMainPackage(t *testing.T) {
	b := board(t)
	got, err := Name(bound(t), b, source(t, "package main\nfunc main() {}\n"), ".")
	if err != nil || got != "tool" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := Name(bound(t), b, source(t, "package tool\n"), "."); err == nil || !strings.Contains(err.Error(), "not a main package") {
		t.Errorf("got %v", err)
	}
	if _, err := Name(bound(t), b, t.TempDir(), "."); err == nil {
		t.Error("no error for a directory without a module")
	}
}

func TestAProgramWithoutTheBoardsPackageDoesNotBuild(t *testing.T) {
	var said bytes.Buffer
	dir := source(t, "package main\nfunc main() {}\n")
	f := Firmware{Board: board(t), Dir: dir, Output: filepath.Join(dir, "x.elf"), Stderr: &said}
	err := f.Build(bound(t))
	if err == nil || !strings.Contains(err.Error(), "import _") || !strings.Contains(said.String(), "missing entry symbol") {
		t.Errorf("got %v, %s", err, &said)
	}
}

func TestOneAtATimeHoldsALock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := lock(bound(t), path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := lock(ctx, path); err == nil {
		t.Error("two hold it")
	}
	unlock()
	unlock, err = lock(bound(t), path)
	if err != nil {
		t.Fatal(err)
	}
	unlock()
}

func TestAnExecKernelThatIsNamedIsTakenAsItIs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "k.elf")
	t.Setenv(EnvExecKernel, path)
	if _, err := ExecKernel(bound(t), board(t)); err == nil || !strings.Contains(err.Error(), EnvExecKernel) {
		t.Errorf("a missing one: %v", err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := ExecKernel(bound(t), board(t)); err != nil || got != path {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestEachCopyOfTheModuleHasItsOwnLoaderKernel(t *testing.T) {
	names := map[string]bool{}
	for _, board := range qemu.BoardNames() {
		b, err := qemu.LookupBoard(board)
		if err != nil {
			t.Fatal(err)
		}
		for _, source := range []string{"/src/a", "/src/b"} {
			names[execKernelName(b, source)] = true
		}
	}
	if len(names) != 2*len(qemu.BoardNames()) {
		t.Errorf("names %v", names)
	}
}

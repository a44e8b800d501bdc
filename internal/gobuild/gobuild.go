// Package gobuild builds firmware images with the go command: the stock
// toolchain, with the target and the linker's flags that a board asks for.
package gobuild

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/gasp-go/gasp/internal/qemu"
)

// Variables of the kernel that are set at link time.
const (
	cmdlineVar = "github.com/gasp-go/gasp/board/kernel.DefaultCmdline"
	versionVar = "github.com/gasp-go/gasp/board/kernel.Version"
)

// Firmware says what image to build.
type Firmware struct {
	Board   *qemu.Board
	Dir     string    // to run the go command in; default: the current one
	Package string    // import path or directory of a main package; default "."
	Output  string    // file to write
	LDFlags string    // added to the linker's flags, as for go build
	Tags    string    // added to the board's tag, separated by commas
	Cmdline string    // default boot arguments, used when the loader leaves none
	Stderr  io.Writer // gets what the go command says; nil: an error has it
}

// Build builds the image and checks that it is one for the board.
func (f *Firmware) Build(ctx context.Context) error {
	w := f.Stderr
	if w == nil {
		w = io.Discard
	}
	args, err := f.args(version(ctx, f.Dir))
	if err != nil {
		return err
	}
	var said bytes.Buffer
	if err := run(ctx, f.Dir, io.MultiWriter(&said, w), Env(f.Board), args...); err != nil {
		if f.Stderr == nil {
			err = fmt.Errorf("%w\n%s", err, bytes.TrimSpace(said.Bytes()))
		}
		if bytes.Contains(said.Bytes(), []byte("missing entry symbol")) {
			err = fmt.Errorf("%w\nthe image lacks the entry point: does the package import _ %q?", err, packageOf(f.Board.Entry))
		}
		return err
	}
	out := f.Output
	if !filepath.IsAbs(out) {
		out = filepath.Join(f.Dir, out)
	}
	kind, err := qemu.Inspect(f.Board, out)
	if err != nil {
		return err
	}
	if kind != qemu.KindFirmware {
		return fmt.Errorf("%s came out as a %v, not as a firmware image for %s", out, kind, f.Board.Name)
	}
	return nil
}

// layout is what makes the linker's output an image for the board.
func (f *Firmware) layout() string {
	return fmt.Sprintf("-T %#x -R 0x1000 -E %s", f.Board.Text, f.Board.Entry)
}

// LinkFlags returns the flags with which the go command links a program as an
// image for the board.
func (f *Firmware) LinkFlags() []string {
	return []string{"-tags", f.Board.Name, "-ldflags", f.layout()}
}

// args returns the go command's arguments. version may be "".
func (f *Firmware) args(version string) ([]string, error) {
	ld := f.layout()
	for _, v := range []struct{ name, value string }{{versionVar, version}, {cmdlineVar, f.Cmdline}} {
		if v.value == "" {
			continue
		}
		q, err := Quote(v.name + "=" + v.value)
		if err != nil {
			return nil, err
		}
		ld += " -X " + q
	}
	if f.LDFlags != "" {
		ld += " " + f.LDFlags
	}
	tags := f.Board.Name
	if f.Tags != "" {
		tags += "," + f.Tags
	}
	pkg := f.Package
	if pkg == "" {
		pkg = "."
	}
	return []string{"build", "-trimpath", "-o", f.Output, "-tags", tags, "-ldflags", ld, pkg}, nil
}

// Quote quotes a word for a flag of the go command that takes a list of words
// (-ldflags, -exec): either quote may stand around a word, nothing is escaped.
func Quote(s string) (string, error) {
	switch {
	case s != "" && !strings.ContainsAny(s, " \t\r\n'\""):
		return s, nil
	case !strings.Contains(s, "'"):
		return "'" + s + "'", nil
	case !strings.Contains(s, `"`):
		return `"` + s + `"`, nil
	}
	return "", fmt.Errorf("%s: cannot pass both kinds of quotes to the go command", s)
}

// Env returns the environment of a go command that builds for b.
func Env(b *qemu.Board) []string {
	return append(os.Environ(), "GOOS=linux", "GOARCH=arm", "GOARM="+b.GOARM, "CGO_ENABLED=0")
}

// Name returns the name of the image for a package: the last element of its
// import path.
func Name(ctx context.Context, b *qemu.Board, dir, pkg string) (string, error) {
	out, err := output(ctx, dir, Env(b), "list", "-tags", b.Name, "-f", "{{.Name}} {{.ImportPath}}", pkg)
	if err != nil {
		return "", err
	}
	name, path, _ := strings.Cut(out, " ")
	switch {
	case strings.Contains(out, "\n"):
		return "", fmt.Errorf("%s is more than one package", pkg)
	case name != "main":
		return "", fmt.Errorf("%s is package %s, not a main package; name one, such as ./cmd/firmware", path, name)
	}
	return path[strings.LastIndex(path, "/")+1:], nil
}

// version describes the source as git sees it, "" where there is no git.
func version(ctx context.Context, dir string) string {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--tags")
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// run runs the go command with its output going to w.
func run(ctx context.Context, dir string, w io.Writer, env []string, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Env = dir, env
	cmd.Stdout, cmd.Stderr = w, w
	return explain(args[0], cmd.Run(), "")
}

// packageOf cuts the last part off a symbol's name.
func packageOf(symbol string) string { return symbol[:strings.LastIndex(symbol, ".")] }

// output runs the go command and returns what it prints.
func output(ctx context.Context, dir string, env []string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Env = dir, env
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	return strings.TrimSpace(string(out)), explain(args[0], err, said.String())
}

func explain(verb string, err error, said string) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("the go command is needed and not in PATH: %w", err)
	}
	if said = strings.TrimSpace(said); said != "" {
		return fmt.Errorf("go %s: %w\n%s", verb, err, said)
	}
	return fmt.Errorf("go %s: %w", verb, err)
}

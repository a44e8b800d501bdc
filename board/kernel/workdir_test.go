//go:build arm

package kernel_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/gasp-go/gasp/board/kernel"
)

// "gasp exec" gives a test what "go test" has it find: its package's directory.

// asProgram skips a test in an image, which gets no files.
func asProgram(t *testing.T) {
	t.Helper()
	if _, size := kernel.RAM(); size != 0 {
		t.Skip("this is an image: its files are what it embeds")
	}
}

func TestTheWorkingDirectoryIsThePackages(t *testing.T) {
	asProgram(t)
	if got := slurp(t, "testdata/tree/file"); got != "what the package test of files reads\n" {
		t.Errorf("testdata: %q", got)
	}
	if !strings.Contains(slurp(t, "./workdir_test.go"), "package kernel_test") {
		t.Error("the source is another")
	}
	dir, err := os.Getwd()
	if err != nil || !filepath.IsAbs(dir) || filepath.Base(dir) != "kernel" {
		t.Errorf("working directory %q, %v", dir, err)
	}
	if slurp(t, filepath.Join(dir, "testdata/tree/file")) != slurp(t, "../kernel/testdata/tree/../tree/file") {
		t.Error("the absolute path is another file's")
	}
	var names []string
	err = filepath.WalkDir("testdata", func(path string, d fs.DirEntry, err error) error {
		names = append(names, path)
		return err
	})
	if got := strings.Join(names, " "); err != nil || got != "testdata testdata/tree testdata/tree/file" {
		t.Errorf("testdata has %q, %v", got, err)
	}
}

func TestWhatComesFromTheHostIsReadOnly(t *testing.T) {
	asProgram(t)
	for name, err := range map[string]error{
		"write":  os.WriteFile("testdata/tree/file", nil, 0o666),
		"create": os.WriteFile("testdata/tree/new", nil, 0o666),
		"remove": os.Remove("testdata/tree/file"),
		"mkdir":  os.Mkdir("testdata/dir", 0o777),
	} {
		if !errors.Is(err, syscall.EROFS) {
			t.Errorf("%s: %v, want EROFS", name, err)
		}
	}
}

func TestChdirMovesWhereRelativePathsStart(t *testing.T) {
	before, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	defer os.Chdir(before)
	cwd := func() string {
		var b [4096]byte
		n, _, e := syscall.RawSyscall(syscall.SYS_GETCWD, uintptr(unsafe.Pointer(&b)), uintptr(len(b)), 0)
		if e != 0 || n < 2 || b[n-1] != 0 {
			t.Fatal(n, e)
		}
		return string(b[:n-1])
	}
	if err := syscall.Chdir("/etc"); err != nil || cwd() != "/etc" {
		t.Fatal(err, cwd())
	}
	if slurp(t, "hosts") != slurp(t, "/etc/hosts") {
		t.Error("another file")
	}
	if err := syscall.Chdir("../proc/self"); err != nil || !strings.HasPrefix(cwd(), "/proc/") {
		t.Error(err, cwd())
	}
	root, err := os.Open("/")
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := root.Chdir(); err != nil || cwd() != "/" {
		t.Error(err, cwd())
	}
	hosts, err := os.Open("etc/hosts")
	if err != nil {
		t.Fatal(err)
	}
	defer hosts.Close()
	for _, c := range []struct {
		name string
		got  error
		want error
	}{
		{"to a file", syscall.Chdir("/etc/hosts"), syscall.ENOTDIR},
		{"to nothing", syscall.Chdir("/nothing"), syscall.ENOENT},
		{"with no path", syscall.Chdir(""), syscall.ENOENT},
		{"to an open file", syscall.Fchdir(int(hosts.Fd())), syscall.ENOTDIR},
		{"to a closed descriptor", syscall.Fchdir(900), syscall.EBADF},
		{"to AT_FDCWD", syscall.Fchdir(-100), syscall.EBADF},
	} {
		if c.got != c.want {
			t.Errorf("%s: %v, want %v", c.name, c.got, c.want)
		}
	}
	if cwd() != "/" {
		t.Errorf("errors moved it to %s", cwd())
	}
	syscall.Chdir("/etc")
	var b [64]byte
	p := uintptr(unsafe.Pointer(&b))
	if e := raw(syscall.SYS_GETCWD, p, 4, 0); e != syscall.ERANGE {
		t.Errorf("4 bytes for /etc: %v, want ERANGE", e)
	}
	if e := raw(syscall.SYS_GETCWD, bad[1], 64, 0); e != syscall.EFAULT {
		t.Errorf("bad pointer: %v, want EFAULT", e)
	}
}

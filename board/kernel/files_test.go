//go:build arm && mx6ulevk

package kernel_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/gasp-go/gasp/board/kernel"
)

// What the firmware does to the file system, in one image with the kernel.

func set(t *testing.T, path, data string) {
	t.Helper()
	if err := kernel.SetFile(path, []byte(data)); err != nil {
		t.Fatal(err)
	}
}

func TestSetFileReplacesAndCreates(t *testing.T) {
	inImage(t)
	set(t, "/etc/resolv.conf", "nameserver 192.0.2.1\n")
	if got := slurp(t, "/etc/resolv.conf"); got != "nameserver 192.0.2.1\n" {
		t.Errorf("%q", got)
	}
	set(t, "/var/lib/app/state", "one")
	set(t, "/var/lib/app/state", "")
	if got := slurp(t, "/var/lib/app/state"); got != "" {
		t.Errorf("%q", got)
	}
	if list, err := os.ReadDir("/var/lib"); err != nil || len(list) != 1 || list[0].Name() != "app" || !list[0].IsDir() {
		t.Errorf("%v, %v", list, err)
	}
}

func TestSetTextIsMadeAtEachRead(t *testing.T) {
	inImage(t)
	n := uint64(0)
	inTrap := false
	text := func(w *kernel.Text) {
		inTrap = kernel.InTrap()
		n++
		w.Str("read ")
		w.Num(n, 10, 4, ' ')
		w.Num(0xbeef, 16, 8, '0')
		w.Num(1<<40, 10, 1, ' ')
		w.Num(0, 10, 2, ' ')
		w.Str("\n")
	}
	if err := kernel.SetText("/proc/net/test", text); err != nil {
		t.Fatal(err)
	}
	first, second := slurp(t, "/proc/net/test"), slurp(t, "/proc/net/test")
	if first != "read    10000beef1099511627776 0\n" || second == first || !inTrap {
		t.Errorf("%q, then %q, in trap context %v", first, second, inTrap)
	}
	if err := kernel.SetText("/proc/net/test", func(w *kernel.Text) { w.Str("new") }); err != nil {
		t.Fatal(err)
	}
	if got := slurp(t, "/proc/net/test"); got != "new" {
		t.Errorf("%q", got)
	}
	for path, want := range map[string]error{
		"": syscall.EINVAL, "/": syscall.EINVAL, "a": syscall.EINVAL, "/a/../b": syscall.EINVAL,
		"/proc/meminfo": syscall.EPERM, "/proc": syscall.EISDIR, "/etc/hosts": syscall.EPERM, "/etc/hosts/x": syscall.ENOTDIR,
	} {
		if err := kernel.SetText(path, text); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", path, err, want)
		}
	}
}

func TestOpenDescriptorsKeepTheOldContents(t *testing.T) {
	inImage(t)
	set(t, "/etc/motd", "the old contents")
	f, err := os.Open("/etc/motd")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	half := make([]byte, 8)
	if _, err := io.ReadFull(f, half); err != nil {
		t.Fatal(err)
	}
	set(t, "/etc/motd", "new")
	rest, err := io.ReadAll(f)
	if got := string(half) + string(rest); got != "the old contents" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if info, err := f.Stat(); err != nil || info.Size() != 16 {
		t.Errorf("size of the old: %v, %v", info, err)
	}
	if got := slurp(t, "/etc/motd"); got != "new" {
		t.Errorf("opened anew: %q", got)
	}
}

func TestReplacedContentsAreFreed(t *testing.T) {
	inImage(t)
	for i := range 5000 { // more than there are places
		set(t, "/etc/motd", fmt.Sprint("number ", i))
		f, err := os.Open("/etc/motd")
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
}

func TestReadersSeeOneContentWhileWritersReplaceIt(t *testing.T) {
	inImage(t)
	set(t, "/etc/motd", strings.Repeat("0", 5000))
	var wg sync.WaitGroup
	for w := range 2 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range 300 {
				kernel.SetFile("/etc/motd", []byte(strings.Repeat(string(rune('a'+(w*13+i)%26)), 5000)))
			}
		}()
	}
	for range 300 {
		got := slurp(t, "/etc/motd")
		if len(got) != 5000 || got != strings.Repeat(got[:1], 5000) {
			t.Fatal("mixed contents")
		}
	}
	wg.Wait()
}

func TestSetFileRefusesWhatCannotBe(t *testing.T) {
	inImage(t)
	for path, want := range map[string]error{
		"":                             syscall.EINVAL,
		"/":                            syscall.EINVAL,
		"etc/hosts":                    syscall.EINVAL,
		"/etc/../hosts":                syscall.EINVAL,
		"/etc//hosts":                  syscall.EINVAL,
		"/etc":                         syscall.EISDIR,
		"/etc/hosts/x":                 syscall.ENOTDIR,
		"/proc/meminfo":                syscall.EPERM,
		"/dev/null":                    syscall.EPERM,
		"/proc/self/exe":               syscall.EPERM,
		"/" + strings.Repeat("n", 256): syscall.ENAMETOOLONG,
	} {
		err := kernel.SetFile(path, nil)
		var pe *fs.PathError
		if !errors.As(err, &pe) || !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", path, err, want)
		}
	}
}

func TestAddFSCopiesATree(t *testing.T) {
	inImage(t)
	tree := fstest.MapFS{
		"index.html":     {Data: []byte("<p>")},
		"img/a.png":      {Data: []byte{0x89, 'P'}},
		"img/deep/b.txt": {Data: make([]byte, 2000)},
		"empty":          {Mode: fs.ModeDir | 0o755},
	}
	if err := kernel.AddFS(tree, "/srv/www"); err != nil {
		t.Fatal(err)
	}
	if err := fstest.TestFS(os.DirFS("/srv/www"), "index.html", "img/a.png", "img/deep/b.txt", "empty"); err != nil {
		t.Error(err)
	}
	set(t, "/srv/www/large", strings.Repeat("large", 50_000))
	if got := slurp(t, "/srv/www/large"); got != strings.Repeat("large", 50_000) {
		t.Errorf("large file: %d bytes", len(got))
	}
	if err := kernel.AddFS(tree, "/"); err != nil {
		t.Error(err)
	}
	if got := slurp(t, "/index.html"); got != "<p>" {
		t.Errorf("%q", got)
	}
	if err := kernel.AddFS(tree, "srv"); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("relative prefix: %v", err)
	}
	if err := kernel.AddFS(tree, "/etc/hosts"); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("into a file: %v", err)
	}
}

// It runs last: it leaves no room.
func TestTheTreeFillsUpWithAnError(t *testing.T) {
	inImage(t)
	for i := 0; ; i++ {
		err := kernel.SetFile(fmt.Sprintf("/tmp/%d", i), []byte("x"))
		if errors.Is(err, syscall.ENOSPC) {
			if i < 3900 {
				t.Errorf("full with %d files", i)
			}
			break
		}
		if err != nil || i > 5000 {
			t.Fatal(i, err)
		}
	}
	set(t, "/tmp/0", "y")
	if slurp(t, "/tmp/0") != "y" || slurp(t, "/tmp/3899") != "x" {
		t.Error("a full tree reads wrong")
	}
}

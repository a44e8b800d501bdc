package peer

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheArchiveIsTheMachinesOwn(t *testing.T) {
	got, err := debianArchive("Other|stable|http://example.org/other/\nDebian|bookworm-updates|http://example.org/u/\nDebian|bookworm|http://example.org/debian/\n")
	if err != nil || got != "http://example.org/debian/" {
		t.Errorf("%q, %v", got, err)
	}
	for _, bad := range []string{"", "Ubuntu|noble|http://example.org/\n", "Debian\n", "Debian|bookworm|"} {
		if got, err := debianArchive(bad); err == nil {
			t.Errorf("%q: %q", bad, got)
		}
	}
}

func TestTheKernelIsWhatTheMetaPackageDependsOn(t *testing.T) {
	got, err := dependency("Package: linux-image-armmp\nDepends: linux-image-6.12.1+deb13-armmp (= 6.12.1-1)\nSize: 1\n")
	if err != nil || got != "linux-image-6.12.1+deb13-armmp" {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := dependency("Depends: libc6\n"); err == nil {
		t.Errorf("%q", got)
	}
}

// pack is an archive as WriteInitrd makes it.
func pack(t *testing.T) []byte {
	var b bytes.Buffer
	c := &cpio{w: &b}
	c.add("dev", modeDir, nil, [2]int{})
	c.add("dev/odd", modeExec, []byte("12345"), [2]int{})
	c.add("init", modeExec, []byte("12345678"), [2]int{})
	if err := c.close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestEntriesOfTheArchiveAreAligned(t *testing.T) {
	b := pack(t)
	names := []string{}
	for at := 0; at < len(b); {
		h := b[at:]
		if string(h[:6]) != "070701" {
			t.Fatalf("no header at %d", at)
		}
		field := func(i int) (v int) {
			for _, c := range h[6+8*i : 14+8*i] {
				v = v<<4 | strings.IndexByte("0123456789abcdef", c)
			}
			return v
		}
		size, name := field(6), field(11)
		names = append(names, string(h[110:110+name-1]))
		at = (at+110+name+3)&^3 + (size+3)&^3
	}
	if got := strings.Join(names, " "); got != "dev dev/odd init TRAILER!!!" {
		t.Errorf("entries %s", got)
	}
}

func TestCpioUnpacksTheArchive(t *testing.T) {
	path, err := exec.LookPath("cpio")
	if err != nil {
		t.Skip("no cpio on this machine")
	}
	dir := t.TempDir()
	cmd := exec.Command(path, "-i", "-d")
	cmd.Dir, cmd.Stdin = dir, bytes.NewReader(pack(t))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "dev/odd")); err != nil || string(got) != "12345" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestAnIncompletePackageIsNamed(t *testing.T) {
	dir := t.TempDir()
	write := func(names ...string) {
		for _, n := range names {
			if err := os.WriteFile(filepath.Join(dir, n), []byte(n), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := find(dir); err == nil || !strings.Contains(err.Error(), "no kernel") {
		t.Error(err)
	}
	write("vmlinuz-1", dtb)
	for _, m := range modules[1:] {
		write(m + moduleSuffix)
	}
	if _, err := find(dir); err == nil || !strings.Contains(err.Error(), modules[0]) {
		t.Error(err)
	}
	write(modules[0]+moduleSuffix, "program")
	l, err := find(dir)
	if err != nil {
		t.Fatal(err)
	}
	initrd := filepath.Join(dir, "initrd")
	if err := l.WriteInitrd(initrd, filepath.Join(dir, "program")); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(initrd)
	if err != nil || !bytes.Contains(b, []byte("modules/00-"+modules[0]+moduleSuffix)) || l.Initrd != initrd {
		t.Errorf("%v, %+v", err, l)
	}
}

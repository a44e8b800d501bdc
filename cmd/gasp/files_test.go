package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gasp-go/gasp/board/cpio"
	"github.com/gasp-go/gasp/internal/qemu"
	"github.com/gasp-go/gasp/internal/qemu/qemutest"
)

// tree makes files, with their names as contents, below a directory that it
// makes the current one's, and returns it.
func tree(t *testing.T, names ...string) string {
	t.Helper()
	root := t.TempDir()
	for _, name := range names {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(name), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// packed returns the names in an archive, below root, in order; directories
// end with a slash.
func packed(t *testing.T, path, root string) []string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	r := cpio.Reader{Rest: string(data)}
	for {
		e, ok := r.Next()
		if !ok {
			break
		}
		name := strings.TrimPrefix(strings.TrimPrefix("/"+e.Name, root), "/")
		if e.Mode&cpio.TypeMask == cpio.TypeDir {
			name += "/"
		} else if e.Data != name {
			t.Errorf("%s holds %q", name, e.Data)
		}
		names = append(names, name)
	}
	if r.Bad {
		t.Error("not an archive")
	}
	return names
}

func TestATestGetsItsPackageAndTestdataUpToTheModule(t *testing.T) {
	root := tree(t, "testdata/outside", "m/go.mod", "m/testdata/top", "m/other.go", "m/a/testdata/x/deep",
		"m/a/b/b.go", "m/a/b/testdata/near", "m/a/b/sub/sub.go", "m/a/c/testdata/beside")
	t.Chdir(filepath.Join(root, "m/a/b"))
	path, err := programFiles{filesAuto, t.TempDir()}.pack("/tmp/b.test", qemu.KindProgram)
	if err != nil {
		t.Fatal(err)
	}
	got := packed(t, path, root)
	want := []string{"m/a/b/", "m/a/b/b.go", "m/a/b/testdata/", "m/a/b/testdata/near",
		"m/a/testdata/", "m/a/testdata/x/", "m/a/testdata/x/deep", "m/testdata/", "m/testdata/top"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestOnlyTestsGetFilesUnasked(t *testing.T) {
	for _, c := range []struct {
		files, program string
		kind           qemu.Kind
	}{
		{filesAuto, "/tmp/program", qemu.KindProgram},
		{filesAuto, "/tmp/image.test", qemu.KindFirmware},
		{filesNone, "/tmp/b.test", qemu.KindProgram},
	} {
		if path, err := (programFiles{c.files, t.TempDir()}).pack(c.program, c.kind); path != "" || err != nil {
			t.Errorf("%v: %q, %v", c, path, err)
		}
	}
}

func TestFilesOfADirectoryAreAllBelowIt(t *testing.T) {
	root := tree(t, "work/file", "data/a", "data/b/c")
	t.Chdir(filepath.Join(root, "work"))
	if err := os.Symlink("b/c", filepath.Join(root, "data/link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", filepath.Join(root, "data/lost")); err != nil {
		t.Fatal(err)
	}
	os.WriteFile(filepath.Join(root, "data/b/c"), []byte("data/link"), 0o666)
	os.Remove(filepath.Join(root, "data/a"))
	path, err := programFiles{"../data", t.TempDir()}.pack("prog", qemu.KindFirmware)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r := cpio.Reader{Rest: string(data)}
	var got []string
	for e, ok := r.Next(); ok; e, ok = r.Next() {
		got = append(got, strings.TrimPrefix("/"+e.Name, root)+"="+e.Data)
	}
	want := []string{"/work=", "/data=", "/data/b=", "/data/b/c=data/link", "/data/link=data/link"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestFilesThatAreNotThereOrTooManyAreAnError(t *testing.T) {
	t.Chdir(t.TempDir())
	if _, err := (programFiles{"nothing", t.TempDir()}).pack("prog", qemu.KindProgram); err == nil {
		t.Error("no error of a directory that is not there")
	}
	for i := range maxFiles + 1 {
		if err := os.WriteFile(filepath.Join("f"+strings.Repeat("x", i%200)+string(rune('a'+i/200))), nil, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	_, err := programFiles{filesAuto, t.TempDir()}.pack("x.test", qemu.KindProgram)
	if err == nil || !strings.Contains(err.Error(), "-files") {
		t.Errorf("too many: %v", err)
	}
	if err := os.Truncate("fa", maxFileSize); err != nil {
		t.Fatal(err)
	}
	_, err = programFiles{filesAuto, t.TempDir()}.pack("x.test", qemu.KindProgram)
	if err == nil || !strings.Contains(err.Error(), "MiB") {
		t.Errorf("too large: %v", err)
	}
}

func TestExecTellsTheKernelWhereTheFilesAre(t *testing.T) {
	b := qemutest.Board(t)
	root := tree(t, "a")
	image := qemutest.Write(t, qemutest.EchoString(b.BootArgs))
	_, _, err := gasp(bound(t), "exec", "-v", "-files", root, image)
	if want := "gasp.files=0x84000000,"; !strings.Contains(err, want) {
		t.Errorf("got %q, want %q", err, want)
	}
	image = qemutest.Write(t, qemutest.EchoString(b.Exec))
	if _, _, err := gasp(bound(t), "exec", "-v", "-files", root, image); !strings.Contains(err, "serial | 070701") {
		t.Errorf("at the address is %q", err)
	}
}

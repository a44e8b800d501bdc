package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/gasp-go/gasp/board/cpio"
	"github.com/gasp-go/gasp/internal/qemu"
)

// Files of the host that a program on the target can read.

const (
	filesAuto = "auto"
	filesNone = "none"

	maxFiles    = 3500     // the kernel's tree has room for 4096 nodes, its own and directories included
	maxFileSize = 64 << 20 // bytes of all files
)

// programFiles says what files a program gets.
type programFiles struct {
	files string // the value of -files
	dir   string // where to put the archive
}

// pack writes the archive for a program and returns its path; "" if it gets no
// files. Names are absolute, and the archive starts with the working directory,
// which becomes the program's.
func (pf programFiles) pack(program string, kind qemu.Kind) (path string, err error) {
	auto := pf.files == filesAuto
	if pf.files == filesNone || auto && (kind == qemu.KindFirmware || !strings.HasSuffix(program, ".test")) {
		return "", nil
	}
	work, err := os.Getwd()
	if err != nil {
		return "", err
	}
	f, err := os.Create(filepath.Join(pf.dir, "files.cpio"))
	if err != nil {
		return "", err
	}
	p := packer{w: cpio.NewWriter(f)}
	p.dir(work)
	if auto {
		p.testFiles(work)
	} else {
		root, err := filepath.Abs(pf.files)
		p.note(err)
		p.tree(root)
	}
	if p.err == nil {
		p.err = p.w.Close()
	}
	return f.Name(), errors.Join(p.err, f.Close())
}

// packer packs; the first error ends it.
type packer struct {
	w   *cpio.Writer
	n   int
	err error
}

// testFiles packs what tests of the package in directory work expect to find:
// the package's own files, and testdata there and in each directory above it,
// up to the module's root.
func (p *packer) testFiles(work string) {
	entries, err := os.ReadDir(work)
	p.note(err)
	for _, e := range entries {
		p.file(filepath.Join(work, e.Name()))
	}
	for at := work; ; at = filepath.Dir(at) {
		data := filepath.Join(at, "testdata")
		if st, err := os.Stat(data); err == nil && st.IsDir() {
			p.tree(data)
		}
		if _, err := os.Stat(filepath.Join(at, "go.mod")); err == nil || at == filepath.Dir(at) {
			return
		}
	}
}

// tree packs a directory and all below it. Links are not followed to
// directories.
func (p *packer) tree(dir string) {
	p.note(filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			p.dir(path)
		default:
			p.file(path)
		}
		return p.err
	}))
}

func (p *packer) dir(path string) {
	if path != "/" && p.count(0) {
		p.note(p.w.Dir(path[1:]))
	}
}

// file packs the file at path, if it is one, or a link to one.
func (p *packer) file(path string) {
	st, err := os.Stat(path)
	if err != nil || !st.Mode().IsRegular() {
		return // a directory, a link to nowhere, a device
	}
	if !p.count(st.Size()) {
		return
	}
	data, err := os.ReadFile(path)
	p.note(err)
	if err == nil {
		p.note(p.w.File(path[1:], data))
	}
}

// count reports whether there is room for a file of that size.
func (p *packer) count(size int64) bool {
	p.n++
	if p.n > maxFiles {
		p.note(fmt.Errorf("the program's files are more than %d; choose others with -files", maxFiles))
	}
	if p.w.Size()+size > maxFileSize {
		p.note(fmt.Errorf("the program's files are more than %d MiB; choose others with -files", maxFileSize>>20))
	}
	return p.err == nil
}

func (p *packer) note(err error) {
	if p.err == nil {
		p.err = err
	}
}

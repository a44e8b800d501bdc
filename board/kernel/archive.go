//go:build arm

package kernel

import (
	"io/fs"
	"unsafe"

	"github.com/gasp-go/gasp/board/cpio"
)

// Files that the loader leaves in RAM: an archive (package cpio) at the address of
// the boot argument gasp.files=<address>,<size>, at the start of a megabyte. Its
// megabytes are never free memory, and the files' contents stay where they are.
// Names are from the root on; the first entry, if it is a directory, becomes the
// current one.

const (
	badFiles  = "gasp.files: want <address>,<size>, the address whole megabytes, in free RAM\n"
	badCpio   = "gasp.files: not a cpio archive (newc), or cut off\n"
	badName   = "gasp.files: a name in the archive is not a clean path, or a file's and a directory's\n"
	fullFiles = "gasp.files: too many files\n"
)

// The archive is in [filesStart, filesStart+filesSize), whole megabytes from
// filesStart to filesEnd.
var filesStart, filesSize, filesEnd uint32

// holdFiles finds out where an archive is. It runs before page frames are given
// out.
func holdFiles() {
	const mb = sectionSize - 1
	addr, size, ok := areaOf("gasp.files=")
	end := (addr + size + mb) &^ mb
	if !ok || addr&mb != 0 || addr < (imageEnd+mb)&^mb || end > tableRanges[3].start {
		return
	}
	filesStart, filesSize, filesEnd = addr, size, end
}

// unpackFiles puts the archive's files into the tree. It runs at boot: the Go
// pointers it stores lead out of the heap, and no collector runs yet.
func unpackFiles() {
	if len(bootValue("gasp.files=")) == 0 {
		return
	}
	if filesStart == 0 || filesStart < heldEnd && heldStart < filesEnd {
		noFiles(badFiles)
		return
	}
	protect(filesStart, filesEnd-filesStart, attrRead)
	r := cpio.Reader{Rest: unsafe.String((*byte)(unsafe.Add(nil, filesStart)), filesSize)}
	for first := true; ; first = false {
		e, ok := r.Next()
		if !ok {
			break
		}
		kind := nodeFile
		switch e.Mode & cpio.TypeMask {
		case cpio.TypeDir:
			kind = nodeDir
		case cpio.TypeFile:
		default:
			continue // there is nothing like it here
		}
		for len(e.Name) > 0 && e.Name[0] == '/' {
			e.Name = e.Name[1:]
		}
		if len(e.Name) > 2 && e.Name[:2] == "./" {
			e.Name = e.Name[2:]
		}
		if e.Name == "." {
			continue // the root is there
		}
		if !fs.ValidPath(e.Name) {
			noFiles(badName)
			continue
		}
		i := addNode(e.Name, kind)
		switch {
		case i == -ENOSPC:
			noFiles(fullFiles)
			return
		case i < 0 || nodes[i].kind != kind:
			noFiles(badName)
			continue
		case kind == nodeFile && !addContent(i, e.Data):
			noFiles(fullFiles)
			return
		}
		if first && kind == nodeDir {
			cwd = i
		}
	}
	if r.Bad {
		noFiles(badCpio)
	}
}

// noFiles says that files are not there. A program that is run for its exit
// status is not even started.
func noFiles(why string) {
	if semihosting {
		refuse(why)
	}
	puts(why)
}

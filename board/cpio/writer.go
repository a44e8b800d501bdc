package cpio

import (
	"fmt"
	"io"
	"io/fs"
	"math"
)

// A Writer writes an archive. Names are paths as fs.ValidPath has them. After
// an error all calls return it.
type Writer struct {
	w       io.Writer
	size    int64
	entries int
	err     error
}

// NewWriter returns a Writer that writes to w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Dir adds a directory. Those that lead to it need not be added.
func (w *Writer) Dir(name string) error { return w.entry(name, TypeDir|0o755, nil) }

// File adds a file that can be read.
func (w *Writer) File(name string, data []byte) error { return w.entry(name, TypeFile|0o444, data) }

// Close writes the end of the archive; it does not close the underlying writer.
func (w *Writer) Close() error { return w.put(trailer, 0, nil) }

// Size is how many bytes were written.
func (w *Writer) Size() int64 { return w.size }

func (w *Writer) entry(name string, mode uint32, data []byte) error {
	if w.err == nil && (!fs.ValidPath(name) || name == ".") {
		w.err = &fs.PathError{Op: "archive", Path: name, Err: fs.ErrInvalid}
	}
	if w.err == nil && uint64(len(data)) > math.MaxUint32 {
		w.err = &fs.PathError{Op: "archive", Path: name, Err: fmt.Errorf("%d bytes are too many", len(data))}
	}
	w.entries++
	return w.put(name, mode, data)
}

func (w *Writer) put(name string, mode uint32, data []byte) error {
	// Magic, inode, mode, uid, gid, links, mtime, size, device (2), device
	// number (2), length of the name with its NUL, checksum.
	w.write(fmt.Appendf(nil, magic+"%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
		w.entries, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name)+1, 0, name))
	w.pad()
	w.write(data)
	w.pad()
	return w.err
}

func (w *Writer) write(p []byte) {
	if w.err != nil {
		return
	}
	n, err := w.w.Write(p)
	w.size += int64(n)
	w.err = err
}

func (w *Writer) pad() { w.write(make([]byte, -w.size&3)) }

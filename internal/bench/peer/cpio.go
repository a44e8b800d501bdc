// Package peer makes the peer that the benchmarks compare with: Debian's
// kernel for armhf, fetched from Debian's packages into a cache, with an
// initial RAM disk of one program and the modules that the network needs.
package peer

import (
	"fmt"
	"io"
)

// cpio writes an archive in the "new ASCII" format of cpio, which Linux takes
// for an initial RAM disk.
type cpio struct {
	w   io.Writer
	n   int64 // written
	ino int
	err error
}

const (
	modeDir  = 0o040755
	modeExec = 0o100755
	modeChar = 0o020600
)

// add writes one entry. device is a character device's, major and minor.
func (c *cpio) add(name string, mode uint32, data []byte, device [2]int) {
	c.ino++
	c.printf("070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
		c.ino, mode, 0, 0, 1, 0, len(data), 0, 0, device[0], device[1], len(name)+1, 0)
	c.printf("%s\x00", name)
	c.pad()
	c.write(data)
	c.pad()
}

// close writes the entry that ends the archive.
func (c *cpio) close() error {
	c.ino = -1 // 0
	c.add("TRAILER!!!", 0, nil, [2]int{})
	return c.err
}

func (c *cpio) pad() { c.write(make([]byte, -c.n&3)) }

func (c *cpio) printf(format string, args ...any) { c.write(fmt.Appendf(nil, format, args...)) }

func (c *cpio) write(b []byte) {
	if c.err != nil {
		return
	}
	n, err := c.w.Write(b)
	c.n += int64(n)
	c.err = err
}

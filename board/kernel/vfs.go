//go:build arm

package kernel

import "unsafe"

// The file system: a tree in memory that programs can only read. It starts with
// what the runtime and the standard library look for (rootfs.go); the firmware
// adds to it and replaces contents (setfile.go), and the loader may leave more in
// RAM (archive.go).
//
// The tree and the contents are written on goroutines, one at a time, and read
// in trap context. So a node or a content is filled in while nothing refers to
// it, and comes into use by one store of an index, in trap context. Nodes stay
// for ever. A content is counted by who uses it, the node and open descriptors;
// at zero its place is free. Names and contents are strings, static or the Go
// heap's; trap context only reads them.

const (
	maxNodes    = 4096
	maxContents = maxNodes + 64 // descriptors may hold replaced contents

	maxPath = 4096        // bytes, with the NUL
	atFDCWD = ^uint32(99) // -100: for the current directory (cwd.go)
	maxName = 255
	noNode  = -1
)

type nodeKind uint8

const (
	nodeDir nodeKind = iota
	nodeFile
	nodeProc   // text made when it is read (proc.go)
	nodeDevice // (device.go)
	nodeLink   // symbolic link; the only one leads nowhere (/proc/self/exe)
)

type node struct {
	name        string // without slashes
	parent      int16
	child, last int16 // a directory's entries, by next
	next        int16
	kind        nodeKind
	id          uint8 // which nodeProc or nodeDevice
	content     int16 // nodeFile and nodeLink; noNode: empty
}

type content struct {
	data string
	refs int32 // 0: free
}

var (
	nodes    [maxNodes]node // 0 is the root
	nNodes   int16
	contents [maxContents]content
)

// pathname is the path that a system call works on, without its NUL. One call
// at a time uses it: trap context.
var pathname struct {
	buf [maxPath]byte
	len uint32
}

// readPath copies the path at p.
func readPath(p uint32) (e int32) {
	for i := uint32(0); i < maxPath; i++ {
		if (i == 0 || (p+i)&(pageSize-1) == 0) && !accessible(p+i, 1, false) {
			return EFAULT
		}
		b := load8(p + i)
		if b == 0 {
			pathname.len = i
			return 0
		}
		pathname.buf[i] = b
	}
	return ENAMETOOLONG
}

// lookup finds the node that path names, from directory dir if it does not
// start with a slash. A link is not followed.
func lookup(dir int16) (i int16, e int32) {
	if pathname.len == 0 {
		return noNode, ENOENT
	}
	i = dir
	if pathname.buf[0] == '/' {
		i = 0
	}
	for at := uint32(0); at < pathname.len; {
		for at < pathname.len && pathname.buf[at] == '/' {
			at++
		}
		start := at
		for at < pathname.len && pathname.buf[at] != '/' {
			at++
		}
		name := pathname.buf[start:at]
		if nodes[i].kind != nodeDir {
			return noNode, ENOTDIR // with nothing but a slash behind it, too
		}
		switch {
		case len(name) > maxName:
			return noNode, ENAMETOOLONG
		case len(name) == 0, string(name) == ".":
		case string(name) == "..":
			i = nodes[i].parent
		default:
			if i = childOf(i, name); i == noNode {
				return noNode, ENOENT
			}
		}
	}
	return i, 0
}

// childOf is the entry of directory dir with that name.
func childOf(dir int16, name []byte) int16 {
	i := nodes[dir].child
	for i != noNode && nodes[i].name != string(name) {
		i = nodes[i].next
	}
	return i
}

// dirOf is the node that a *at call's descriptor stands for.
func dirOf(fd uint32) (i int16, e int32) {
	if fd == atFDCWD {
		return cwd, 0
	}
	f := fileOf(fd)
	if f == nil {
		return noNode, EBADF
	}
	if f.kind != fileNode {
		return noNode, ENOTDIR
	}
	return f.node, 0
}

// find is readPath and lookup. A path that starts with a slash does not care
// for dirfd.
func find(dirfd, p uint32) (i int16, e int32) {
	if e = readPath(p); e != 0 {
		return noNode, e
	}
	if pathname.len > 0 && pathname.buf[0] == '/' {
		return lookup(0)
	}
	dir, e := dirOf(dirfd)
	if e != 0 {
		return noNode, e
	}
	return lookup(dir)
}

// data is what node i holds now.
func (n *node) data() string {
	if n.content == noNode {
		return ""
	}
	return contents[n.content].data
}

// linking is what linkNode and linkContent are to do; they are run in trap
// context by the one who holds treeLock.
var linking struct{ node, with int16 }

// linkNode makes node with the last entry of directory node.
func linkNode(unsafe.Pointer) {
	d := &nodes[linking.node]
	if d.child == noNode {
		d.child = linking.with
	} else {
		nodes[d.last].next = linking.with
	}
	d.last = linking.with
	nNodes++
}

// linkContent makes content with that of file node. Descriptors that have the
// old one open keep it.
func linkContent(unsafe.Pointer) {
	n := &nodes[linking.node]
	old := n.content
	contents[linking.with].refs = 1
	n.content = linking.with
	if old != noNode {
		contents[old].refs--
	}
}

//go:build arm

package kernel

import (
	"io/fs"
	"sync"
	sys "syscall"
)

// treeLock admits one writer of the tree. Trap context does not take it.
var treeLock sync.Mutex

// SetFile makes data, which is copied, the contents of the file at path, an
// absolute one. The file and its directories come into being if need be.
// Descriptors that are open keep the contents they were opened with. Any
// goroutine. Errors are *fs.PathError: EISDIR, ENOTDIR, ENAMETOOLONG, ENOSPC
// (4096 files and directories, contents that descriptors hold included), EPERM
// for what the kernel makes up itself (in /proc and /dev), EINVAL for a path that
// is not clean, ENOSYS if another image's kernel runs.
func SetFile(path string, data []byte) error {
	if path == "/" || path == "" || path[0] != '/' || !fs.ValidPath(path[1:]) {
		return &fs.PathError{Op: "setfile", Path: path, Err: sys.EINVAL}
	}
	if err := setFile(path, string(data)); err != nil {
		return &fs.PathError{Op: "setfile", Path: path, Err: err}
	}
	return nil
}

// AddFS copies every file and directory of fsys, an embed.FS for instance, to
// below the directory prefix, an absolute path. Files that exist are replaced.
// Errors are SetFile's and fsys's; what came before the error stays.
func AddFS(fsys fs.FS, prefix string) error {
	if prefix == "" || prefix[0] != '/' || prefix != "/" && !fs.ValidPath(prefix[1:]) {
		return &fs.PathError{Op: "addfs", Path: prefix, Err: sys.EINVAL}
	}
	if prefix == "/" {
		prefix = ""
	}
	return fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		path := prefix
		if name != "." {
			path += "/" + name
		}
		switch {
		case path == "":
			return nil // the root is there
		case d.IsDir():
			treeLock.Lock()
			defer treeLock.Unlock()
			if _, err := makeNode(path, nodeDir); err != nil {
				return &fs.PathError{Op: "addfs", Path: path, Err: err}
			}
			return nil
		}
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		return SetFile(path, data)
	})
}

func setFile(path, data string) error {
	treeLock.Lock()
	defer treeLock.Unlock()
	i, err := makeNode(path, nodeFile)
	if err != nil {
		return err
	}
	if !addContent(i, data) {
		return sys.ENOSPC
	}
	return nil
}

// makeNode is addNode with a reason.
func makeNode(path string, kind nodeKind) (int16, error) {
	if !Runs() {
		return noNode, sys.ENOSYS // the kernel that runs is another image's
	}
	i := addNode(path, kind)
	switch {
	case i < 0:
		return noNode, sys.Errno(-i)
	case nodes[i].kind == kind:
		return i, nil
	case kind == nodeDir:
		return i, sys.ENOTDIR
	case nodes[i].kind == nodeDir:
		return i, sys.EISDIR
	}
	return i, sys.EPERM
}

// addNode returns the node at path from the root, which is clean but for a slash
// in front. If there is none it becomes one of that kind, in directories that are made as well. A
// negative result is an errno. Not in trap context, except at boot.
func addNode(path string, kind nodeKind) int16 {
	at := int16(0)
	for path != "" {
		if path[0] == '/' {
			path = path[1:]
		}
		name, last := path, true
		for i := 0; i < len(name); i++ {
			if name[i] == '/' {
				name, last = name[:i], false
				break
			}
		}
		path = path[len(name):]
		if nodes[at].kind != nodeDir {
			return -ENOTDIR
		}
		i := nodes[at].child
		for i != noNode && nodes[i].name != name {
			i = nodes[i].next
		}
		if i == noNode {
			i = nNodes
			if len(name) > maxName {
				return -ENAMETOOLONG
			}
			if int(i) == maxNodes {
				return -ENOSPC
			}
			nodes[i] = node{name: name, parent: at, child: noNode, last: noNode, next: noNode, content: noNode}
			if last {
				nodes[i].kind = kind
			}
			linking.node, linking.with = at, i
			run(linkNodeFn, nil)
		}
		at = i
	}
	return at
}

// addContent makes data the content of node i; false if there is no room for
// it. Not in trap context, except at boot.
func addContent(i int16, data string) bool {
	free := int16(noNode)
	for c := range contents {
		if contents[c].refs == 0 {
			contents[c].data = "" // for the collector
			free = int16(c)
		}
	}
	if free == noNode {
		return false
	}
	contents[free].data = data
	linking.node, linking.with = i, free
	run(linkContentFn, nil)
	return true
}

// Variables, so that no closure is made for each call.
var linkNodeFn, linkContentFn = linkNode, linkContent

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/gasp-go/gasp/internal/ncrx"
)

// senderFiles appends what each sender says to a file of its own. The files
// may be moved away at any time: each record opens its file anew.
type senderFiles struct {
	dir, suffix string
	size        int64
	max         int
	known       map[string]bool
	warn        func(string)
	full        bool // and it has been said
}

func newSenderFiles(dir string, json bool, size int64, max int) (*senderFiles, error) {
	suffix := ".log"
	if json {
		suffix = ".json"
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	// Those of earlier runs count.
	old, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	for _, f := range old {
		if strings.HasSuffix(f.Name(), suffix) {
			known[f.Name()] = true
		}
	}
	return &senderFiles{dir: dir, suffix: suffix, size: size, max: max, known: known, warn: func(string) {}}, nil
}

// fileName is the name of a sender's file, without directory: an address has
// but digits, letters, dots and colons; a zone, which is this host's name of an
// interface, may have anything.
func fileName(from netip.Addr, suffix string) string {
	return strings.Map(func(c rune) rune {
		if '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || strings.ContainsRune(".:-", c) {
			return c
		}
		return '_'
	}, from.String()) + suffix
}

// write appends b, which is r, to its sender's file.
func (f *senderFiles) write(r *ncrx.Record, b []byte) error {
	name := fileName(r.From.Addr(), f.suffix)
	if !f.known[name] {
		if len(f.known) >= f.max {
			if !f.full {
				f.full = true
				f.warn(fmt.Sprintf("there are %d files: what %v and further addresses say is not recorded", len(f.known), r.From.Addr()))
			}
			return nil
		}
		f.known[name] = true
	}
	path := filepath.Join(f.dir, name)
	if st, err := os.Lstat(path); err == nil && st.Size() > 0 && st.Size()+int64(len(b)) > f.size {
		if err := os.Rename(path, path+".1"); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	// A link in the directory does not lead elsewhere.
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|syscall.O_NOFOLLOW, 0o644)
	if err != nil {
		return err
	}
	_, err = file.Write(b)
	return errors.Join(err, file.Close())
}

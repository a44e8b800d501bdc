//go:build arm

package kernel

import (
	"io/fs"
	sys "syscall"
)

// Texts of /proc and /sys whose contents are not the kernel's.

const (
	maxTexts  = 32
	firstText = 128 // the id of texts[0]; below are the kernel's own
)

var (
	texts  [maxTexts]func(*Text)
	nTexts int // holding treeLock
	text   Text
)

// Text is where the function of SetText writes. Its methods are for trap
// context, within that function.
type Text struct{ w window }

// Str writes s.
func (t *Text) Str(s string) { t.w.str(s) }

// Num writes v in base 10 or 16, with pad in front up to that width.
func (t *Text) Num(v uint64, base, width int, pad byte) {
	digits := 1
	for rest := v / uint64(base); rest > 0; rest /= uint64(base) {
		digits++
	}
	for ; width > digits; width-- {
		t.w.byte(pad)
	}
	t.w.num(v, uint64(base), 1)
}

// SetText makes the file at path, an absolute one, a text that fn writes anew
// for each read, from its beginning. fn runs in trap context. Not more than 32
// in all; later calls for a path replace its function. Any goroutine. Errors are
// SetFile's.
func SetText(path string, fn func(*Text)) error {
	if path == "" || path[0] != '/' || !fs.ValidPath(path[1:]) || path == "/" {
		return &fs.PathError{Op: "settext", Path: path, Err: sys.EINVAL}
	}
	if err := setText(path, fn); err != nil {
		return &fs.PathError{Op: "settext", Path: path, Err: err}
	}
	return nil
}

func setText(path string, fn func(*Text)) error {
	treeLock.Lock()
	defer treeLock.Unlock()
	i, err := makeNode(path, nodeProc)
	switch {
	case err != nil:
		return err
	case nodes[i].id >= firstText:
		texts[nodes[i].id-firstText] = fn
		return nil
	case nodes[i].id != procEmpty:
		return sys.EPERM
	case nTexts == maxTexts:
		return sys.ENOSPC
	}
	texts[nTexts] = fn
	nodes[i].id = uint8(firstText + nTexts)
	nTexts++
	return nil
}

// made writes the text with that id, if there is one.
func (w *window) made(id uint8) {
	i := int(id) - firstText
	if i < 0 || i >= maxTexts || texts[i] == nil {
		return
	}
	text.w = *w
	texts[i](&text) // not w: what is passed to an unknown function would be allocated
	*w = text.w
}

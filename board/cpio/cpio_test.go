package cpio

import (
	"fmt"
	"strings"
	"testing"
)

// newc is an entry of an archive in that format.
func newc(name, data string, mode uint32) string {
	pad := func(s string) string { return s + strings.Repeat("\x00", -len(s)&3) }
	return pad(fmt.Sprintf("070701%08x%08x%08X%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x", 1, mode, 0, 0, 1, 0,
		len(data), 0, 0, 0, 0, len(name)+1, 0)+name+"\x00") + pad(data)
}

var end = newc(trailer, "", 0)

func TestArchivesAreReadEntryByEntry(t *testing.T) {
	want := []Entry{
		{"dir", "", TypeDir | 0o755},
		{"dir/empty", "", TypeFile | 0o644},
		{"a", "1", TypeFile | 0o644},
		{"ab", "12", TypeFile},
		{"abc", "123", TypeFile},
		{"abcd", "1234", 0o120777},
		{"", "12345", TypeFile},
		{"./nul\x00inside", strings.Repeat("x", 70000), TypeFile},
	}
	text := ""
	for _, e := range want {
		text += newc(e.Name, e.Data, e.Mode)
	}
	r := Reader{Rest: text + end + "\x00\x00\x00\x00"}
	for _, w := range want {
		if e, ok := r.Next(); !ok || e != w {
			t.Fatalf("%v, %q of %d bytes, mode %o, want %q", ok, e.Name, len(e.Data), e.Mode, w.Name)
		}
	}
	if e, ok := r.Next(); ok || r.Bad {
		t.Errorf("%q behind the last one, bad %v", e.Name, r.Bad)
	}
}

func TestAnArchiveThatIsCutOffIsBad(t *testing.T) {
	text := newc("file", "contents", TypeFile) + newc("dir", "", TypeDir) + end
	for n := range len(text) - 1 { // the last byte is padding
		r := Reader{Rest: text[:n]}
		for ok := true; ok; {
			_, ok = r.Next()
		}
		if !r.Bad {
			t.Errorf("not noticed: cut off at %d of %d", n, len(text))
		}
	}
}

func TestWhatIsNoArchiveIsBad(t *testing.T) {
	good := newc("file", "contents", TypeFile)
	for name, text := range map[string]string{
		"text":               strings.Repeat("hello, world\n", 100),
		"another format":     "070707" + good[6:] + end,
		"no digits":          good[:sizeField] + "0000000g" + good[sizeField+8:] + end,
		"a huge file":        good[:sizeField] + "ffffffff" + good[sizeField+8:] + end,
		"a huge name":        good[:nameSizeField] + "ffffffff" + good[nameSizeField+8:] + end,
		"no name":            good[:nameSizeField] + "00000000" + good[nameSizeField+8:] + end,
		"a name with no end": good[:nameSizeField] + "00000003" + good[nameSizeField+8:] + end,
	} {
		r := Reader{Rest: text}
		for ok := true; ok; {
			_, ok = r.Next()
		}
		if !r.Bad {
			t.Errorf("not noticed: %s", name)
		}
	}
}

// Whatever it is given, the reader ends, and what it returns is in there.
func FuzzArchive(f *testing.F) {
	f.Add(newc("file", "contents", TypeFile) + newc("dir", "", TypeDir) + end)
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		r := Reader{Rest: text}
		for left := len(r.Rest); ; left = len(r.Rest) {
			e, ok := r.Next()
			if !ok {
				break
			}
			if len(r.Rest) >= left || len(e.Name)+len(e.Data) > left {
				t.Fatalf("%d bytes made an entry of %d and left %d", left, len(e.Name)+len(e.Data), len(r.Rest))
			}
		}
	})
}

package cpio

import (
	"bytes"
	"errors"
	"io/fs"
	"strings"
	"testing"
)

func TestWhatIsWrittenIsRead(t *testing.T) {
	var b bytes.Buffer
	w := NewWriter(&b)
	w.Dir("work")
	want := []Entry{{"work", "", TypeDir | 0o755}}
	for n := range 9 { // all lengths of padding
		name, data := "work/"+strings.Repeat("n", n+1), strings.Repeat("d", n)
		w.File(name, []byte(data))
		want = append(want, Entry{name, data, TypeFile | 0o444})
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if w.Size() != int64(b.Len()) || b.Len()%4 != 0 {
		t.Errorf("size %d of %d", w.Size(), b.Len())
	}
	r := Reader{Rest: b.String()}
	for _, want := range want {
		if e, ok := r.Next(); !ok || e != want {
			t.Fatalf("%v %v, want %v", ok, e, want)
		}
	}
	if e, ok := r.Next(); ok || r.Bad {
		t.Errorf("%v behind the last one, bad %v", e, r.Bad)
	}
}

func TestNamesThatAreNoCleanPathsAreRefused(t *testing.T) {
	for _, name := range []string{"", ".", "/abs", "a/../b", "a//b", "a/"} {
		var b bytes.Buffer
		w := NewWriter(&b)
		if err := w.File(name, nil); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%q: %v", name, err)
		}
		if w.Close() == nil || b.Len() != 0 {
			t.Errorf("%q: the archive goes on", name)
		}
	}
}

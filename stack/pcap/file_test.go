package pcap

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// sample is a file of two frames, with what is in them.
func sample(tb testing.TB) []byte {
	var b bytes.Buffer
	w, err := NewWriter(&b, 64)
	if err != nil {
		tb.Fatal(err)
	}
	arp := make([]byte, 60)
	copy(arp, []byte{255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2})
	for i, n := range []int{60, 1514} {
		data := append(bytes.Clone(arp), make([]byte, n-60)...)
		if err := w.WriteFrame(time.Unix(1767225600, 123456789+int64(i)), n, data); err != nil {
			tb.Fatal(err)
		}
	}
	return b.Bytes()
}

func TestWhatTheWriterWritesIsTheDocumentedFormat(t *testing.T) {
	b := sample(t)
	want := []byte{0x4d, 0x3c, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0, 0, 1, 0, 0, 0,
		0, 0xb9, 0x55, 0x69, 0x15, 0xcd, 0x5b, 0x07, 60, 0, 0, 0, 60, 0, 0, 0}
	if len(b) != 24+16+60+16+64 || !bytes.Equal(b[:len(want)], want) {
		t.Errorf("%d bytes: % x", len(b), b[:len(want)])
	}
}

func TestReaderReadsBothByteOrdersAndResolutions(t *testing.T) {
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		for magic, unit := range map[uint32]int64{magicNano: 1, magicMicro: 1000} {
			var b bytes.Buffer
			for _, v := range []any{magic, uint16(2), uint16(4), uint64(0), uint32(100), uint32(1),
				uint32(77), uint32(5), uint32(3), uint32(900), []byte{1, 2, 3}} {
				binary.Write(&b, order, v)
			}
			r, err := NewReader(&b)
			if err != nil {
				t.Fatal(err)
			}
			at, n, data, err := r.Next()
			if err != nil || at.UnixNano() != 77e9+5*unit || n != 900 || !bytes.Equal(data, []byte{1, 2, 3}) {
				t.Errorf("%v %d % x %v", at, n, data, err)
			}
			if _, _, _, err := r.Next(); err != io.EOF {
				t.Errorf("at the end: %v", err)
			}
		}
	}
}

func TestBadFilesAreRefused(t *testing.T) {
	good := sample(t)
	edit := func(at int, v ...byte) []byte {
		b := bytes.Clone(good)
		copy(b[at:], v)
		return b
	}
	for what, b := range map[string][]byte{
		"empty":                   nil,
		"magic":                   edit(0, 1),
		"version":                 edit(4, 3),
		"snaplen 0":               edit(16, 0),
		"huge snaplen":            edit(16, 0, 0, 0, 1),
		"link type":               edit(20, 113),
		"nanoseconds":             edit(28, 0xff, 0xff, 0xff, 0xff),
		"longer than the snaplen": edit(32, 65),
		"longer than the frame":   edit(36, 59),
		"huge frame":              edit(36, 0, 0, 0, 1),
		"cut in a frame":          good[:len(good)-1],
		"cut in a frame's header": good[:24+16+60+7],
		"cut in the header":       good[:23],
	} {
		if err := readAll(b); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := readAll(good); err != nil {
		t.Error(err)
	}
}

func readAll(b []byte) error {
	r, err := NewReader(bytes.NewReader(b))
	for err == nil {
		_, _, _, err = r.Next()
	}
	if err == io.EOF {
		return nil
	}
	return err
}

func TestTcpdumpReadsTheFile(t *testing.T) {
	path, err := exec.LookPath("tcpdump")
	if err != nil {
		// "make deps" installs it, as root; a run that promises to have all
		// tools may not go without.
		if os.Getenv("GASP_REQUIRE_QEMU") == "1" && os.Getuid() == 0 {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	cmd := exec.CommandContext(t.Context(), path, "-n", "-tt", "-e", "--nano", "-r", "-")
	cmd.Stdin = bytes.NewReader(sample(t))
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &complaints)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != 2 || !strings.HasPrefix(lines[0], "1767225600.123456789 02:00:00:00:00:01 > ff:ff:ff:ff:ff:ff, ethertype ARP (0x0806), length 60: Request who-has 10.0.0.2 tell 10.0.0.1") ||
		!strings.HasPrefix(lines[1], "1767225600.123456790 ") || !strings.Contains(lines[1], "length 1514") {
		t.Errorf("tcpdump: %s%s", out, &complaints)
	}
}

// FuzzReader reads any file, and what it makes of one is what it writes.
func FuzzReader(f *testing.F) {
	f.Add(sample(f))
	f.Add(sample(f)[:50])
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := NewReader(bytes.NewReader(b))
		if err != nil {
			return
		}
		var again bytes.Buffer
		w, err := NewWriter(&again, int(r.snap))
		if err != nil {
			t.Fatal(err)
		}
		frames := 0
		for {
			at, n, data, err := r.Next()
			if err != nil {
				break
			}
			frames++
			if err := w.WriteFrame(at, n, data); err != nil {
				t.Fatal(err)
			}
		}
		r, err = NewReader(&again)
		for err == nil {
			_, _, _, err = r.Next()
			frames--
		}
		if err != io.EOF || frames != -1 {
			t.Errorf("what was written again: %v, %d frames too few", err, frames+1)
		}
	})
}

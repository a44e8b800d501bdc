package pcap

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// ngWriter writes pcapng as the format's description has it, and what is wrong
// if asked to.
type ngWriter struct {
	binary.AppendByteOrder
	b    []byte
	ends []int // of blocks
}

// block writes a block with its lengths; of a body what is not a number of
// fixed size is padded to 4 bytes.
func (w *ngWriter) block(typ uint32, body ...any) *ngWriter {
	var data []byte
	for _, v := range body {
		switch v := v.(type) {
		case uint16:
			data = w.AppendUint16(data, v)
		case uint32:
			data = w.AppendUint32(data, v)
		case uint64:
			data = w.AppendUint64(data, v)
		case []byte:
			data = append(data, v...)
			data = append(data, make([]byte, -len(data)&3)...)
		default:
			panic(fmt.Sprintf("%T", v))
		}
	}
	n := uint32(len(data) + 12)
	w.b = w.AppendUint32(w.AppendUint32(w.b, typ), n)
	w.b = append(w.b, data...)
	w.b = w.AppendUint32(w.b, n)
	w.ends = append(w.ends, len(w.b))
	return w
}

func (w *ngWriter) section() *ngWriter {
	return w.block(ngSection, uint32(ngMagic), uint16(1), uint16(0), ^uint64(0))
}

func (w *ngWriter) link(link uint16, snap uint32, options ...any) *ngWriter {
	return w.block(ngLink, append([]any{link, uint16(0), snap}, options...)...)
}

func (w *ngWriter) enhanced(id uint32, stamp uint64, whole int, data []byte) *ngWriter {
	return w.block(ngEnhanced, id, uint32(stamp>>32), uint32(stamp), uint32(len(data)), uint32(whole), data)
}

// tick is the option of a time stamp's unit.
func tick(v byte) []any { return []any{uint16(ngOptTick), uint16(1), []byte{v}, uint32(ngOptEnd)} }

var orders = []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian}

// read is all that a file has; an error is what came instead of the end.
func (w *ngWriter) read() (frames []string, skipped map[uint16]uint64, err error) {
	return readNg(bytes.NewReader(w.b))
}

func readNg(in io.Reader) (frames []string, skipped map[uint16]uint64, err error) {
	r, err := NewNgReader(in)
	if err != nil {
		return nil, nil, err
	}
	for {
		t, n, data, err := r.Next()
		if err == io.EOF {
			return frames, r.Skipped(), nil
		}
		if err != nil {
			return frames, r.Skipped(), err
		}
		at := "-"
		if !t.IsZero() {
			at = fmt.Sprintf("%d.%09d", t.Unix(), t.Nanosecond())
		}
		frames = append(frames, fmt.Sprintf("%s %d %q", at, n, data))
	}
}

// expect compares the frames, and what was skipped, with what they are to be.
func expect(t *testing.T, w *ngWriter, skipped map[uint16]uint64, want ...string) {
	t.Helper()
	got, other, err := w.read()
	if err != nil || !slices.Equal(got, want) || !maps.Equal(other, skipped) {
		t.Errorf("%v, skipped %v, %v; want\n%v, skipped %v", got, other, err, want, skipped)
	}
}

// ngSample has every kind of block, in sections of both byte orders.
func ngSample(order binary.AppendByteOrder) *ngWriter {
	w := (&ngWriter{AppendByteOrder: order}).section()
	w.link(ethernet, 0).link(113, 96, tick(9)...).link(ethernet, 5, tick(9)...)
	w.block(5, uint32(0), uint64(0)).block(0xbad, uint32(32473), []byte("custom")).block(0x80000001)
	w.enhanced(0, 1767225600_123456, 60, []byte("micro"))
	w.enhanced(1, 1, 8, []byte("cooked"))
	w.enhanced(2, 1767225600_123456789, 5, []byte("nano."))
	w.block(ngOld, uint16(2), uint16(77), uint32(0), uint32(7), uint32(3), uint32(3), []byte("old"))
	w.block(ngSimple, uint32(6), []byte("simple"))
	w.AppendByteOrder = orders[0]
	w.section().link(ethernet, 4).block(ngSimple, uint32(900), []byte("cut!"))
	w.AppendByteOrder = orders[1]
	return w.section().link(113, 0).block(ngSimple, uint32(1), []byte("c"))
}

func TestAPcapngIsReadWithAllItsInterfacesAndSections(t *testing.T) {
	for _, order := range orders {
		expect(t, ngSample(order), map[uint16]uint64{113: 2},
			`1767225600.123456000 60 "micro"`, `1767225600.123456789 5 "nano."`, `0.000000007 3 "old"`,
			`- 6 "simple"`, `- 900 "cut!"`)
	}
}

func TestTimeStampsOfPcapngAreOfAnyResolution(t *testing.T) {
	offset := func(s int64) []any {
		return []any{uint16(2), uint16(3), []byte("eth"), uint16(ngOptOffset), uint16(8), uint64(s), uint16(ngOptTick), uint16(1), []byte{3}}
	}
	for _, order := range orders {
		for _, tt := range []struct {
			options []any
			stamp   uint64
			want    string
		}{
			{nil, 1_000002, "1.000002000"},
			{tick(0), 77, "77.000000000"},
			{tick(3), 1767225600_999, "1767225600.999000000"},
			{tick(12), 5_123456789_999, "5.123456789"},
			{tick(19), 1_5000000000000000009, "1.500000000"},
			{tick(0x80), 77, "77.000000000"},
			{tick(0x80 | 32), 3<<32 | 1<<31, "3.500000000"},
			{tick(0x80 | 63), 1<<63 | 1<<62, "1.500000000"},
			{offset(1000), 1_500, "1001.500000000"},
			{offset(-1), 1_500, "0.500000000"},
		} {
			w := (&ngWriter{AppendByteOrder: order}).section().link(ethernet, 0, tt.options...)
			expect(t, w.enhanced(0, tt.stamp, 1, []byte("x")), nil, tt.want+` 1 "x"`)
		}
	}
}

func TestBadPcapngFilesAreRefused(t *testing.T) {
	le := func() *ngWriter { return &ngWriter{AppendByteOrder: binary.LittleEndian} }
	start := func() *ngWriter { return le().section().link(ethernet, 0) }
	edit := func(w *ngWriter, at int, v ...byte) *ngWriter {
		if at < 0 {
			at += len(w.b)
		}
		copy(w.b[at:], v)
		return w
	}
	packet := func(cap, whole uint32, data []byte) *ngWriter {
		return start().block(ngEnhanced, uint32(0), uint32(0), uint32(0), cap, whole, data)
	}
	for what, w := range map[string]*ngWriter{
		"empty":                          le(),
		"a pcap":                         {b: sample(t)},
		"no section":                     le().link(ethernet, 0),
		"byte order":                     edit(start(), 8, 1),
		"version":                        edit(start(), 12, 2),
		"a short section":                le().block(ngSection, uint32(ngMagic), uint16(1), uint16(0)),
		"no whole words":                 edit(start(), 4, 30),
		"a short block":                  edit(start(), 32, 8),
		"lengths that differ":            edit(start(), -4, 24),
		"a short interface":              le().section().block(ngLink, uint32(ethernet)),
		"an option beyond the block":     le().section().link(ethernet, 0, uint16(ngOptTick), uint16(1)),
		"a long option beyond the block": le().section().link(ethernet, 0, uint16(1), uint16(5), uint32(0)),
		"10^-20 s":                       le().section().link(ethernet, 0, tick(20)...),
		"2^-64 s":                        le().section().link(ethernet, 0, tick(0x80|64)...),
		"a time that JSON cannot say":    le().section().link(ethernet, 0, tick(0)...).enhanced(0, 1<<38, 1, []byte("x")),
		"a time before 1970":             le().section().link(ethernet, 0, uint16(ngOptOffset), uint16(8), ^uint64(0)).enhanced(0, 0, 1, []byte("x")),
		"an offset that wraps": le().section().link(ethernet, 0, append([]any{uint16(ngOptOffset), uint16(8), uint64(1<<63 - 1)}, tick(0)...)...).
			enhanced(0, 1<<36-1, 1, []byte("x")),
		"no interface":                   le().section().enhanced(0, 0, 1, []byte("x")),
		"another interface":              start().enhanced(1, 0, 1, []byte("x")),
		"an interface of before":         start().section().enhanced(0, 0, 1, []byte("x")),
		"a short packet":                 start().block(ngEnhanced, uint32(0)),
		"longer than the block":          packet(9, 9, []byte("12345678")),
		"longer than the frame":          packet(8, 7, []byte("12345678")),
		"longer than any frame":          packet(maxFrame+1, maxFrame+1, make([]byte, maxFrame+1)),
		"a simple one that is too short": start().block(ngSimple, uint32(9), []byte("12345678")),
	} {
		if _, _, err := w.read(); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// However a file is cut, what came before is read and the end is not taken
// for one, except between two blocks.
func TestACutPcapngIsAnErrorBehindItsWholeFrames(t *testing.T) {
	whole := ngSample(binary.LittleEndian)
	all, _, err := whole.read()
	if err != nil {
		t.Fatal(err)
	}
	for n := range whole.b {
		frames, _, err := (&ngWriter{b: whole.b[:n]}).read()
		if slices.Contains(whole.ends, n) != (err == nil) || err != nil && !errors.Is(err, ErrFormat) || !slices.Equal(frames, all[:len(frames)]) {
			t.Fatalf("%d of %d bytes: %v, %v", n, len(whole.b), frames, err)
		}
	}
}

func TestManyInterfacesAreRefused(t *testing.T) {
	one := (&ngWriter{AppendByteOrder: binary.LittleEndian}).link(ethernet, 0).b
	start := (&ngWriter{AppendByteOrder: binary.LittleEndian}).section().b
	for n, want := range map[int]error{maxLinks: nil, maxLinks + 1: ErrFormat} {
		if _, _, err := readNg(bytes.NewReader(append(bytes.Clone(start), bytes.Repeat(one, n)...))); !errors.Is(err, want) {
			t.Errorf("%d: %v", n, err)
		}
	}
}

// What is skipped is not held in memory, nor is room made for what a block
// claims to have.
func TestReadingAPcapngTakesNoMoreThanTheLongestFrame(t *testing.T) {
	w := (&ngWriter{AppendByteOrder: binary.LittleEndian}).section().link(ethernet, 0)
	w.block(0xbad, make([]byte, 32<<20))
	w.block(ngEnhanced, uint32(0), uint64(0), uint32(1<<30), uint32(1<<30), make([]byte, 100))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	frames, _, err := w.read()
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 2*maxFrame || len(frames) != 0 || !errors.Is(err, ErrFormat) {
		t.Errorf("%d bytes; %v, %v", got, frames, err)
	}
}

func TestTcpdumpReadsTheSameOfAPcapng(t *testing.T) {
	path, err := exec.LookPath("tcpdump")
	if err != nil {
		t.Skip(err) // TestTcpdumpReadsTheFile insists
	}
	arp := sample(t)[fileHeader+frameHeader:][:60]
	for _, order := range orders {
		w := (&ngWriter{AppendByteOrder: order}).section().link(ethernet, 0, tick(0x80|20)...)
		w.enhanced(0, 1767225600<<20|1<<18, 1514, arp).block(0xbad, uint32(1)).enhanced(0, 1767225601<<20, 60, arp)
		frames, _, err := w.read()
		if err != nil || len(frames) != 2 || !strings.HasPrefix(frames[0], "1767225600.250000000 1514 ") || !strings.HasPrefix(frames[1], "1767225601.000000000 60 ") {
			t.Errorf("%v, %v", frames, err)
		}
		cmd := exec.CommandContext(t.Context(), path, "-n", "-tt", "-e", "--nano", "-r", "-")
		cmd.Stdin = bytes.NewReader(w.b)
		out, err := cmd.CombinedOutput()
		if s := string(out); err != nil || !strings.Contains(s, "1767225600.250000000 02:00:00:00:00:01 >") || !strings.Contains(s, "length 1514") ||
			!strings.Contains(s, "1767225601.000000000 02:") {
			t.Errorf("tcpdump: %v\n%s", err, out)
		}
	}
}

// FuzzNgReader reads any file. However the bytes come, and written again in
// either byte order, it says the same.
func FuzzNgReader(f *testing.F) {
	for _, order := range orders {
		f.Add(ngSample(order).b)
	}
	f.Add((&ngWriter{AppendByteOrder: binary.BigEndian}).section().link(ethernet, 9, uint16(ngOptOffset), uint16(8), ^uint64(0), uint16(ngOptTick), uint16(1), []byte{0x8a}).enhanced(0, 1<<14, 90, []byte("12345678")).b)
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := NewNgReader(bytes.NewReader(b))
		if err != nil {
			if !errors.Is(err, ErrFormat) {
				t.Fatal(err)
			}
			return
		}
		var again [2]*ngWriter
		for i, order := range orders {
			again[i] = (&ngWriter{AppendByteOrder: order}).section().link(ethernet, 0, tick(9)...)
		}
		for {
			at, n, data, err := r.Next()
			if err != nil {
				if err != io.EOF && !errors.Is(err, ErrFormat) {
					t.Fatal(err)
				}
				break
			}
			if len(data) > n || cap(data) > maxFrame || !at.IsZero() && (at.Unix() < 0 || at.Unix() >= 2*maxTime) {
				t.Fatalf("%v, %d of %d bytes, room for %d", at, len(data), n, cap(data))
			}
			if at.UTC().Year() > 2500 {
				return // not to be said in nanoseconds since 1970
			}
			for _, w := range again {
				if at.IsZero() {
					w.section().link(ethernet, max(uint32(len(data)), 1)).block(ngSimple, uint32(n), data)
					w.section().link(ethernet, 0, tick(9)...)
				} else {
					w.enhanced(0, uint64(at.Unix())*1e9+uint64(at.Nanosecond()), n, data)
				}
			}
		}
		want, skipped, err := readNg(bytes.NewReader(b))
		got, other, errAgain := readNg(iotest.OneByteReader(bytes.NewReader(b)))
		if !slices.Equal(got, want) || !maps.Equal(skipped, other) || (err == nil) != (errAgain == nil) {
			t.Fatalf("byte by byte: %v, %v; %v, %v", got, errAgain, want, err)
		}
		for _, w := range again {
			if got, _, err := w.read(); err != nil || !slices.Equal(got, want) {
				t.Fatalf("written again: %v, %v; want %v", got, err, want)
			}
		}
	})
}

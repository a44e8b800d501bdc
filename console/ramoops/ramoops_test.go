package ramoops

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/rand"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/gasp-go/gasp/console"
)

// memory is n bytes at a multiple of 8, as if a life of another kind had been
// there.
func memory(n int) []byte {
	m := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(make([]uint64, n/8)))), n)
	rnd := rand.New(rand.NewSource(int64(n)))
	for i := range m {
		m[i] = byte(rnd.Int())
	}
	return m
}

func open(t *testing.T, mem []byte) *Store {
	t.Helper()
	s, err := Open(mem, Config{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func textOf(i int) string { return fmt.Sprintf("record %d %s", i, strings.Repeat("x", i*37%500)) }

func record(i int) *console.Record {
	r := &console.Record{Seq: uint64(i), Time: int64(i) * 1e6, Level: console.Level(i % 8), Facility: uint8(i % 3), Cont: i%5 == 0}
	r.N = copy(r.Text[:], textOf(i))
	if i%2 == 0 {
		r.NDict = copy(r.Dict[:], fmt.Sprintf("NUMBER=%d", i))
	}
	return r
}

func log(s *Store, from, to int) {
	for i := from; i < to; i++ {
		s.Write(record(i))
	}
}

// logAndPanic logs the records up to panic, and those up to end in a panic.
func logAndPanic(s *Store, panic, end int) {
	log(s, 0, panic)
	s.Panic()
	log(s, panic, end)
}

// whole fails unless the records of l are those from first to last, unchanged.
func whole(t *testing.T, records []Record, first, last int) {
	t.Helper()
	if len(records) != last-first {
		t.Errorf("%d records, not %d to %d", len(records), first, last)
		return
	}
	for i, r := range records {
		want := record(first + i)
		if r.Seq != want.Seq || r.Time != want.Time || r.Level != want.Level || r.Facility != want.Facility || r.Cont != want.Cont ||
			!bytes.Equal(r.Text, want.Message()) || !bytes.Equal(r.Dict, want.Dictionary()) {
			t.Fatalf("record %d: %+v", first+i, r)
		}
	}
}

func TestTheNextLifeFindsTheRecords(t *testing.T) {
	mem := memory(64 << 10)
	s := open(t, mem)
	if len(s.Lives()) != 0 {
		t.Fatalf("found in garbage: %v", s.Lives())
	}
	logAndPanic(s, 50, 60)
	lives := open(t, mem).Lives()
	if len(lives) != 1 || lives[0].Number != 1 || lives[0].Damaged != 0 || lives[0].Sent {
		t.Fatalf("%+v", lives)
	}
	whole(t, lives[0].Records, 0, 60)
	whole(t, lives[0].Dump, 50, 60)
}

func TestOfALongLogTheNewestIsKeptAndOfAPanicTheBeginning(t *testing.T) {
	mem := memory(64 << 10)
	s := open(t, mem)
	logAndPanic(s, 3000, 4000)
	l := open(t, mem).Lives()[0]
	if l.Damaged != 0 {
		t.Errorf("%d damaged", l.Damaged)
	}
	whole(t, l.Dump, 3000, 3000+len(l.Dump))
	whole(t, l.console, 4000-len(l.console), 4000)
	if len(l.Dump) < 15 || len(l.console) < 50 || len(l.Records) != len(l.Dump)+len(l.console) {
		t.Errorf("%d of the panic, %d newest, %d in all", len(l.Dump), len(l.console), len(l.Records))
	}
}

func TestRecordsOfEveryLengthSurvive(t *testing.T) {
	for n := 0; n <= console.MaxText; n += 1 + n/64 {
		mem := memory(64 << 10)
		s := open(t, mem)
		r := &console.Record{N: n, NDict: n % (console.MaxDict + 1)}
		for i := range r.Text {
			r.Text[i] = byte(i * 7)
		}
		for i := range r.Dict {
			r.Dict[i] = byte(i * 5)
		}
		s.Write(r)
		l := open(t, mem).Lives()
		if len(l) != 1 || len(l[0].Records) != 1 || !bytes.Equal(l[0].Records[0].Text, r.Message()) || !bytes.Equal(l[0].Records[0].Dict, r.Dictionary()) {
			t.Fatalf("length %d: %v", n, l)
		}
	}
}

func TestTwoLivesAreKeptAndWhatWasSentIsNotSentAgain(t *testing.T) {
	mem := memory(64 << 10)
	log(open(t, mem), 0, 10)
	s := open(t, mem)
	log(s, 20, 40)
	s = open(t, mem) // it did not come to sending
	lives := s.Lives()
	if len(lives) != 2 || lives[0].Sent || lives[1].Sent || lives[0].Ago != 1 || lives[1].Ago != 2 {
		t.Fatalf("%+v", lives)
	}
	whole(t, lives[0].Records, 20, 40)
	whole(t, lives[1].Records, 0, 10)
	log(s, 50, 55)
	s.MarkSent()
	s = open(t, mem)
	lives = s.Lives()
	if len(lives) != 2 || lives[0].Sent || !lives[1].Sent {
		t.Fatalf("%+v", lives)
	}
	whole(t, lives[0].Records, 50, 55)
	whole(t, lives[1].Records, 20, 40)
	for n := range 5 {
		s = open(t, mem)
		log(s, n, n+3)
	}
	whole(t, open(t, mem).Lives()[0].Records, 4, 7)
}

func TestEveryFlippedBitCostsItsRecordAndIsCounted(t *testing.T) {
	mem := memory(16 << 10)
	s := open(t, mem)
	log(s, 0, 12)
	pos := int(s.console.pos)
	cons := s.banks[s.cur].console
	padding := 0
	for bit := range pos * 8 {
		cons[bit/8] ^= 1 << (bit % 8)
		records, _, damaged := scan(cons, true)
		cons[bit/8] ^= 1 << (bit % 8)
		if len(records) == 12 && damaged == 0 {
			padding++ // behind an odd number of words
			continue
		}
		// The index and the magic of the newest are all that says it was there.
		last := bit/8 >= pos-int(sizeOf(len(record(11).Message()), len(record(11).Dictionary())))
		if len(records) != 11 || damaged != 1 && !(last && damaged == 0) {
			t.Fatalf("bit %d: %d records, %d damaged", bit, len(records), damaged)
		}
	}
	if padding > 12*32 {
		t.Errorf("%d bits may flip", padding)
	}
}

// The reset may come at any word of a write.
func TestARecordHalfWrittenIsDroppedAndCounted(t *testing.T) {
	mem := memory(16 << 10)
	s := open(t, mem)
	log(s, 0, 200) // more than a lap
	z := &s.console
	records, _, _ := scan(z.mem, false)
	if int(z.pos)+int(sizeOf(700, 0)) > len(z.mem) {
		t.Fatal("choose another length of the log")
	}
	before := slices.Clone(z.mem)
	pos := z.pos
	r := record(200)
	r.N = 700
	z.write(r)
	after := slices.Clone(z.mem)
	order := []uint32{1, 2, 3, 4, 5, 6, 7, 8, 9, 0}
	for w := uint32(10); w < sizeOf(700, 8)/4; w++ {
		order = append(order, w)
	}
	for k := 1; k <= len(order); k++ {
		copy(z.mem, before)
		for _, w := range order[:k] {
			copy(z.mem[pos+4*w:][:4], after[pos+4*w:])
		}
		binary.LittleEndian.PutUint32(z.mem[pos+4:], 0)
		got, _, damaged := scan(z.mem, false)
		if n := len(got); n == 0 || got[n-1].Seq != 199 || n < len(records)-4 {
			t.Fatalf("word %d: %d records", k, n)
		}
		// Until the magic is there, nothing tells of it: what is overwritten
		// has its own index.
		if want := 1; k >= 10 && damaged != want {
			t.Fatalf("word %d: %d damaged", k, damaged)
		}
	}
}

func TestPstoresFilesAndErasing(t *testing.T) {
	mem := memory(64 << 10)
	s := open(t, mem)
	logAndPanic(s, 3, 5)
	s = open(t, mem)
	files := s.Files()
	if len(files) != 2 || files[0].Name != "dmesg-ramoops-0" || files[1].Name != "console-ramoops-0" {
		t.Fatalf("%+v", files)
	}
	if got := string(files[0].Data); !strings.HasPrefix(got, "Panic#1 Part1\n<3>[    0.003000] record 3 xxx") || strings.Count(got, "\n") != 3 {
		t.Errorf("%q", got)
	}
	if got := string(files[1].Data); !strings.HasPrefix(got, "[    0.000000] record 0 \n[    0.001000] record 1 xxx") || strings.Count(got, "\n") != 5 {
		t.Errorf("%q", got)
	}
	if err := s.Erase("dmesg-ramoops-1"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if err := s.Erase("console-ramoops-0"); err != nil {
		t.Error(err)
	}
	if got := s.Files(); len(got) != 1 || got[0].Name != "dmesg-ramoops-0" {
		t.Errorf("%v", got)
	}
	if got := open(t, mem).Lives(); len(got) != 1 || len(got[0].Records) != 2 || got[0].Ago != 1 {
		t.Fatalf("%v", got)
	}
	// That was a life of its own, without a record; its bank was the other one.
	s = open(t, mem)
	if err := s.Erase("dmesg-ramoops-0"); err != nil {
		t.Error(err)
	}
	if got := open(t, mem).Lives(); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

func TestReplayKeepsToItsBudgetAndSaysWhatItWas(t *testing.T) {
	mem := memory(64 << 10)
	s := open(t, mem)
	logAndPanic(s, 50, 60)
	l := open(t, mem).Lives()[0]
	for _, budget := range []int{1 << 20, 10000, 3000, 0} {
		used := 0
		var seqs []string
		omitted := l.Replay(budget, func(level console.Level, facility uint8, text, dict []byte) {
			used += len(text) + len(dict) + 24
			entries := strings.Split(string(dict), "\x00")
			seqs = append(seqs, strings.TrimPrefix(entries[1], "SEQ="))
			var i int
			fmt.Sscanf(entries[1], "SEQ=%d", &i)
			want := record(i)
			head := fmt.Sprintf("PREVIOUS_LIFE=1\x00SEQ=%d\x00USEC=%d\x00FACILITY=%d", i, i*1000, i%3)
			if facility != console.FacPrevious || level != want.Level || !strings.HasPrefix(string(dict), head) ||
				string(text) != fmt.Sprintf("[previous] [%5d.%06d] %s", i/1000, i%1000*1000, textOf(i)) {
				t.Errorf("%v %d %q %q", level, facility, text, dict)
			}
		})
		if used > budget || len(seqs)+omitted != 60 || budget == 1<<20 && omitted != 0 {
			t.Errorf("budget %d: %d used, %d omitted", budget, used, omitted)
		}
		if budget >= 10000 && !slices.Contains(seqs, "50") || budget == 10000 && (seqs[len(seqs)-1] != "59" || omitted == 0) {
			t.Errorf("budget %d: %v", budget, seqs)
		}
	}
}

func TestSizesThatDoNotFitAreRefused(t *testing.T) {
	for _, tt := range []struct {
		mem  int
		cfg  Config
		good bool
	}{
		{64 << 10, Config{}, true}, {64 << 10, Config{RecordSize: 4096}, true}, {64 << 10, Config{ConsoleSize: 4096, RecordSize: 4096}, true},
		{64 << 10, Config{ConsoleSize: 32 << 10}, false}, {64 << 10, Config{RecordSize: 1 << 60}, false}, {64 << 10, Config{RecordSize: 100}, false},
		{64 << 10, Config{ConsoleSize: 20000, RecordSize: 20000}, false}, {4096, Config{}, false}, {0, Config{}, false},
		{64 << 10, Config{ConsoleSize: 1<<64 - 1, RecordSize: 4096}, false},
	} {
		if _, err := Open(memory(tt.mem), tt.cfg); (err == nil) != tt.good {
			t.Errorf("%d %+v: %v", tt.mem, tt.cfg, err)
		}
	}
}

func TestWritingDoesNotAllocate(t *testing.T) {
	s := open(t, memory(64<<10))
	s.Panic()
	r := record(17)
	if n := testing.AllocsPerRun(1000, func() { s.Write(r) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Whatever is in the memory, opening it ends, takes only what has its sum, and
// leaves a store that works.
func FuzzOpen(f *testing.F) {
	good := memory(16 << 10)
	s, _ := Open(good, Config{})
	logAndPanic(s, 30, 33)
	f.Add(good, uint32(4), []byte("x"))
	f.Add(good, uint32(100), bytes.Repeat([]byte{0xff}, 50))
	f.Add([]byte{}, uint32(0), []byte{})
	f.Fuzz(func(t *testing.T, in []byte, at uint32, over []byte) {
		mem := memory(16 << 10)
		copy(mem, in)
		copy(mem[at%uint32(len(mem)):], over)
		s, err := Open(mem, Config{})
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range s.Lives() {
			if l.Damaged < 0 {
				t.Fatalf("%d damaged", l.Damaged)
			}
			_ = l.String()
			l.Replay(1000, func(console.Level, uint8, []byte, []byte) {})
			// What was taken is what would be written.
			for _, r := range l.Records {
				z := zone{mem: memory(4096), life: r.life, index: r.index}
				c := &console.Record{Seq: r.Seq, Time: r.Time, Level: r.Level, Facility: r.Facility, Cont: r.Cont}
				c.N, c.NDict = copy(c.Text[:], r.Text), copy(c.Dict[:], r.Dict)
				z.write(c)
				if again, _, ok := parse(z.mem); !ok || again.Seq != r.Seq || !bytes.Equal(again.Text, r.Text) {
					t.Fatalf("%+v", r)
				}
			}
		}
		s.Files()
		log(s, 1000, 1003)
		lives := open(t, mem).Lives()
		whole(t, lives[0].Records, 1000, 1003)
	})
}

func BenchmarkWrite(b *testing.B) {
	s, err := Open(memory(256<<10), Config{})
	if err != nil {
		b.Fatal(err)
	}
	r := &console.Record{N: 80}
	b.Run("80 bytes", func(b *testing.B) {
		for range b.N {
			s.Write(r)
		}
	})
	r.NDict = 13
	b.Run("80 bytes and a dictionary", func(b *testing.B) {
		for range b.N {
			s.Write(r)
		}
	})
}

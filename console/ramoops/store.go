// Package ramoops keeps the log in memory that a warm reset leaves as it is, so
// that the next boot can tell how the last one ended (Linux: ramoops, pstore).
//
// A life is what happens between two resets. The memory is divided into two
// banks; a life writes to the one that the life before it did not, so the log of
// a life is there until the life after the next one begins. A bank has two zones:
// the console zone has the newest records of the life, the dump zone those of its
// panic, from the first on, as many as fit, which are not in the console zone then.
//
// A Store is a console (package console): each record is copied into the zone
// when it is logged, in a panic too, by a few hundred instructions that wait for
// nothing. The memory is to be mapped without caches: what is only in a cache is
// lost by a reset, and cleaning it after each record costs more than the few
// stores do.
package ramoops

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/gasp-go/gasp/console"
)

// Config divides the memory. Zero values are defaults: the dump zone has a quarter
// of a bank, the console zone the rest.
type Config struct {
	RecordSize  uint64 // bytes for the records of a panic (Linux: ramoops.record_size)
	ConsoleSize uint64 // bytes for the newest records (Linux: ramoops.console_size)
}

const (
	markSize = 64
	minZone  = 1024
)

// Store is the memory, and what was found in it. Its methods may be called on any
// goroutine unless they say otherwise.
type Store struct {
	banks [2]bank
	cur   int // the bank of this life
	life  uint32

	console, dump zone // of this life
	panicked      bool

	mu    sync.Mutex
	lives []*Life
}

type bank struct{ mark, dump, console []byte }

// Life is an earlier life of the firmware.
type Life struct {
	Number  uint32   // counts the lives since the memory had none
	Ago     int      // 1: the one before this
	Records []Record // in order
	Dump    []Record // those of them that a panic left in the dump zone
	Damaged int      // records that were there and are not whole
	Sent    bool     // was told to the network (Store.MarkSent)

	console []Record
	bank    int // -1: its memory is another life's by now
}

// Open takes mem, in which there is what earlier lives or nobody left, looks for
// them, and gives the bank of the older one to this life. mem begins at a multiple
// of 8 bytes and is the store's from now on.
func Open(mem []byte, cfg Config) (*Store, error) {
	size := uint64(len(mem)/2) &^ 7
	if size < markSize+2*minZone {
		return nil, fmt.Errorf("ramoops: %d bytes are too few", len(mem))
	}
	size -= markSize
	dump, cons := cfg.RecordSize&^7, cfg.ConsoleSize&^7
	switch {
	case dump == 0 && cons == 0:
		dump = size / 4 &^ 7
		cons = size - dump
	case dump == 0:
		dump = size - min(cons, size)
	case cons == 0:
		cons = size - min(dump, size)
	}
	if dump < minZone || cons < minZone || dump > size || cons > size-dump {
		return nil, errors.New("ramoops: record_size and console_size do not fit mem_size, which is for two lives")
	}
	s := &Store{}
	for i := range s.banks {
		b := mem[uint64(i)*(size+markSize):]
		s.banks[i] = bank{b[:markSize:markSize], b[markSize:][:dump:dump], b[markSize+dump:][:cons:cons]}
		if l := s.banks[i].find(); l != nil {
			l.bank = i
			s.lives = append(s.lives, l)
		}
	}
	slices.SortFunc(s.lives, func(a, b *Life) int { return cmp.Compare(int32(b.Number-a.Number), 0) })
	s.life = 1
	if len(s.lives) > 0 {
		s.cur = 1 - s.lives[0].bank
		s.life = s.lives[0].Number + 1
	}
	for i, l := range s.lives {
		l.Ago = i + 1
		if l.bank == s.cur {
			l.bank = -1
		}
	}
	b := &s.banks[s.cur]
	clear(b.mark)
	clear(b.dump)
	clear(b.console)
	b.setMark(s.life, false)
	s.console = zone{mem: b.console, life: s.life}
	s.dump = zone{mem: b.dump, life: s.life, once: true}
	return s, nil
}

// find looks for a life in the bank, nil if there is none.
func (b *bank) find() *Life {
	l := &Life{}
	var damagedDump, damaged int
	var dumpLife uint32
	l.console, l.Number, damaged = scan(b.console, false)
	l.Dump, dumpLife, damagedDump = scan(b.dump, true)
	life, sent, marked := b.getMark()
	switch {
	case len(l.console) == 0 && len(l.Dump) == 0:
		if !marked || damaged+damagedDump == 0 {
			return nil
		}
		l.Number = life // all there is to tell is the damage
	case len(l.Dump) == 0:
	case len(l.console) == 0 || int32(dumpLife-l.Number) > 0:
		l.console, l.Number = nil, dumpLife
	case dumpLife != l.Number:
		l.Dump = nil
	}
	l.Damaged = damaged + damagedDump
	l.Sent = marked && sent && life == l.Number
	l.join()
	return l
}

// join makes Records of what the zones have.
func (l *Life) join() {
	l.Records = slices.Concat(l.Dump, l.console)
	slices.SortStableFunc(l.Records, func(a, b Record) int { return cmp.Compare(a.Seq, b.Seq) })
	l.Records = slices.CompactFunc(l.Records, func(a, b Record) bool { return a.Seq == b.Seq })
}

// The mark of a bank, in words: markMagic, sum of the others, life, 1: sent.
const markMagic = 0x6b9c0f27

func (b *bank) setMark(life uint32, sent bool) {
	s := uint32(0)
	if sent {
		s = 1
	}
	*at(b.mark, 8), *at(b.mark, 12) = life, s
	*at(b.mark, 4) = mix(mix(markMagic, life), s)
	*at(b.mark, 0) = markMagic
}

func (b *bank) getMark() (life uint32, sent, ok bool) {
	life, s := *at(b.mark, 8), *at(b.mark, 12)
	ok = *at(b.mark, 0) == markMagic && *at(b.mark, 4) == mix(mix(markMagic, life), s) && s <= 1
	return life, s == 1, ok
}

// Write implements console.Console: it copies the record to persistent memory.
// Trap context.
func (s *Store) Write(r *console.Record) bool {
	if !s.panicked || !s.dump.write(r) {
		s.console.write(r)
	}
	return true
}

// Panic implements console.PanicConsole: what comes now is the panic's. Trap
// context.
func (s *Store) Panic() { s.panicked = true }

// Lives are the earlier lives that were found, the latest first, at most two.
func (s *Store) Lives() []*Life {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.lives)
}

// MarkSent notes that the earlier lives have been told to the network, so that the
// next boot does not tell them again.
func (s *Store) MarkSent() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.lives {
		l.Sent = true
		if l.bank >= 0 {
			s.banks[l.bank].setMark(l.Number, true)
		}
	}
}

// Reason is what a life that ended in a panic said of it, behind "Kernel panic -
// not syncing: ", or "".
func (l *Life) Reason() string {
	for _, r := range l.Records {
		if _, reason, ok := strings.Cut(string(r.Text), "Kernel panic - not syncing: "); ok && r.Facility == console.FacKern {
			return reason
		}
	}
	return ""
}

// String says in a few words what was found of the life.
func (l *Life) String() string {
	end := "it ended without a panic"
	if len(l.Dump) > 0 {
		end = "it ended in a panic"
		if r := l.Reason(); r != "" {
			end += ": " + r
		}
	}
	return fmt.Sprintf("%d records, %d damaged; %s", len(l.Records), l.Damaged, end)
}

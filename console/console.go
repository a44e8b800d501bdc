// Package console is the kernel log: a ring of records (Linux: printk) and the
// consoles that print them.
//
// A record is appended by Emit, in trap context and without allocating, so
// anything may log from anywhere: an interrupt, the driver that is just
// sending a record, a panic. Then it is offered to the registered consoles.
// A console that cannot take it now gets it later, in order; nothing waits for
// it. What a slow console misses because the ring wrapped is counted and told
// to it, in its own stream. Subpackages: netconsole sends the log over the network,
// ramoops keeps it over a reset, loghttp serves it.
//
// What the program writes to its descriptors 1 and 2, tracebacks of the Go
// runtime included, comes in through FD and takes the same way.
package console

import (
	"unsafe"

	"github.com/gasp-go/gasp/board/trap"
)

// Level is the severity of a record; smaller is more severe (syslog's).
type Level uint8

const (
	Emerg   Level = iota // the system is unusable
	Alert                // action must be taken at once
	Crit                 // critical
	Err                  // error
	Warning              // warning
	Notice               // normal but significant
	Info                 // informational
	Debug                // debugging
)

var levelNames = [8]string{"emerg", "alert", "crit", "err", "warn", "notice", "info", "debug"}

// String returns the level's name as dmesg prints it.
func (l Level) String() string { return levelNames[l&7] }

// Facilities: who logs (syslog's numbers).
const (
	FacKern   = 0 // the kernel and the drivers
	FacUser   = 1 // the program
	FacDaemon = 3 // long-running parts of the program

	// FacPrevious (local0) is for what an earlier life of the firmware logged,
	// which PreviousConsoles get.
	FacPrevious = 16
)

// klog is a log: the ring, what feeds it and what it feeds. All fields are
// used in trap context only unless they say otherwise.
type klog struct {
	clock    func() int64  // set before use
	caller   func() uint32 // the thread, set before use
	consoles consoles
	streams  [2]Stream // descriptors 1 and 2

	tracebackMax uint32 // 0: three quarters of the ring

	ring ring // large, so last: what is behind it is dearer to reach
}

// std is the log of the firmware. It lies in static memory, so that a panic
// finds it whatever became of the heap.
var std klog

// SetClock sets where the time of records comes from: nanoseconds since boot,
// callable in trap context. To be set before there is a second goroutine;
// until then records have time 0.
func SetClock(now func() int64) { std.clock = now }

// SetCaller sets what tells the number of the thread that logs, callable in trap
// context; 0: none. To be set like the clock.
func SetCaller(caller func() uint32) { std.caller = caller }

// Emit appends a record and flushes the consoles. One newline at the end of
// the text is dropped; a text longer than MaxText is continued in further
// records. dict is made with AppendDict, or nil; what exceeds MaxDict is left
// out. Trap context; callable from within a console's Write, where it only
// appends and the flush in progress goes on to the new record.
func Emit(level Level, facility uint8, text, dict []byte) {
	std.append(kind(level, facility), line(text), dict)
	std.flush(flushBudget)
}

// Log is Emit for goroutines, with facility FacKern.
func Log(level Level, text []byte) { LogDict(level, FacKern, text, nil) }

// LogDict is Emit for goroutines. It does not allocate.
func LogDict(level Level, facility uint8, text, dict []byte) {
	a := emission{log: &std, level: level, facility: facility, text: text, dict: dict}
	trap.Run(runEmission, unsafe.Pointer(&a))
}

// emission carries the arguments of LogDict into trap context.
type emission struct {
	log        *klog
	level      Level
	facility   uint8
	text, dict []byte
}

func runEmission(p unsafe.Pointer) {
	a := (*emission)(p)
	a.log.emit(a.level, a.facility, a.text, a.dict)
	a.log.flush(flushBudget)
}

func (l *klog) now() int64 {
	if l.clock == nil {
		return 0
	}
	return l.clock()
}

// emit appends one record or more; it flushes nothing.
func (l *klog) emit(level Level, facility uint8, text, dict []byte) {
	l.append(kind(level, facility), line(text), dict)
}

// kind is a level and a facility in one, to which continues is added for a record that
// continues the one before it.
func kind(level Level, facility uint8) uint32 { return uint32(level&7) | uint32(facility&31)<<8 }

const continues = 1 << 16

// line is a text without its newline.
func line(text []byte) []byte {
	if n := len(text) - 1; n >= 0 && text[n] == '\n' {
		return text[:n]
	}
	return text
}

// append is emit of a kind and a line. Most often consoles are about to be
// offered just this record, so it is put there too, unless one is being offered
// something.
func (l *klog) append(kind uint32, text, dict []byte) {
	if len(text) > MaxText || len(dict) > MaxDict {
		l.appendLong(kind, text, dict)
		return
	}
	thread := uint16(0)
	if l.caller != nil {
		thread = uint16(l.caller() & 1023)
	}
	now := l.now()
	if l.consoles.flushing {
		var h header
		h.set(kind, thread, now, len(text), len(dict))
		l.ring.append(&h, text, dict)
		return
	}
	l.consoles.flushing = true // to what interrupts
	o := &l.consoles.offer
	o.loaded = false
	h := &o.header
	h.set(kind, thread, now, len(text), len(dict))
	pos := l.ring.append(h, text, dict)
	o.rec.describe(h)
	copy(o.rec.Text[:], text)
	if len(dict) > 0 {
		copy(o.rec.Dict[:], dict)
	}
	o.at.seq, o.at.pos = h.seq, pos
	o.next.seq, o.next.pos = h.seq+1, pos+h.size()
	o.loaded = true
	l.consoles.flushing = false
}

// appendLong appends a text as several records, each continuing the one before it.
func (l *klog) appendLong(kind uint32, text, dict []byte) {
	for len(text) > MaxText {
		l.append(kind, text[:MaxText], nil)
		text = text[MaxText:]
		kind |= continues
	}
	l.append(kind, text, fitDict(dict))
}

// Grow makes the ring size bytes large (Linux: log_buf_len=), rounded up to a
// power of two, with the records that are in it, and returns its size. A ring is
// not made smaller, only once larger, and at most 64 MiB: then nothing changes.
// The memory is the heap's. Goroutine.
func Grow(size uint64) uint64 { return std.grow(size) }

const maxRing = 64 << 20

func (l *klog) grow(size uint64) uint64 {
	l.consoles.admin.Lock()
	defer l.consoles.admin.Unlock()
	n := uint64(RingSize)
	for n < size && n < maxRing {
		n *= 2
	}
	if l.ring.big == nil && n > RingSize && size <= maxRing {
		l.ring.big = make([]byte, n)
		clear(l.ring.big) // its pages are there from now on, in a panic too
		trap.Run(runGrow, unsafe.Pointer(l))
	}
	return uint64(len(l.ring.mem()))
}

func runGrow(p unsafe.Pointer) { (*klog)(p).ring.grow() }

// Read copies the record with number seq, or the first after it that still
// exists, to r and reports whether there is one. lost is how many there were
// in between. Reading on from r.Seq+1 visits every record.
//
// On target it may be called from any context, on a host from goroutines.
func Read(seq uint64, r *Record) (ok bool, lost uint64) {
	a := reading{log: &std, seq: seq, rec: r}
	trap.Run(runReading, unsafe.Pointer(&a))
	return a.ok, a.lost
}

// NextSeq returns the number that the next record will have. On target it may be
// called from any context, on a host from goroutines.
func NextSeq() uint64 {
	var seq uint64
	trap.Run(runNextSeq, unsafe.Pointer(&seq))
	return seq
}

func runNextSeq(p unsafe.Pointer) { *(*uint64)(p) = std.ring.state().next }

type reading struct {
	log  *klog
	seq  uint64
	rec  *Record
	ok   bool
	lost uint64
}

func runReading(p unsafe.Pointer) {
	a := (*reading)(p)
	a.ok, a.lost = a.log.ring.read(a.seq, a.rec)
}

package pcap

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"
	"time"
)

// The newer format is draft-ietf-opsawg-pcapng: sections of blocks, each block
// with its length in front and behind, in the section's byte order.
const (
	ngSection  = 0x0a0d0d0a // the same in either byte order
	ngMagic    = 0x1a2b3c4d
	ngLink     = 1 // an interface
	ngOld      = 2 // a packet, as it was written before ngEnhanced
	ngSimple   = 3
	ngEnhanced = 6

	ngOptEnd    = 0
	ngOptTick   = 9  // if_tsresol
	ngOptOffset = 14 // if_tsoffset

	maxLinks = 1 << 16 // of a section; each takes memory
	maxTime  = 1 << 36 // seconds: the year 4147, which every notation of a time can say
)

// NgReader reads the Ethernet frames of a pcapng file, of all its interfaces
// and sections. It believes nothing: what is not in the format is ErrFormat,
// and how much memory it takes does not depend on what the file says.
type NgReader struct {
	r       io.Reader
	order   binary.ByteOrder
	left    uint32 // of the block's body
	links   []ngInterface
	skipped map[uint16]uint64
	head    [28]byte
	buf     []byte
}

// ngInterface is what an interface of the section says about its frames.
type ngInterface struct {
	link   uint16
	snap   uint32 // 0: no bound
	second uint64 // in units of its time stamps
	offset int64  // s
}

// IsNg tells whether a file that begins with b, four bytes or more, is for an
// NgReader.
func IsNg(b []byte) bool {
	return len(b) >= 4 && binary.LittleEndian.Uint32(b) == ngSection
}

// NewNgReader reads the header of the first section.
func NewNgReader(r io.Reader) (*NgReader, error) {
	f := &NgReader{r: r, skipped: map[uint16]uint64{}}
	_, total, err := f.block()
	if err == io.EOF {
		return nil, fmt.Errorf("%w: header: %w", ErrFormat, err)
	}
	if err == nil {
		err = f.end(total)
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Skipped is how many frames there were, until now, of links that are not
// Ethernet, by link type. The caller does not change it.
func (f *NgReader) Skipped() map[uint16]uint64 { return f.skipped }

// Next reads one frame; data is valid until the next call. The time is zero if
// the file does not say it (simple packets). It returns io.EOF at the file's
// end.
func (f *NgReader) Next() (t time.Time, length int, data []byte, err error) {
	for {
		typ, total, err := f.block()
		if err != nil {
			return time.Time{}, 0, nil, err
		}
		found := false
		switch typ {
		case ngLink:
			err = f.readInterface()
		case ngSimple, ngOld, ngEnhanced:
			t, length, found, err = f.frame(typ)
		}
		if err == nil {
			err = f.end(total)
		}
		if err != nil {
			return time.Time{}, 0, nil, err
		}
		if found {
			return t, length, f.buf, nil
		}
	}
}

// block reads the beginning of a block, and of a section all that is read of
// its header. total is the block's length, io.EOF the file's end.
func (f *NgReader) block() (typ, total uint32, err error) {
	h := f.head[:8]
	if _, err := io.ReadFull(f.r, h); err != nil {
		if err == io.EOF {
			return 0, 0, io.EOF
		}
		return 0, 0, ngCut(err)
	}
	if IsNg(h) {
		total, err = f.section()
		return ngSection, total, err
	}
	if f.order == nil {
		return 0, 0, fmt.Errorf("%w: magic % x", ErrFormat, h[:4])
	}
	typ, total = f.order.Uint32(h), f.order.Uint32(h[4:])
	return typ, total, f.begin(typ, total)
}

// begin checks a block's length, of which 8 bytes have been read.
func (f *NgReader) begin(typ, total uint32) error {
	if total < 12 || total%4 != 0 {
		return fmt.Errorf("%w: a block of type %#x and %d bytes", ErrFormat, typ, total)
	}
	f.left = total - 12
	return nil
}

// section begins a section, which has a byte order and interfaces of its own.
func (f *NgReader) section() (total uint32, err error) {
	h := f.head[:16]
	if _, err := io.ReadFull(f.r, h[8:]); err != nil {
		return 0, ngCut(err)
	}
	switch binary.LittleEndian.Uint32(h[8:]) {
	case ngMagic:
		f.order = binary.LittleEndian
	case bits.ReverseBytes32(ngMagic):
		f.order = binary.BigEndian
	default:
		return 0, fmt.Errorf("%w: byte order % x", ErrFormat, h[8:12])
	}
	// Version 1.2 was written by some, and differs in nothing.
	if major, minor := f.order.Uint16(h[12:]), f.order.Uint16(h[14:]); major != 1 || minor != 0 && minor != 2 {
		return 0, fmt.Errorf("%w: version %d.%d", ErrFormat, major, minor)
	}
	total = f.order.Uint32(h[4:])
	if err := f.begin(ngSection, total); err != nil {
		return 0, err
	}
	f.links = f.links[:0]
	if f.left < 16 {
		return 0, f.short()
	}
	f.left -= 8
	return total, nil
}

// end skips what was not read of a block and checks the length behind it.
func (f *NgReader) end(total uint32) error {
	if err := f.skip(f.left); err != nil {
		return err
	}
	h := f.head[:4]
	if _, err := io.ReadFull(f.r, h); err != nil {
		return ngCut(err)
	}
	if again := f.order.Uint32(h); again != total {
		return fmt.Errorf("%w: a block's length is %d in front and %d behind", ErrFormat, total, again)
	}
	return nil
}

// read reads n bytes of the block's body, valid until the next read.
func (f *NgReader) read(n uint32) ([]byte, error) {
	if n > f.left {
		return nil, f.short()
	}
	f.left -= n
	h := f.head[:n]
	if _, err := io.ReadFull(f.r, h); err != nil {
		return nil, ngCut(err)
	}
	return h, nil
}

func (f *NgReader) skip(n uint32) error {
	if n > f.left {
		return f.short()
	}
	f.left -= n
	if _, err := io.CopyN(io.Discard, f.r, int64(n)); err != nil {
		return ngCut(err)
	}
	return nil
}

func (f *NgReader) short() error {
	return fmt.Errorf("%w: a block is shorter than what is in it", ErrFormat)
}

// ngCut is of a read that ended in the midst of a block.
func ngCut(err error) error {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("%w: a block is cut: %w", ErrFormat, err)
}

// readInterface reads the description of an interface.
func (f *NgReader) readInterface() error {
	h, err := f.read(8)
	if err != nil {
		return err
	}
	in := ngInterface{link: f.order.Uint16(h), snap: f.order.Uint32(h[4:]), second: 1e6}
	for f.left > 0 {
		if h, err = f.read(4); err != nil {
			return err
		}
		code, n := f.order.Uint16(h), uint32(f.order.Uint16(h[2:]))
		if code == ngOptEnd {
			break
		}
		padded := (n + 3) &^ 3
		switch {
		case code == ngOptTick && n == 1:
			if h, err = f.read(padded); err == nil {
				in.second, err = ngSecond(h[0])
			}
		case code == ngOptOffset && n == 8:
			if h, err = f.read(padded); err == nil {
				in.offset = int64(f.order.Uint64(h))
			}
		default:
			err = f.skip(padded)
		}
		if err != nil {
			return err
		}
	}
	if len(f.links) == maxLinks {
		return fmt.Errorf("%w: more than %d interfaces", ErrFormat, maxLinks)
	}
	f.links = append(f.links, in)
	return nil
}

// ngSecond is what a second has of the units of which a time stamp is a
// negative power, of 10 or, with the highest bit, of 2.
func ngSecond(v byte) (uint64, error) {
	n := v & 0x7f
	switch {
	case v&0x80 != 0 && n <= 63:
		return 1 << n, nil
	case v&0x80 == 0 && n <= 19:
		s := uint64(1)
		for range n {
			s *= 10
		}
		return s, nil
	}
	return 0, fmt.Errorf("%w: time stamps of resolution %#x", ErrFormat, v)
}

// time is the time of a stamp.
func (in *ngInterface) time(stamp uint64) (time.Time, error) {
	sec, frac := stamp/in.second, stamp%in.second
	if sec >= maxTime || in.offset <= -maxTime || in.offset >= maxTime || int64(sec)+in.offset < 0 {
		return time.Time{}, fmt.Errorf("%w: a time of %d s and an offset of %d s", ErrFormat, sec, in.offset)
	}
	hi, lo := bits.Mul64(frac, 1e9)
	ns, _ := bits.Div64(hi, lo, in.second) // frac is less than second
	return time.Unix(int64(sec)+in.offset, int64(ns)), nil
}

// frame reads a packet's block. found is false for a link that is not Ethernet.
func (f *NgReader) frame(typ uint32) (t time.Time, length int, found bool, err error) {
	size := uint32(20)
	if typ == ngSimple {
		size = 4
	}
	h, err := f.read(size)
	if err != nil {
		return t, 0, false, err
	}
	var id, n, whole uint32
	switch typ {
	case ngSimple:
		whole = f.order.Uint32(h)
	case ngOld:
		id = uint32(f.order.Uint16(h)) // and how many were lost before it
	default:
		id = f.order.Uint32(h)
	}
	if id >= uint32(len(f.links)) {
		return t, 0, false, fmt.Errorf("%w: a frame of interface %d of %d", ErrFormat, id, len(f.links))
	}
	in := &f.links[id]
	if in.link != ethernet {
		f.skipped[in.link]++
		return t, 0, false, nil
	}
	if typ == ngSimple {
		if n = whole; in.snap != 0 {
			n = min(n, in.snap)
		}
	} else {
		t, err = in.time(uint64(f.order.Uint32(h[4:]))<<32 | uint64(f.order.Uint32(h[8:])))
		if err != nil {
			return t, 0, false, err
		}
		n, whole = f.order.Uint32(h[12:]), f.order.Uint32(h[16:])
	}
	if n > maxFrame || n > whole || whole > 1<<30 {
		return t, 0, false, fmt.Errorf("%w: a frame with %d of %d bytes", ErrFormat, n, whole)
	}
	if n > f.left {
		return t, 0, false, f.short()
	}
	f.left -= n
	if cap(f.buf) < int(n) {
		f.buf = make([]byte, n)
	}
	f.buf = f.buf[:n]
	if _, err := io.ReadFull(f.r, f.buf); err != nil {
		return t, 0, false, ngCut(err)
	}
	return t, int(whole), true, nil
}

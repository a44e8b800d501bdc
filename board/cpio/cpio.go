// Package cpio reads and writes archives of files in the format of Linux's
// initramfs, cpio "newc" (Linux's Documentation/driver-api/early-userspace/
// buffer-format.rst): for each entry a header of hexadecimal digits, the name,
// the contents, each padded to four bytes; the last one is called TRAILER!!!.
package cpio

const (
	headerSize = 110 // bytes: the magic and 13 fields of 8 digits
	magic      = "070701"
	trailer    = "TRAILER!!!"

	// Where fields that matter start.
	modeField     = 6 + 1*8
	sizeField     = 6 + 6*8
	nameSizeField = 6 + 11*8
)

// Types of entries, in Mode as stat(2) has it.
const (
	TypeMask = 0o170000
	TypeDir  = 0o040000
	TypeFile = 0o100000
)

// A Reader reads an archive, entry by entry. It allocates nothing and may be
// used in trap context.
type Reader struct {
	Rest string // the archive, of which what was read is cut off
	Bad  bool   // it is not an archive, or is not whole
}

// Entry is one entry. Name and Data are parts of the archive.
type Entry struct {
	Name string
	Data string
	Mode uint32
}

// Next returns the next entry; false at the end of the archive and at what is
// wrong with it.
func (r *Reader) Next() (e Entry, ok bool) {
	if len(r.Rest) < headerSize || r.Rest[:len(magic)] != magic {
		return r.bad()
	}
	mode, ok1 := field(r.Rest[modeField:])
	size, ok2 := field(r.Rest[sizeField:])
	nameSize, ok3 := field(r.Rest[nameSizeField:])
	if !ok1 || !ok2 || !ok3 || nameSize == 0 {
		return r.bad()
	}
	r.Rest = r.Rest[headerSize:]
	// Header and name are padded together; the header's own length is two
	// bytes more than a multiple of four.
	name, ok := r.take(nameSize, 2)
	if !ok || name[nameSize-1] != 0 {
		return r.bad()
	}
	e.Name, e.Mode = name[:nameSize-1], mode
	if e.Name == trailer {
		r.Rest = ""
		return Entry{}, false
	}
	if e.Data, ok = r.take(size, 0); !ok {
		return r.bad()
	}
	return e, true
}

func (r *Reader) bad() (Entry, bool) {
	r.Rest, r.Bad = "", true
	return Entry{}, false
}

// take returns n bytes and skips what pads them, and the before bytes before
// them, to a multiple of four.
func (r *Reader) take(n, before uint32) (s string, ok bool) {
	padded := (uint64(n)+uint64(before)+3)&^3 - uint64(before)
	if padded > uint64(len(r.Rest)) {
		return "", false
	}
	s, r.Rest = r.Rest[:n], r.Rest[padded:]
	return s, true
}

// field reads the 8 digits at the start of s.
func field(s string) (v uint32, ok bool) {
	for i := range 8 {
		switch d := s[i]; {
		case d >= '0' && d <= '9':
			v = v<<4 | uint32(d-'0')
		case d|0x20 >= 'a' && d|0x20 <= 'f':
			v = v<<4 | uint32(d|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return v, true
}

package pcap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// The file format is libpcap's (draft-ietf-opsawg-pcap): a header of 24 bytes,
// and 16 bytes in front of each frame, in the writer's byte order.
const (
	magicNano  = 0xa1b23c4d // time stamps in nanoseconds
	magicMicro = 0xa1b2c3d4
	ethernet   = 1 // LINKTYPE_ETHERNET

	fileHeader  = 24
	frameHeader = 16
	maxFrame    = 256 << 10 // libpcap's bound of a snaplen for Ethernet
)

// Writer writes a pcap file, little-endian, with time stamps in nanoseconds,
// from which tcpdump and Wireshark read.
type Writer struct {
	w    io.Writer
	snap int
	h    [frameHeader]byte
}

// NewWriter writes the file's header. snap bounds how much of each frame is
// written, in bytes.
func NewWriter(w io.Writer, snap int) (*Writer, error) {
	h := make([]byte, 0, fileHeader)
	h = binary.LittleEndian.AppendUint32(h, magicNano)
	h = binary.LittleEndian.AppendUint16(h, 2)
	h = binary.LittleEndian.AppendUint16(h, 4)
	h = binary.LittleEndian.AppendUint64(h, 0) // UTC, and no accuracy given
	h = binary.LittleEndian.AppendUint32(h, uint32(snap))
	h = binary.LittleEndian.AppendUint32(h, ethernet)
	if _, err := w.Write(h); err != nil {
		return nil, err
	}
	return &Writer{w: w, snap: snap}, nil
}

// WriteFrame writes a frame of length bytes, of which data is the beginning.
func (w *Writer) WriteFrame(t time.Time, length int, data []byte) error {
	data = data[:min(len(data), w.snap)]
	binary.LittleEndian.PutUint32(w.h[0:], uint32(t.Unix()))
	binary.LittleEndian.PutUint32(w.h[4:], uint32(t.Nanosecond()))
	binary.LittleEndian.PutUint32(w.h[8:], uint32(len(data)))
	binary.LittleEndian.PutUint32(w.h[12:], uint32(length))
	if _, err := w.w.Write(w.h[:]); err != nil {
		return err
	}
	_, err := w.w.Write(data)
	return err
}

// ErrFormat is returned for what is no pcap file, or none of Ethernet frames, and
// for what is no pcapng file.
var ErrFormat = errors.New("pcap: bad file")

// Reader reads a pcap file of either byte order and resolution. It believes
// nothing: what a Writer would not write is ErrFormat.
type Reader struct {
	r     io.Reader
	order binary.ByteOrder
	unit  uint32 // ns of a tick
	snap  uint32
	buf   []byte
}

// NewReader reads the file's header.
func NewReader(r io.Reader) (*Reader, error) {
	var h [fileHeader]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return nil, fmt.Errorf("%w: header: %w", ErrFormat, err)
	}
	f := &Reader{r: r}
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		switch order.Uint32(h[:]) {
		case magicNano:
			f.order, f.unit = order, 1
		case magicMicro:
			f.order, f.unit = order, 1000
		}
	}
	if f.order == nil {
		return nil, fmt.Errorf("%w: magic % x", ErrFormat, h[:4])
	}
	if major, minor := f.order.Uint16(h[4:]), f.order.Uint16(h[6:]); major != 2 || minor != 4 {
		return nil, fmt.Errorf("%w: version %d.%d", ErrFormat, major, minor)
	}
	if link := f.order.Uint32(h[20:]); link&0xffff != ethernet {
		return nil, fmt.Errorf("%w: link type %d", ErrFormat, link)
	}
	if f.snap = f.order.Uint32(h[16:]); f.snap == 0 || f.snap > maxFrame {
		return nil, fmt.Errorf("%w: snaplen %d", ErrFormat, f.snap)
	}
	return f, nil
}

// Next reads one frame; data is valid until the next call. It returns io.EOF at
// the file's end.
func (f *Reader) Next() (t time.Time, length int, data []byte, err error) {
	var h [frameHeader]byte
	if _, err := io.ReadFull(f.r, h[:]); err != nil {
		if err == io.EOF {
			return time.Time{}, 0, nil, io.EOF
		}
		return time.Time{}, 0, nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	sec, frac := f.order.Uint32(h[0:]), f.order.Uint32(h[4:])
	n, whole := f.order.Uint32(h[8:]), f.order.Uint32(h[12:])
	if frac >= 1e9/f.unit || n > f.snap || n > whole || whole > maxFrame {
		return time.Time{}, 0, nil, fmt.Errorf("%w: a frame with time %d.%d, %d of %d bytes, snaplen %d", ErrFormat, sec, frac, n, whole, f.snap)
	}
	if cap(f.buf) < int(n) {
		f.buf = make([]byte, n)
	}
	f.buf = f.buf[:n]
	if _, err := io.ReadFull(f.r, f.buf); err != nil {
		return time.Time{}, 0, nil, fmt.Errorf("%w: a frame is cut: %w", ErrFormat, err)
	}
	return time.Unix(int64(sec), int64(frac)*int64(f.unit)), int(whole), f.buf, nil
}

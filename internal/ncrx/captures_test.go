package ncrx_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gasp-go/gasp/internal/ncrx"
	"github.com/gasp-go/gasp/stack/pcap"
)

// The captures in testdata are of Debian's kernel 6.12.107+deb13-armmp on
// QEMU's mcimx6ul-evk, as seen on the wire: to port 6666 in the basic format,
// to 6667 in the extended, to 6668 in the extended with release and user data.
const (
	fragmentsCapture = "nc-fragments.pcap"    // long records, control bytes, a dictionary
	panicCapture     = "panic-basic-ext.pcap" // sysrq-c
	modparamCapture  = "panic-modparam.pcap"  // sysrq-c, targets by module parameter
)

// replay receives what a capture has for one port, as a listener there would.
func replay(t *testing.T, capture string, port uint16) []ncrx.Record {
	t.Helper()
	b, err := os.ReadFile("testdata/" + capture)
	if err != nil {
		t.Fatal(err)
	}
	file, err := pcap.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	r := ncrx.NewReceiver()
	var out []ncrx.Record
	var at time.Time
	for {
		var frame []byte
		if at, _, frame, err = file.Next(); err != nil {
			break
		}
		d, ok := ncrx.UDP(frame)
		if !ok {
			t.Fatalf("a frame of %d bytes without a datagram", len(frame))
		}
		if d.To.Port() == port {
			out = append(out, r.Datagram(d.From, d.Payload, at)...)
		}
	}
	if !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	if s := r.Stats(); s.Datagrams == 0 || s.Malformed+s.Duplicates+s.Incomplete+s.Late+s.Restarts+s.Repeated != 0 {
		t.Errorf("%+v", s)
	}
	return append(out, r.Flush(at)...)
}

// Linux sends the same records in each format, so what is read of one has to
// be what is read of the others: two ways through the parser, one text.
func TestTheFormatsOfOneCaptureSayTheSame(t *testing.T) {
	lines := func(rs []ncrx.Record) (out []string) {
		for _, r := range rs {
			for l := range strings.SplitSeq(r.Text, "\n") {
				out = append(out, r.Stamp()+l)
			}
		}
		return out
	}
	for capture, ports := range map[string][]uint16{
		fragmentsCapture: {6667, 6668}, panicCapture: {6667, 6668}, modparamCapture: {6667},
	} {
		basic := lines(replay(t, capture, 6666))
		for _, port := range ports {
			if ext := lines(replay(t, capture, port)); !slices.Equal(basic, ext) {
				t.Errorf("%s: port %d\n%q\nbasic\n%q", capture, port, ext, basic)
			}
		}
	}
}

package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/gasp-go/gasp/internal/ncrx"
)

// mergecapFile was written by Wireshark's editcap and mergecap: three frames of
// nc-fragments.pcap as if of link type 113, and panic-modparam.pcap.
const mergecapFile = "testdata/mergecap.pcapng"

// mergecap is the file in parts: the section with two interfaces, the packets of
// the first, those of the second.
func mergecap(tb testing.TB) (head, cooked, ethernet []byte) {
	tb.Helper()
	b, err := os.ReadFile(mergecapFile)
	if err != nil {
		tb.Fatal(err)
	}
	var parts [3][]byte
	for len(b) > 0 {
		part, n := 0, binary.LittleEndian.Uint32(b[4:])
		if b[0] == 6 {
			part = 1 + int(b[8])
		}
		parts[part] = append(parts[part], b[:n]...)
		b = b[n:]
	}
	return parts[0], parts[1], parts[2]
}

func TestAPcapngIsReadLikeThePcapOfTheSameFrames(t *testing.T) {
	utc(t)
	for _, port := range []string{"6666", "6667"} {
		want, err := os.ReadFile("testdata/linux/panic-modparam-" + port + ".txt")
		if err != nil {
			t.Fatal(err)
		}
		status, out, errs := runTool(t, "listen", "-pcap", mergecapFile, "-p", port)
		if status != exitOK || out != string(want) || !strings.HasPrefix(errs, "frames that are not Ethernet were left out: 3 of link type 113\n") {
			t.Errorf("%s: status %d, %s; got\n%swant\n%s", port, status, errs, out, want)
		}
	}
}

// FuzzReadCapture has any file read and its records printed, whose times and
// texts are as the file has them.
func FuzzReadCapture(f *testing.F) {
	old, err := os.ReadFile("../../internal/ncrx/testdata/nc-fragments.pcap")
	if err != nil {
		f.Fatal(err)
	}
	// Short ones: the fuzzer shortens what it finds, and does not count how long.
	f.Add(old[:400])
	head, _, ethernet := mergecap(f)
	f.Add(slices.Concat(head, ethernet[:binary.LittleEndian.Uint32(ethernet[4:])]))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, port := range []uint16{6666, 6667} {
			readCapture(context.Background(), bytes.NewReader(b), port, ncrx.New(ncrx.Options{}), func(r *ncrx.Record) {
				if text := recordText(r); !bytes.HasSuffix(text, []byte("\n")) {
					t.Errorf("%q", text)
				}
				if line := recordJSON(r); !json.Valid(line) {
					t.Errorf("%q", line)
				}
			})
		}
	})
}

// Package qemutest makes ARM images small enough to be written by hand, so
// that what runs images can be tested without a kernel.
package qemutest

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/gasp-go/gasp/internal/qemu"
)

// Base is where Image links: the start of i.MX6UL's RAM and 2 MB.
const Base = 0x80200000

// EnvRequire names the environment variable that turns a missing QEMU from a
// skipped test into a failed one.
const EnvRequire = "GASP_REQUIRE_QEMU"

// Board returns the default board. It skips the test where QEMU is missing,
// or fails it if EnvRequire is set.
func Board(t testing.TB) *qemu.Board {
	t.Helper()
	b, err := qemu.LookupBoard(qemu.DefaultBoard)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := qemu.Find(b); err != nil {
		if os.Getenv(EnvRequire) != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	return b
}

// Image returns an ELF file with one segment at base, entered at its first
// word.
func Image(base uint32, words ...uint32) []byte {
	return Header{Type: elf.ET_EXEC, Machine: elf.EM_ARM, Entry: base}.Image(base, words...)
}

// Header is what may differ between images that are made to be refused.
type Header struct {
	Type    elf.Type
	Machine elf.Machine
	Entry   uint32
	Interp  bool // asks for a dynamic linker
}

// Image returns an ELF file with header h and one segment at base.
func (h Header) Image(base uint32, words ...uint32) []byte {
	const ehsize, phsize = 52, 32
	progs := []elf.Prog32{{
		Type: uint32(elf.PT_LOAD), Off: 0x1000, Vaddr: base, Paddr: base,
		Filesz: uint32(4 * len(words)), Memsz: uint32(4 * len(words)),
		Flags: uint32(elf.PF_R | elf.PF_W | elf.PF_X), Align: 0x1000,
	}}
	if h.Interp {
		progs = append(progs, elf.Prog32{Type: uint32(elf.PT_INTERP), Off: 0x1000, Filesz: 4, Memsz: 4})
	}
	var b bytes.Buffer
	binary.Write(&b, binary.LittleEndian, elf.Header32{
		Ident: [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F',
			byte(elf.ELFCLASS32), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type: uint16(h.Type), Machine: uint16(h.Machine), Version: uint32(elf.EV_CURRENT),
		Entry: h.Entry, Phoff: ehsize, Ehsize: ehsize,
		Phentsize: phsize, Phnum: uint16(len(progs)),
	})
	binary.Write(&b, binary.LittleEndian, progs)
	b.Write(make([]byte, 0x1000-b.Len()))
	binary.Write(&b, binary.LittleEndian, words)
	return b.Bytes()
}

// Write puts an image into a file below a temporary directory of the test and
// returns its path.
func Write(t testing.TB, image []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image.elf")
	if err := os.WriteFile(path, image, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

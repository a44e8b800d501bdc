package qemu

import (
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
)

// Kind says how an ELF file is to be run on a board.
type Kind int

const (
	KindFirmware Kind = iota + 1 // linked at the board's RAM, boots by itself
	KindProgram                  // a linux/arm program, needs the loader kernel
)

// String returns the kind in words.
func (k Kind) String() string {
	switch k {
	case KindFirmware:
		return "firmware image"
	case KindProgram:
		return "linux/arm program"
	}
	return "unknown"
}

// Inspect tells what kind of image the ELF file at path is for b, and fails
// with the reason if it is none.
func Inspect(b *Board, path string) (Kind, error) {
	f, err := elf.Open(path)
	if err != nil {
		var pe *fs.PathError
		if errors.As(err, &pe) {
			return 0, err
		}
		return 0, fmt.Errorf("%s is not an ELF file: %w", path, err)
	}
	defer f.Close()
	kind, err := inspect(b, f)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	return kind, nil
}

func inspect(b *Board, f *elf.File) (Kind, error) {
	if f.Machine != elf.EM_ARM || f.Class != elf.ELFCLASS32 || f.Data != elf.ELFDATA2LSB {
		return 0, fmt.Errorf("built for %v (%v), not for 32-bit little-endian ARM; build with GOOS=linux GOARCH=arm GOARM=%s", f.Machine, f.Class, b.GOARM)
	}
	if f.Type != elf.ET_EXEC {
		return 0, fmt.Errorf("is %v, not an executable with fixed addresses; build with CGO_ENABLED=0 and without -buildmode=pie", f.Type)
	}
	loads, entered := 0, false
	for _, p := range f.Progs {
		switch p.Type {
		case elf.PT_INTERP:
			return 0, errors.New("dynamically linked, there is no dynamic linker on the target; build with CGO_ENABLED=0")
		case elf.PT_LOAD:
			loads++
			if p.Filesz > 0 && f.Entry >= p.Vaddr && f.Entry-p.Vaddr < p.Memsz {
				entered = true
			}
		}
	}
	if loads == 0 || !entered {
		return 0, fmt.Errorf("its entry point %#x is in no loaded segment", f.Entry)
	}
	// The RAM of all boards lies above what linux/arm gives to programs by
	// default, and RAM sizes differ, so only the lower bound is looked at.
	if f.Entry >= uint64(b.RAM) {
		return KindFirmware, nil
	}
	return KindProgram, nil
}

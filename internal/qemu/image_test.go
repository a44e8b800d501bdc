package qemu_test

import (
	"debug/elf"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gasp-go/gasp/internal/qemu"
	"github.com/gasp-go/gasp/internal/qemu/qemutest"
)

func TestInspectTellsFirmwareFromProgramsAndRefusesTheRest(t *testing.T) {
	b, err := qemu.LookupBoard(qemu.DefaultBoard)
	if err != nil {
		t.Fatal(err)
	}
	ok := qemutest.Header{Type: elf.ET_EXEC, Machine: elf.EM_ARM, Entry: 0x80201000}
	with := func(f func(*qemutest.Header)) qemutest.Header { h := ok; f(&h); return h }
	for _, tt := range []struct {
		name string
		h    qemutest.Header
		base uint32
		kind qemu.Kind
		err  string
	}{
		{"firmware", ok, 0x80201000, qemu.KindFirmware, ""},
		{"program", with(func(h *qemutest.Header) { h.Entry = 0x11000 }), 0x11000, qemu.KindProgram, ""},
		{"another CPU", with(func(h *qemutest.Header) { h.Machine = elf.EM_386 }), 0x80201000, 0, "EM_386"},
		{"pie", with(func(h *qemutest.Header) { h.Type = elf.ET_DYN }), 0x80201000, 0, "fixed addresses"},
		{"dynamic", with(func(h *qemutest.Header) { h.Interp = true }), 0x80201000, 0, "dynamically linked"},
		{"entry nowhere", with(func(h *qemutest.Header) { h.Entry = 0 }), 0x80201000, 0, "entry point"},
	} {
		kind, err := qemu.Inspect(b, qemutest.Write(t, tt.h.Image(tt.base, 0)))
		if kind != tt.kind || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: %v, %v", tt.name, kind, err)
		}
	}
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("#!/bin/sh\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := qemu.Inspect(b, text); err == nil || !strings.Contains(err.Error(), "not an ELF") {
		t.Errorf("a script: %v", err)
	}
	if _, err := qemu.Inspect(b, text+"-none"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

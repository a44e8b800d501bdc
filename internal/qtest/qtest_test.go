package qtest

import (
	"bytes"
	"debug/elf"
	"testing"
)

func TestIdleELFIsAnARMExecutable(t *testing.T) {
	f, err := elf.NewFile(bytes.NewReader(idleELF(0x80010000, idleARM)))
	if err != nil {
		t.Fatal(err)
	}
	if f.Machine != elf.EM_ARM || f.Entry != 0x80010000 || len(f.Progs) != 1 || f.Progs[0].Paddr != 0x80010000 || f.Progs[0].Filesz != 8 {
		t.Errorf("%+v %+v", f.FileHeader, f.Progs[0])
	}
}

func TestRegistersAndMemoryOfTheMachineAreReached(t *testing.T) {
	m := Start(t, Options{})
	const enet1 = 0x02188000
	if v := m.Read32(enet1 + 0x84); v != 0x05ee0001 {
		t.Errorf("RCR after reset: %#x", v)
	}
	m.Write32(0x80200000, 0x12345678)
	mem, err := m.Region(0x200000, 4096).Alloc(64, 64)
	if err != nil || mem.Phys != 0x80200000 {
		t.Fatal(err, mem.Phys)
	}
	mem.Bytes[0] = 0x78
	if v := m.Read32(0x80200000); v != 0x78 {
		t.Errorf("RAM: %#x", v)
	}
}

func TestInterruptLinesAreWatched(t *testing.T) {
	m := Start(t, Options{})
	const enet1, eir, eimr, tcr, irq, gra = 0x02188000, 0x4, 0x8, 0xc4, 118, 1 << 28
	m.Write32(enet1+eimr, gra)
	m.Write32(enet1+tcr, 1) // graceful stop: raises GRA at once
	if level, rises := m.IRQ(irq); !level || rises != 1 {
		t.Errorf("level %v after %d rises, want raised once", level, rises)
	}
	m.Write32(enet1+eir, gra)
	if level, rises := m.IRQ(irq); level || rises != 1 {
		t.Errorf("level %v after %d rises, want low again", level, rises)
	}
}

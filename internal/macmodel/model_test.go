package macmodel

import (
	"bytes"
	"encoding/binary"
	"testing"
)

const (
	base = 0x02188000
	phys = 0x80000000
)

// rig is a model with a receive ring at 0 and a transmit ring at 64, of two
// descriptors each, and buffers of 128 bytes from 256 on.
func rig(t *testing.T) (*Model, []byte) {
	t.Helper()
	mem := make([]byte, 4096)
	m := New(base, mem, phys)
	m.SetFaults(func(f *Faults) { f.NoFilter = true })
	for i := range 2 {
		wrap := uint16(i) << 13
		bd(mem, i*8, flagReady|wrap, 0, phys+256+uint32(i)*128)
		bd(mem, 64+i*8, wrap, 0, phys+1024+uint32(i)*128)
	}
	for _, w := range [][2]uint32{{RDSR, phys}, {TDSR, phys + 64}, {MRBR, 128}, {EIMR, IntRXF | IntTXF}, {ECR, ecrEtherEn}, {RDAR, 1}} {
		m.Write32(base+uintptr(w[0]), w[1])
	}
	return m, mem
}

func bd(mem []byte, off int, status, length uint16, addr uint32) {
	binary.LittleEndian.PutUint16(mem[off:], length)
	binary.LittleEndian.PutUint16(mem[off+2:], status)
	binary.LittleEndian.PutUint32(mem[off+4:], addr)
}

func TestFrameIsReceivedWithFCSAndInterrupts(t *testing.T) {
	m, mem := rig(t)
	f := bytes.Repeat([]byte{2}, 60)
	if !m.Deliver(f) || !m.IRQ() {
		t.Fatal("not received, or no interrupt")
	}
	if l, s := binary.LittleEndian.Uint16(mem), binary.LittleEndian.Uint16(mem[2:]); l != 64 || s != flagLast || !bytes.Equal(mem[256:316], f) {
		t.Errorf("length %d status %#x", l, s)
	}
	m.Write32(base+EIR, IntRXF)
	if m.IRQ() {
		t.Error("interrupt after it was acknowledged")
	}
}

func TestFullRingStopsUntilTheDoorbell(t *testing.T) {
	m, mem := rig(t)
	f := make([]byte, 60)
	n := 0
	for m.Deliver(f) {
		n++
	}
	if n != 2 {
		t.Fatalf("two descriptors took %d frames", n)
	}
	bd(mem, 0, flagReady, 0, phys+256)
	if m.Deliver(f) {
		t.Error("received without the doorbell")
	}
	m.Write32(base+RDAR, 1)
	if !m.Deliver(f) {
		t.Error("not received after the doorbell")
	}
}

func TestFlagsAreORedIntoTheOldStatus(t *testing.T) {
	m, mem := rig(t)
	bd(mem, 0, flagReady|FlagTooLong, 0, phys+256)
	m.Deliver(make([]byte, 60))
	if s := binary.LittleEndian.Uint16(mem[2:]); s&FlagTooLong == 0 {
		t.Errorf("status %#x", s)
	}
}

func TestLongFrameTakesSeveralDescriptors(t *testing.T) {
	m, mem := rig(t)
	m.Deliver(make([]byte, 200))
	l0, s0 := binary.LittleEndian.Uint16(mem), binary.LittleEndian.Uint16(mem[2:])
	l1, s1 := binary.LittleEndian.Uint16(mem[8:]), binary.LittleEndian.Uint16(mem[10:])
	if l0 != 128 || s0&flagLast != 0 || l1 != 204 || s1&flagLast == 0 {
		t.Errorf("%d %#x, %d %#x", l0, s0, l1, s1)
	}
}

func TestReadyDescriptorsAreSentInOrder(t *testing.T) {
	m, mem := rig(t)
	for i := range 4 {
		off := i % 2 * 8
		mem[1024+i%2*128] = byte(i)
		bd(mem, 64+off, flagReady|flagLast|uint16(i%2)<<13, 60, phys+1024+uint32(i%2)*128)
		m.Write32(base+TDAR, 1)
		if s := m.Sent(); len(s) != 1 || s[0][0] != byte(i) || m.Read32(base+TDAR) != 0 {
			t.Fatalf("frame %d: sent %x", i, s)
		}
	}
}

func TestMisuseOfRegistersIsReported(t *testing.T) {
	for name, misuse := range map[string]func(m *Model){
		"unaligned ring":        func(m *Model) { m.Write32(base+ECR, 0); m.Write32(base+TDSR, phys+8) },
		"ring changed while on": func(m *Model) { m.Write32(base+TDSR, phys) },
		"RCR changed while on":  func(m *Model) { m.Write32(base+RCR, 0) },
		"FRSR read":             func(m *Model) { m.Read32(base + frsr) },
		"FRSR written":          func(m *Model) { m.Write32(base+frsr, 0) },
		"counters cleared":      func(m *Model) { m.Write32(base+MIBC, mibClear) },
		"a counter written":     func(m *Model) { m.Write32(base+MIBRxOctets, 0) },
		"PADEN":                 func(m *Model) { m.Write32(base+ECR, 0); m.Write32(base+RCR, rcrPADEN) },
		"reset on AXI":          func(m *Model) { m.SetFaults(func(f *Faults) { f.AXI = true }); m.Write32(base+ECR, 1) },
		"ring of one": func(m *Model) {
			bd(m.mem, 64, flagReady|flagLast|flagWrap, 60, phys+1024)
			m.Write32(base+TDAR, 1)
		},
		"malformed MDIO frame": func(m *Model) { m.Write32(base+MSCR, 26); m.Write32(base+MMFR, 0x12345678) },
		"write during reset": func(m *Model) {
			m.SetFaults(func(f *Faults) { f.ResetReads = 5 })
			m.Write32(base+ECR, 1)
			m.Write32(base+EIMR, 0)
		},
	} {
		m, _ := rig(t)
		misuse(m)
		if len(m.Bugs()) == 0 {
			t.Errorf("%s is not reported", name)
		}
	}
}

// erig is a rig with enhanced descriptors: receive at 0, transmit at 512.
func erig(t *testing.T) (*Model, []byte) {
	t.Helper()
	mem := make([]byte, 4096)
	m := New(base, mem, phys)
	m.SetFaults(func(f *Faults) { f.NoFilter = true })
	for i := range 2 {
		wrap := uint16(i) << 13
		bd(mem, i*32, flagReady|wrap, 0, phys+2048+uint32(i)*128)
		bd(mem, 512+i*32, wrap, 0, phys+1024+uint32(i)*128)
	}
	for _, w := range [][2]uint32{{RDSR, phys}, {TDSR, phys + 512}, {MRBR, 128}, {ECR, ecrEtherEn | ecrEN1588}, {RDAR, 1}} {
		m.Write32(base+uintptr(w[0]), w[1])
	}
	return m, mem
}

func TestEnhancedDescriptorsInterruptOnlyWithINT(t *testing.T) {
	for _, on := range []bool{false, true} {
		m, mem := erig(t)
		if on {
			binary.LittleEndian.PutUint32(mem[8:], rxInt)
			binary.LittleEndian.PutUint32(mem[512+8:], txInt)
		}
		m.Deliver(make([]byte, 60))
		bd(mem, 512, flagReady|flagLast, 60, phys+1024)
		m.Write32(base+TDAR, 1)
		if len(m.Sent()) != 1 {
			t.Fatal("not sent")
		}
		want := uint32(0)
		if on {
			want = IntRXF | IntTXF | IntTXB
		}
		if eir := m.Reg(EIR); eir != want {
			t.Errorf("INT %v: EIR %#x", on, eir)
		}
	}
}

func TestShift16PutsTwoBytesBeforeAFrameAndCountsThem(t *testing.T) {
	m, mem := erig(t)
	m.Write32(base+RACC, raccShift16)
	f := bytes.Repeat([]byte{7}, 60)
	m.Deliver(f)
	if l := binary.LittleEndian.Uint16(mem); l != 66 || mem[2048] != 0 || mem[2049] != 0 || !bytes.Equal(mem[2050:2110], f) {
		t.Errorf("length %d, %x", l, mem[2048:2056])
	}
}

// A TCP SYN over the loopback network with its well-known checksums.
var syn = []byte{
	0x00, 0x1b, 0x21, 0x3c, 0x9d, 0xf8, 0x00, 0x19, 0xd1, 0x22, 0x33, 0x44, 0x08, 0x00,
	0x45, 0x00, 0x00, 0x28, 0x00, 0x01, 0x00, 0x00, 0x40, 0x06, 0x7c, 0xcd, 0x7f, 0x00, 0x00, 0x01, 0x7f, 0x00, 0x00, 0x01,
	0x00, 0x14, 0x00, 0x50, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x50, 0x02, 0x20, 0x00, 0x91, 0x7c, 0x00, 0x00,
}

func TestAcceleratorKnowsARightPacketFromAWrongOne(t *testing.T) {
	if c, p := accelRx(syn); c != 0 || p>>16&0xff != 6 {
		t.Errorf("right: control %#x protocol word %#x", c, p)
	}
	for i := 14; i < len(syn); i++ {
		bad := bytes.Clone(syn)
		bad[i] ^= 0x40
		if c, _ := accelRx(bad); c&(rxICE|rxPCR) == 0 {
			t.Errorf("byte %d wrong: control %#x", i, c)
		}
	}
}

func TestAcceleratorInsertsChecksumsAndWantsTheFieldsEmpty(t *testing.T) {
	m := New(base, nil, phys)
	f := bytes.Clone(syn)
	f[24], f[25], f[50], f[51] = 0, 0, 0, 0
	m.accelTx(f, txPINS|txIINS)
	if !bytes.Equal(f, syn) || len(m.Bugs()) != 0 {
		t.Errorf("%x, bugs %v", f, m.Bugs())
	}
	m.accelTx(f, txPINS|txIINS)
	if len(m.Bugs()) != 2 {
		t.Errorf("bugs %v", m.Bugs())
	}
}

// Package macmodel is an ENET in Go, for tests: its registers as an mmio.Bus,
// its DMA in the memory a test gives it, and every fault a driver must survive
// at the flip of a field. It is synchronous: what a register write causes has
// happened when the write returns, unless a fault says otherwise, and nothing
// happens on its own.
//
// It follows the manual (i.MX 6UltraLite Applications Processor Reference
// Manual, ENET chapter) and where the manual leaves a choice it does what
// breaks drivers: flags are ORed into the old status of a descriptor, a full
// ring stops reception until RDAR is written, EIR latches.
package macmodel

import (
	"encoding/binary"
	"fmt"
	"sync"
)

// Register offsets, EIR bits and descriptor flags, written down here once more
// on purpose: a mistake in the driver's constants must not be shared.
const (
	EIR  = 0x004
	EIMR = 0x008
	RDAR = 0x010
	TDAR = 0x014
	ECR  = 0x024
	MMFR = 0x040
	MSCR = 0x044
	MIBC = 0x064
	RCR  = 0x084
	TCR  = 0x0c4
	PALR = 0x0e4
	PAUR = 0x0e8
	TXIC = 0x0f0
	RXIC = 0x100
	IAUR = 0x118
	IALR = 0x11c
	GAUR = 0x120
	GALR = 0x124
	RDSR = 0x180
	TDSR = 0x184
	MRBR = 0x188
	FTRL = 0x1b0
	RACC = 0x1c4

	IntGRA   = 1 << 28
	IntTXF   = 1 << 27
	IntTXB   = 1 << 26
	IntRXF   = 1 << 25
	IntRXB   = 1 << 24
	IntMII   = 1 << 23
	IntEBERR = 1 << 22
	IntBABR  = 1 << 30
	IntLC    = 1 << 21
	IntRL    = 1 << 20
	IntUN    = 1 << 19

	ecrReset   = 1 << 0
	ecrEtherEn = 1 << 1
	ecrEN1588  = 1 << 4 // enhanced descriptors

	rcrPROM  = 1 << 3
	rcrPADEN = 1 << 12
	rcrBCREJ = 1 << 4

	raccShift16 = 1 << 7

	flagReady = 1 << 15
	flagWrap  = 1 << 13
	flagLast  = 1 << 11

	FlagMiss      = 1 << 8
	FlagBroadcast = 1 << 7
	FlagMulticast = 1 << 6
	FlagTooLong   = 1 << 5
	FlagNonOctet  = 1 << 4
	FlagBadCRC    = 1 << 2
	FlagOverrun   = 1 << 1
	FlagTruncated = 1 << 0

	ringActive = 1 << 24 // RDAR, TDAR

	// Control words of enhanced descriptors.
	rxInt     = 1 << 23
	rxICE     = 1 << 5
	rxPCR     = 1 << 4
	rxVLAN    = 1 << 2
	rxIPv6    = 1 << 1
	rxFrag    = 1 << 0
	txInt     = 1 << 30
	txPINS    = 1 << 28
	txIINS    = 1 << 27
	bduUpdate = 1 << 31
)

// Faults are what can be wrong with the device. The zero value is a device
// without faults.
type Faults struct {
	MDIOHang     bool  // management frames never finish
	MDIODelay    int   // reads of EIR until one finishes
	ResetReads   int   // reads of ECR until a reset has finished
	ResetNever   bool  // a reset never finishes
	TxHang       bool  // transmit DMA does nothing; TDAR stays 1
	TxHangUntil  bool  // as TxHang, until the next reset
	TxManual     bool  // transmit DMA does something only in RunTx
	ByteTime     int64 // ns a byte takes on the wire, which sends in a frame's order then (100 Mb/s: 80); 0: no time
	TxDiscard    bool  // what is sent is not kept for Sent
	TxBusError   bool  // the next transmit DMA access fails: EBERR, ETHEREN off; once
	LoseTDAR     int   // this many writes of TDAR are lost, TDAR reads 0 (ERR006358)
	BusyTDAR     int   // this many reads of TDAR read 1, and writes meanwhile are lost (ERR007885)
	MissIRQ      bool  // the interrupt line stays low
	Unpowered    bool  // any access is a bus fault: panics, as on the SoC
	NoTerminator bool  // received descriptors never carry L: frames never end
	AXI          bool  // i.MX6SX, 7D: ECR.RESET may hang the bus and is reported
	NoFilter     bool  // no address filter, as QEMU's: everything is received
	NoAccel      bool  // no receive accelerator: it leaves the control word as it is, as QEMU does

	// Access, if set, is called before every register access with its number
	// since the model was made; it may panic to interrupt the driver there.
	Access func(n int, off uintptr, write bool)
}

// Model is one ENET. Its methods may be called from any goroutine.
type Model struct {
	base uintptr
	phys uint32
	mem  []byte

	more window // see AddMemory

	between func() // see Between

	mu        sync.Mutex
	regs      [0x400 / 4]uint32
	rx, tx    uint32 // bus addresses of the current descriptors
	faults    Faults
	accesses  int
	clock     int64
	leaving   int64        // when the frame on the wire will have left (ByteTime), 0: there is none
	free      int64        // from when on the next may begin
	mdio      int          // reads of EIR until the frame is done, 0: none
	reset     int          // reads of ECR until the reset is done
	coalesced [2]coalescer // receive, transmit
	partial   []byte
	scratch   []byte
	sent      [][]byte
	phy       [32]*PHY
	bugs      []string
	resets    int
	irqs      int
	line      bool
}

// PHY is a PHY on the model's MDIO bus.
type PHY struct {
	Reg    [32]uint16
	Writes int
}

// NewPHY returns a PHY with a negotiated 100 Mb/s full duplex link.
func NewPHY() *PHY {
	p := new(PHY)
	p.Reg[0], p.Reg[1], p.Reg[2], p.Reg[3], p.Reg[4], p.Reg[5] = 0x3100, 0x782d, 0x0007, 0xc0d1, 0x01e1, 0x45e1
	return p
}

// New returns a model with its registers at base and a PHY at address 2. It
// masters mem, whose first byte it finds at phys.
func New(base uintptr, mem []byte, phys uint32) *Model {
	m := &Model{base: base, mem: mem, phys: phys}
	m.phy[2] = NewPHY()
	m.powerOn()
	return m
}

func (m *Model) powerOn() {
	m.regs = [len(m.regs)]uint32{}
	m.regs[ECR/4] = 0xf0000000
	m.regs[MIBC/4] = 0xc0000000
	m.regs[RCR/4] = 0x05ee0001
	m.regs[FTRL/4] = 0x7ff
	m.rx, m.tx = 0, 0
	m.partial, m.leaving = nil, 0
	m.coalesced = [2]coalescer{}
	m.mdio = 0
}

// SetFaults changes the faults.
func (m *Model) SetFaults(change func(f *Faults)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(&m.faults)
}

// Between sets a function that is called before every register access. Unlike
// Faults.Access it may use the model: it is where a test lets something else happen
// to the driver.
func (m *Model) Between(fn func()) { m.between = fn }

// SetPHY connects p at an address of the MDIO bus; nil disconnects.
func (m *Model) SetPHY(addr int, p *PHY) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.phy[addr] = p
}

// SetPHYReg changes a register of the PHY at addr.
func (m *Model) SetPHYReg(addr, reg int, v uint16) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.phy[addr].Reg[reg] = v
}

// Now is the model's clock in nanoseconds: it advances with every register
// access and Advance.
func (m *Model) Now() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.clock += 20
	m.pace()
	return m.clock
}

// Advance moves the clock.
func (m *Model) Advance(ns int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.clock += ns
	m.pace()
	m.update()
}

// IRQ reports the level of the interrupt line.
func (m *Model) IRQ() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.line && !m.faults.MissIRQ
}

// IRQs counts how often the line rose.
func (m *Model) IRQs() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.irqs
}

// Resets counts the resets.
func (m *Model) Resets() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.resets
}

// Bugs returns what the driver did that the manual forbids.
func (m *Model) Bugs() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string(nil), m.bugs...)
}

// Accesses returns the number of register accesses so far.
func (m *Model) Accesses() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.accesses
}

// Reg returns a register without the effects of reading it.
func (m *Model) Reg(off uintptr) uint32 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.regs[off/4]
}

// SetReg sets a register, or a counter, without the effects of writing it.
func (m *Model) SetReg(off uintptr, v uint32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.regs[off/4] = v
}

// Raise sets bits of EIR, as errors on the wire do.
func (m *Model) Raise(bits uint32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.regs[EIR/4] |= bits
	m.update()
}

func (m *Model) bug(format string, args ...any) {
	if len(m.bugs) < 20 {
		m.bugs = append(m.bugs, fmt.Sprintf(format, args...))
	}
}

func (m *Model) update() {
	m.expire()
	line := m.regs[EIR/4]&m.regs[EIMR/4] != 0
	if line && !m.line {
		m.irqs++
	}
	m.line = line
}

// window is memory that the device masters, from phys on.
type window struct {
	mem  []byte
	phys uint32
}

func (w *window) at(addr, n uint32) []byte {
	off := addr - w.phys
	if addr < w.phys || uint64(off)+uint64(n) > uint64(len(w.mem)) {
		return nil
	}
	return w.mem[off : off+n]
}

// AddMemory lets the device reach more memory, for buffers. Before it is used.
func (m *Model) AddMemory(mem []byte, phys uint32) { m.more = window{mem, phys} }

func (m *Model) bytes(addr, n uint32) []byte {
	if b := (&window{m.mem, m.phys}).at(addr, n); b != nil {
		return b
	}
	return m.more.at(addr, n)
}

// StationAddress is the address in PALR and PAUR.
func (m *Model) StationAddress() (mac [6]byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	binary.BigEndian.PutUint32(mac[:], m.regs[PALR/4])
	binary.BigEndian.PutUint16(mac[4:], uint16(m.regs[PAUR/4]>>16))
	return mac
}

// PHYReg returns a register of the PHY at addr.
func (m *Model) PHYReg(addr, reg int) uint16 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.phy[addr].Reg[reg]
}

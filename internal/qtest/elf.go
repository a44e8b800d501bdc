package qtest

import (
	"bytes"
	"encoding/binary"
)

// idleARM is "wfi; b .-4", what the CPU does while the test drives the
// machine's devices.
var idleARM = []uint32{0xe320f003, 0xeafffffd}

// idleELF returns an ELF executable with one segment, code, loaded at and
// entered at addr (System V ABI, ELF header and program header, 32 bits,
// little-endian).
func idleELF(addr uint32, code []uint32) []byte {
	const headers = 52 + 32
	var b bytes.Buffer
	b.WriteString("\x7fELF\x01\x01\x01")
	b.Write(make([]byte, 9))
	le := func(v any) { binary.Write(&b, binary.LittleEndian, v) }
	le(uint16(2))                        // executable
	le(uint16(40))                       // ARM
	le([]uint32{1, addr, 52, 0})         // version, entry, program headers, no sections
	le(uint32(0x05000200))               // EABI 5
	le([]uint16{52, 32, 1, 40, 0, 0})    // sizes and counts
	le([]uint32{1, headers, addr, addr}) // PT_LOAD, offset, virtual, physical
	le([]uint32{uint32(len(code) * 4)})  // size in the file
	le([]uint32{uint32(len(code) * 4)})  // size in memory
	le([]uint32{5, 4})                   // readable and executable, alignment
	le(code)
	return b.Bytes()
}

package qemutest

// Encodings shared by the programs below. A semihosting call (Arm's
// "Semihosting for AArch32 and AArch64") is svc 0x123456 with the operation
// in r0 and the address of its arguments in r1.
const (
	svc     = 0xef123456 // svc 0x123456
	r0open  = 0xe3a00001 // mov r0, #1     SYS_OPEN
	r0write = 0xe3a00005 // mov r0, #5     SYS_WRITE
	r0exit  = 0xe3a00020 // mov r0, #0x20  SYS_EXIT_EXTENDED
	spin    = 0xeafffffe // b .

	reasonExit = 0x20026 // ADP_Stopped_ApplicationExit
	modeWrite  = 4       // fopen's "w": ":tt" is stdout
	modeAppend = 8       // fopen's "a": ":tt" is stderr
)

// assembler collects instructions that refer to data placed behind them.
type assembler struct {
	code, data []uint32
	fix        []struct{ at, data int }
}

// adr emits adr r1, data[i:] (add r1, pc, #imm8).
func (a *assembler) adr(i int) {
	a.fix = append(a.fix, struct{ at, data int }{len(a.code), i})
	a.code = append(a.code, 0xe28f1000)
}

func (a *assembler) emit(w ...uint32) { a.code = append(a.code, w...) }

func (a *assembler) words(w ...uint32) int {
	a.data = append(a.data, w...)
	return len(a.data) - len(w)
}

// link places data behind code. base is the address of the result. The
// distance of each adr must be below 256 bytes.
func (a *assembler) link() []uint32 {
	for _, f := range a.fix {
		distance := (len(a.code)-f.at+f.data)*4 - 8 // pc reads two words ahead
		if distance > 0xff {
			panic("qemutest: program too long for adr")
		}
		a.code[f.at] |= uint32(distance)
	}
	return append(a.code, a.data...)
}

// address of a word of data, once code has its final length of n words.
func (a *assembler) address(n, i int) uint32 { return Base + uint32(4*(n+i)) }

// Say is a program that writes out to stdout and err to stderr through
// semihosting and ends with status. out and err are at most 4 bytes long.
func Say(out, err string, status uint32) []byte {
	const codeLen = 19
	var a assembler
	tt := a.words(pack(":tt")...)
	text := [2]string{out, err}
	for i, mode := range []uint32{modeWrite, modeAppend} {
		s := a.words(pack(text[i])...)
		open := a.words(a.address(codeLen, tt), mode, 3)
		write := a.words(0, a.address(codeLen, s), uint32(len(text[i])))
		a.emit(r0open)
		a.adr(open)
		a.emit(svc)
		a.adr(write)
		a.emit(0xe5810000) // str r0, [r1]: the handle
		a.emit(r0write, svc)
	}
	exit := a.words(reasonExit, status)
	a.emit(r0exit)
	a.adr(exit)
	a.emit(svc, spin)
	for len(a.code) < codeLen {
		a.emit(spin)
	}
	return Image(Base, a.link()...)
}

// pack returns the one word that holds up to four bytes of s.
func pack(s string) []uint32 {
	var w uint32
	for i := range len(s) {
		w |= uint32(s[i]) << (8 * i)
	}
	return []uint32{w}
}

// EchoString is a program that writes the NUL-terminated string at addr to
// UART1 of an i.MX6UL and ends with status 0.
func EchoString(addr uint32) []byte {
	var a assembler
	a.emit(
		0xe3000000,                          // movw r0, #0
		0xe3400202,                          // movt r0, #0x0202      UART1
		0xe3a01001,                          // mov r1, #1            UARTEN
		0xe5801080,                          // str r1, [r0, #0x80]   UCR1
		0xe3041006,                          // movw r1, #0x4006      IRTS, TXEN, RXEN
		0xe5801084,                          // str r1, [r0, #0x84]   UCR2
		0xe3002000|movImm(uint16(addr)),     // movw r2, #addr
		0xe3402000|movImm(uint16(addr>>16)), // movt r2, #addr>>16
		0xe4d21001,                          // ldrb r1, [r2], #1
		0xe3510000,                          // cmp r1, #0
		0x15801040,                          // strne r1, [r0, #0x40] UTXD
		0x1afffffb,                          // bne the ldrb
		r0exit,
	)
	exit := a.words(reasonExit, 0)
	a.adr(exit)
	a.emit(svc, spin)
	return Image(Base, a.link()...)
}

// movImm places a 16-bit immediate in movw or movt.
func movImm(v uint16) uint32 { return uint32(v)&0xfff | uint32(v)>>12<<16 }

// Reset is a program that has the watchdog of an i.MX6UL reset it at once.
func Reset() []byte {
	return Image(Base,
		0xe30c0000, // movw r0, #0xc000
		0xe340020b, // movt r0, #0x020b   WDOG1
		0xe3a01000, // mov r1, #0
		0xe1c010b0, // strh r1, [r0]      WCR: SRS and WDA are active low
		spin,
	)
}

// Spin is a program that never ends.
func Spin() []byte { return Image(Base, spin) }

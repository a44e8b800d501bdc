//go:build arm

package imx

import "github.com/gasp-go/gasp/board/mmio"

// UART registers (i.MX 6UltraLite Reference Manual, chapter "Universal
// Asynchronous Receiver/Transmitter", memory map).
const (
	uartUTXD = 0x40
	uartUCR1 = 0x80 // control 1
	uartUCR2 = 0x84 // control 2
	uartUSR2 = 0x98 // status 2
	uartUTS  = 0xb4 // test register

	ucr1UARTEN = 1 << 0
	ucr1TRDYEN = 1 << 13 // interrupt when the transmit FIFO runs low
	ucr2SRST   = 1 << 0  // 1: out of reset
	ucr2RXEN   = 1 << 1
	ucr2TXEN   = 1 << 2
	ucr2WS     = 1 << 5  // 8 bits
	ucr2IRTS   = 1 << 14 // ignore RTS
	usr2TXDC   = 1 << 3  // transmitter idle
	utsTXFULL  = 1 << 4
)

// UART is a console UART. The loader has set its clock and baud rate. Its
// methods are for trap context.
type UART struct {
	Regs mmio.Block
	IRQ  int // at the interrupt controller
}

// Init enables the transmitter and receiver, 8N1, at the rate the loader set.
func (u *UART) Init() {
	u.Regs.Write32(uartUCR1, ucr1UARTEN)
	u.Regs.Write32(uartUCR2, ucr2SRST|ucr2RXEN|ucr2TXEN|ucr2WS|ucr2IRTS)
}

// TryWrite sends b if there is room in the transmit FIFO.
func (u *UART) TryWrite(b byte) bool {
	if u.Regs.Read32(uartUTS)&utsTXFULL != 0 {
		return false
	}
	u.Regs.Write32(uartUTXD, uint32(b))
	return true
}

// TxInterrupt enables or masks the interrupt that says there is room.
func (u *UART) TxInterrupt(on bool) {
	v := uint32(ucr1UARTEN)
	if on {
		v |= ucr1TRDYEN
	}
	u.Regs.Write32(uartUCR1, v)
}

// Write sends b, waiting for room: at most about two character times at
// 9600 baud on a CPU of 1 GHz, then the byte is given up.
func (u *UART) Write(b byte) {
	for i := 0; i < 200_000; i++ {
		if u.TryWrite(b) {
			return
		}
	}
}

// Idle reports whether everything written has left.
func (u *UART) Idle() bool { return u.Regs.Read32(uartUSR2)&usr2TXDC != 0 }

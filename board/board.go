// Package board is the contract between a board and everything above it: what
// a board says about itself, and nothing about how.
package board

// Board describes one board. A board package fills it in and registers it.
type Board struct {
	Name string // as given to "gasp build -board"
	SoC  *SoC

	// Console is the UART that the kernel's messages go to, ConsoleIRQ its
	// interrupt.
	Console    UART
	ConsoleIRQ int

	// Ethernet lists the ports in the order of their interface names.
	Ethernet []Ethernet
}

// SoC is what every board with one SoC has in common. A package of the SoC has
// it ready.
type SoC struct {
	Name string

	// ResetCause tells in a few words why the SoC last left reset.
	ResetCause func() string

	// RNG is the random number generator, which the kernel reads, nil: none.
	RNG RNG

	// RTC is the clock that goes on while the board is off, nil: none. The
	// kernel reads it at boot.
	RTC RTC
}

// RNG is a hardware random number generator.
type RNG interface {
	Status() string // what it is and how it is, in a few words
}

// RTC is a real time clock. Its times are ns since 1970.
type RTC interface {
	Now() (unix int64, ok bool) // false if it does not run. Trap context
	Set(unix int64) error       // set it and start it. Within a bound
}

// Ethernet is one port: a controller, and what is soldered to it.
type Ethernet struct {
	Controller
	Name    string       // interface name, "eth0"
	MDIO    uintptr      // physical address of the MAC whose MDIO bus the PHY is on, 0: the port's own
	PHY     int          // address on that bus, -1: scan
	RMII    bool         // RMII, otherwise RGMII
	PowerUp func() error // clocks, pads and PHY reset, before the MAC is touched; nil: the loader's work
}

// Controller is one of the SoC's MACs, an ENET.
type Controller struct {
	Base     uintptr        // physical address of the MAC's registers
	IRQ      int            // interrupt number of the MAC at the interrupt controller
	Clock    uint32         // of the MAC's register bus (ipg), Hz; MDC is derived from it
	Gigabit  bool           // the MAC can do 1 Gb/s
	Coalesce uint32         // clock of the interrupt coalescing, Hz; 0: the MAC has none
	MAC      func() [6]byte // the port's address from the board's store; all zero if it has none
}

// UART is a serial port's transmitter, at the rate the loader set. Its methods
// are for trap context.
type UART interface {
	// TryWrite queues one byte and reports whether there was room.
	TryWrite(b byte) bool

	// TxInterrupt enables or masks the interrupt that says there is room.
	TxInterrupt(on bool)
}

var (
	current    *Board
	registered func() // nil: nobody waits for it
)

// Register makes b the board this firmware runs on. It is called once, from a
// board package's init.
func Register(b *Board) {
	if current != nil {
		panic("board: " + b.Name + " registered after " + current.Name)
	}
	current = b
	if registered != nil {
		registered()
	}
}

// OnRegister has fn called as soon as there is a board: at once, or by Register.
// For package gasp, whose init may come before the board's or after it.
func OnRegister(fn func()) {
	registered = fn
	if current != nil {
		fn()
	}
}

// Current returns the board this firmware runs on, nil on a host.
func Current() *Board { return current }

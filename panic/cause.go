package panics

// Kind is what kind of death it was.
type Kind uint32

const (
	Exit        Kind = iota // the program ended, as after an unrecovered Go panic; Code is its status
	Signal                  // a signal that nobody handles; Code is its number
	Fault                   // a thread's fault that could not become a signal
	KernelFault             // a fault in trap context
	Lockup                  // the watchdog found the CPU stuck with interrupts off
	Bug                     // the kernel found itself inconsistent; Message tells how
)

// Trap tells the CPU exception of a fault.
type Trap uint32

const (
	Undefined     Trap = 2
	DataAbort     Trap = 3
	PrefetchAbort Trap = 4
	FIQ           Trap = 5
)

// Cause is why the firmware dies. It holds no pointers.
type Cause struct {
	Kind    Kind
	Trap    Trap
	Code    uint32
	Addr    uint32     // fault address
	Status  uint32     // fault status register (DFSR or IFSR)
	Thread  uint32     // ID of the running thread
	HasRegs bool       // Regs are known
	Regs    [17]uint32 // r0 to r15, CPSR

	N       int // bytes of Message
	Message [128]byte
}

func (c *Cause) message() []byte {
	n := c.N
	if n < 0 || n > len(c.Message) {
		n = 0
	}
	return c.Message[:n]
}

// Fault status codes, DFSR and IFSR bits 10 and 3:0 (ARM DDI 0406C, B3.13),
// and the bit that tells a write.
const (
	statusAlignment = 0x01
	statusExternal  = 0x08
	statusAsync     = 0x16
	statusWrite     = 1 << 11
	pageSize        = 4096
)

func (c *Cause) status() uint32 { return c.Status&0xf | c.Status>>6&0x10 }

// memory reports whether a memory access is what failed.
func (c *Cause) memory() bool {
	return (c.Kind == Fault || c.Kind == KernelFault) && (c.Trap == DataAbort || c.Trap == PrefetchAbort)
}

// describe tells what happened, in Linux's words where it has some.
func (c *Cause) describe(t *Text) {
	switch {
	case c.memory() && c.status() == statusAlignment:
		t.Str("Unhandled fault: alignment exception (0x").hex(c.Status&0xfff, 3).Str(") at 0x").Hex(c.Addr)
	case c.memory() && (c.status() == statusExternal || c.status() == statusAsync):
		t.Str("Unhandled fault: external abort (0x").hex(c.Status&0xfff, 3).Str(") at 0x").Hex(c.Addr)
	case c.memory():
		t.Str("Unable to handle kernel ")
		if c.Addr < pageSize {
			t.Str("NULL pointer dereference")
		} else {
			t.Str("paging request")
		}
		t.Str(" at virtual address ").Hex(c.Addr).Str(" when ")
		switch {
		case c.Trap == PrefetchAbort:
			t.Str("execute")
		case c.Status&statusWrite != 0:
			t.Str("write")
		default:
			t.Str("read")
		}
	case c.Kind == Lockup || c.Kind == KernelFault && c.Trap == FIQ:
		t.Str("Watchdog detected hard LOCKUP on cpu 0")
	case c.Trap == Undefined && (c.Kind == Fault || c.Kind == KernelFault):
		t.Str("Internal error: Oops - undefined instruction: 0 [#1] ARM")
	default:
		t.Str("Kernel panic - not syncing: ")
		c.reason(t)
	}
}

// reason is what follows "Kernel panic - not syncing: ".
func (c *Cause) reason(t *Text) {
	switch c.Kind {
	case Exit:
		t.Str("Attempted to kill init! exitcode=0x").Hex(c.Code << 8)
	case Signal:
		t.Str("Attempted to kill init! exitcode=0x").Hex(c.Code)
	case Fault:
		t.Str("Fatal exception")
	case KernelFault:
		if c.Trap == FIQ {
			t.Str("Hard LOCKUP")
			return
		}
		t.Str("Fatal exception in interrupt")
	case Lockup:
		t.Str("Hard LOCKUP")
	default:
		if m := c.message(); len(m) > 0 {
			t.Bin(m)
		} else {
			t.Str("kernel BUG")
		}
	}
}

// described reports whether describe says more than the reason does.
func (c *Cause) described() bool {
	return c.Kind == Fault || c.Kind == KernelFault || c.Kind == Lockup
}

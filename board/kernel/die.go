//go:build arm

package kernel

// CauseKind is why the firmware died.
type CauseKind uint32

const (
	CauseExit        CauseKind = iota // exit_group: Code is the status
	CauseSignal                       // a signal that nobody handles: Code is its number
	CauseFault                        // a thread's fault that could not become a signal
	CauseKernelFault                  // a fault in trap context, or a hard lockup (Trap 5)
	CauseSoftLockup                   // goroutines did not run
)

// Cause is the cause of death. It holds no pointers.
type Cause struct {
	Kind    CauseKind
	Code    uint32     // exit status or signal
	Trap    uint32     // exception: 2 undefined, 3 data abort, 4 prefetch abort, 5 FIQ
	Addr    uint32     // fault address
	Status  uint32     // fault status register
	Thread  uint32     // thread ID
	Regs    [17]uint32 // r0 to r15, CPSR
	HasRegs bool
}

// PanicHook receives the cause of death, in trap context, and does not return.
// It may be called again if it dies itself. It is set once at start.
var PanicHook func(c *Cause)

// causes has one Cause for each depth of dying, the last for all deeper ones.
var (
	causes  [4]Cause
	nCauses int
)

// newCause returns the next cleared Cause.
func newCause(k CauseKind) *Cause {
	i := nCauses
	if i >= len(causes) {
		i = len(causes) - 1
	}
	nCauses++
	c := &causes[i]
	*c = Cause{Kind: k, HasRegs: k != CauseExit}
	return c
}

func (c *Cause) fromThread(t *thread) {
	copy(c.Regs[:], t.ctx.r[:])
	c.Regs[15], c.Regs[16] = t.ctx.pc, t.ctx.cpsr
	c.Thread = t.id
}

// die ends the firmware. Trap context; does not return.
func die(c *Cause) {
	switch {
	case semihosting && c.Kind == CauseExit:
		semihostExit(c.Code)
	case PanicHook != nil && nCauses < 64:
		fiqOn() // a step that hangs is left by it
		PanicHook(c)
	}
	earlyReport(c)
	if semihosting {
		semihostExit(128 + 6) // as a shell reports SIGABRT
	}
	Halt()
}

// earlyReport tells the cause on the console UART, for deaths before anybody
// set PanicHook.
func earlyReport(c *Cause) {
	puts("Kernel panic - not syncing: ")
	switch c.Kind {
	case CauseExit:
		puts("Attempted to kill init! exitcode=0x")
		puthex(c.Code << 8)
	case CauseSignal:
		puts("killed by signal ")
		puthex(c.Code)
	default:
		puts("fault, trap ")
		puthex(c.Trap)
		puts(" address ")
		puthex(c.Addr)
		puts(" status ")
		puthex(c.Status)
	}
	puts("\n")
	if c.HasRegs {
		for i := range c.Regs {
			puthex(c.Regs[i])
			if i%8 == 7 {
				puts("\n")
			} else {
				puts(" ")
			}
		}
		puts("\n")
	}
}

// Halt stops the CPU for good with interrupts masked. Trap context.
func Halt() {
	for {
		wfi()
	}
}

// Restart resets the SoC. Trap context; it returns only where the board cannot.
func Restart() {
	if semihosting {
		semihostExit(128 + 6)
	}
	if machine.Restart != nil {
		machine.Restart()
	}
	fiqState.abandoned = true // the watchdog does it
}

//go:build arm

package kernel

// Faults. A thread's fault becomes a signal, as on Linux; the runtime makes a
// Go panic or its own fatal error of it. A fault of the kernel is the end.

// Kinds of trap, as in boot_arm.s.
const (
	kindSVC = iota
	kindIRQ
	kindUndefined
	kindDataAbort
	kindPrefetchAbort
	kindFIQ
)

// trapEntry is the kernel's entry from a thread.
func trapEntry(kind uint32) {
	t := &threads[cur]
	if measure.on {
		measureEntry(t, kind)
	}
	switch kind {
	case kindSVC:
		if t.ctx.cpsr&0x1f != modeSYS { // a system call of the kernel's: its stack is gone
			c := newCause(CauseKernelFault)
			c.fromThread(t)
			die(c)
		}
		syscall(t)
	case kindIRQ:
		interrupt()
	default:
		threadFault(t, kind)
	}
	if t.state != threadRunning || changed || resched || t.pending&^t.masked != 0 || profiling != 0 {
		schedule()
	}
	if measure.on {
		measureExit()
	}
}

// Fault status codes, DFSR/IFSR bits 10 and 3:0 (ARM DDI 0406C, B3.13).
const (
	faultAlignment      = 0x1
	faultDebug          = 0x2
	faultTranslSection  = 0x5
	faultTranslPage     = 0x7
	faultExternal       = 0x8
	faultPermSection    = 0xd
	faultPermPage       = 0xf
	faultAsyncExternal  = 0x16
	faultExternalTable1 = 0xc
)

func faultCode(fsr uint32) uint32 { return fsr&0xf | fsr>>6&0x10 }

func isTranslation(fsr uint32) bool {
	c := faultCode(fsr)
	return c == faultTranslSection || c == faultTranslPage
}

// threadFault turns a fault of the running thread into a page or a signal.
func threadFault(t *thread, kind uint32) {
	sig, code, addr := uint32(sigILL), uint32(1), t.ctx.pc // ILL_ILLOPC
	fsr := uint32(0)
	switch kind {
	case kindDataAbort:
		fsr, addr = dfsr(), dfar()
		if isTranslation(fsr) && demand(addr) {
			return
		}
		sig, code = faultSignal(fsr)
	case kindPrefetchAbort:
		fsr = ifsr()
		if faultCode(fsr) == faultDebug {
			sig, code = sigTRAP, 1 // TRAP_BRKPT
			break
		}
		sig, code = faultSignal(fsr)
	}
	if t.masked>>(sig-1)&1 != 0 || sigactions[sig].handler <= 1 {
		c := newCause(CauseFault)
		c.Code, c.Addr, c.Status, c.Trap = sig, addr, fsr, kind
		c.fromThread(t)
		die(c)
		return
	}
	pushSignal(t, sig, code, addr)
}

// faultSignal is the signal and si_code for a fault status.
func faultSignal(fsr uint32) (sig, code uint32) {
	switch faultCode(fsr) {
	case faultTranslSection, faultTranslPage:
		return sigSEGV, 1 // SEGV_MAPERR
	case faultPermSection, faultPermPage:
		return sigSEGV, 2 // SEGV_ACCERR
	case faultAlignment:
		return sigBUS, 1 // BUS_ADRALN
	}
	return sigBUS, 3 // BUS_OBJERR
}

// faultFrame is the interrupted code's state as kernelTrap and vecFIQ save it.
type faultFrame struct {
	r    [15]uint32
	pc   uint32
	cpsr uint32
	kind uint32
	_    [2]uint32
}

// kernelFault handles a trap that interrupted the kernel. It returns to let the
// interrupted code go on. It runs on the fault stack.
func kernelFault(f *faultFrame) {
	fsr, addr := uint32(0), uint32(0)
	switch f.kind {
	case kindDataAbort:
		fsr, addr = dfsr(), dfar()
		if probing {
			probeFault = true
			f.pc += 4
			return
		}
		if isTranslation(fsr) && demand(addr) {
			return
		}
	case kindPrefetchAbort:
		fsr, addr = ifsr(), f.pc
	}
	c := newCause(CauseKernelFault)
	c.Addr, c.Status, c.Trap = addr, fsr, f.kind
	copy(c.Regs[:], f.r[:])
	c.Regs[15], c.Regs[16] = f.pc, f.cpsr
	c.Thread = threads[cur].id
	die(c)
}

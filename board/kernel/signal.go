//go:build arm

package kernel

// Signals, delivered as Linux does on ARM: siginfo and ucontext on the
// alternate stack, the handler called with their addresses, rt_sigreturn to go
// on. The runtime needs SIGSEGV, SIGBUS, SIGFPE, SIGILL for faults and SIGURG
// for preemption.

const (
	sigILL  = 4
	sigTRAP = 5
	sigBUS  = 7
	sigFPE  = 8
	sigSEGV = 11
	sigURG  = 23
	sigCHLD = 17
	sigCONT = 18
	sigWINC = 28

	saRestart = 0x10000000
	saNoDefer = 0x40000000

	siginfoSize  = 128
	ucStack      = 8   // in ucontext: uc_stack
	ucRegs       = 32  // uc_mcontext.arm_r0
	ucFault      = 100 // uc_mcontext.fault_address
	ucMask       = 104 // uc_sigmask
	ucVFP        = 232 // uc_regspace
	ucontextSize = 744
	frameSize    = siginfoSize + ucontextSize

	vfpMagic = 0x56465001
	vfpSize  = 288
)

// sigaction is the kernel's struct sigaction on ARM.
type sigaction struct {
	handler, flags, restorer uint32
	mask                     uint64
}

var sigactions [65]sigaction

func sysSigaction(sig, act, old, size uint32) uint32 {
	if sig == 0 || sig > 64 || size != 8 {
		return errno(EINVAL)
	}
	a := &sigactions[sig]
	if act != 0 && !accessible(act, 20, false) || old != 0 && !accessible(old, 20, true) {
		return errno(EFAULT)
	}
	before := *a
	if act != 0 {
		a.handler, a.flags, a.restorer = load32(act), load32(act+4), load32(act+8)
		a.mask = uint64(load32(act+12)) | uint64(load32(act+16))<<32
	}
	if old != 0 {
		store32(old, before.handler)
		store32(old+4, before.flags)
		store32(old+8, before.restorer)
		store32(old+12, uint32(before.mask))
		store32(old+16, uint32(before.mask>>32))
	}
	return 0
}

func sysSigprocmask(t *thread, how, set, old, size uint32) uint32 {
	if size != 8 {
		return errno(EINVAL)
	}
	if set != 0 && !accessible(set, 8, false) || old != 0 && !accessible(old, 8, true) {
		return errno(EFAULT)
	}
	before := t.masked
	if set != 0 {
		m := uint64(load32(set)) | uint64(load32(set+4))<<32
		switch how {
		case 0:
			t.masked |= m
		case 1:
			t.masked &^= m
		case 2:
			t.masked = m
		default:
			return errno(EINVAL)
		}
	}
	if old != 0 {
		store32(old, uint32(before))
		store32(old+4, uint32(before>>32))
	}
	return 0
}

func sysSigaltstack(t *thread, ss, old uint32) uint32 {
	if ss != 0 && !accessible(ss, 12, false) || old != 0 && !accessible(old, 12, true) {
		return errno(EFAULT)
	}
	sp, size := t.altSP, t.altSize
	if ss != 0 {
		if load32(ss+4)&2 != 0 { // SS_DISABLE
			t.altSP, t.altSize = 0, 0
		} else {
			t.altSP, t.altSize = load32(ss), load32(ss+8)
		}
	}
	if old != 0 {
		store32(old, sp)
		store32(old+4, 0)
		if size == 0 {
			store32(old+4, 2)
		}
		store32(old+8, size)
	}
	return 0
}

// sysTgkill sends sig to the thread id; a blocked system call ends with EINTR.
func sysTgkill(id, sig uint32) uint32 {
	i := threadByID(id)
	if i == nobody {
		return errno(ESRCH)
	}
	if sig == 0 {
		return 0
	}
	if sig > 64 {
		return errno(EINVAL)
	}
	t := &threads[i]
	t.pending |= 1 << (sig - 1)
	if t.state == threadBlocked && t.wait != waitSocket && t.pending&^t.masked != 0 {
		r := errno(EINTR)
		if t.restart && sigactions[sig].flags&saRestart != 0 {
			r = 0 // made again once the handler is done
		}
		wake(i, r)
	}
	return 0
}

// deliverPending hands the lowest pending signal that is not masked to the
// running thread.
func deliverPending(t *thread) {
	for sig := uint32(1); sig <= 64; sig++ {
		bit := uint64(1) << (sig - 1)
		if t.pending&^t.masked&bit == 0 {
			continue
		}
		t.pending &^= bit
		switch h := sigactions[sig].handler; {
		case h == 1, h == 0 && (sig == sigURG || sig == sigCHLD || sig == sigCONT || sig == sigWINC):
			continue // ignored
		case h == 0:
			dieOfSignal(t, sig)
			return
		}
		if sig == sigURG && t.prio == prioCompute {
			t.prio = prioNormal // the runtime has it look for other work
			t.quick = t.ran + nanotime() - switchedAt
		}
		code := uint32(siTkill)
		if sig == sigPROF {
			code = profCode(t)
		}
		pushSignal(t, sig, code, 0)
		return
	}
}

// pushSignal makes t continue in its handler for sig.
func pushSignal(t *thread, sig, code, addr uint32) {
	a := &sigactions[sig]
	sp := t.ctx.r[13]
	if t.altSize != 0 && sp-t.altSP > t.altSize {
		sp = t.altSP + t.altSize
	}
	sp = (sp - frameSize) &^ 7
	if !accessible(sp, frameSize, true) {
		dieOfSignal(t, sig)
		return
	}
	zero(sp, siginfoSize+ucVFP)
	store32(sp, sig)
	store32(sp+8, code)
	store32(sp+12, addr)
	uc := sp + siginfoSize
	store32(uc+ucStack, t.altSP)
	store32(uc+ucStack+8, t.altSize)
	for i := uint32(0); i < 15; i++ {
		store32(uc+ucRegs+4*i, t.ctx.r[i])
	}
	store32(uc+ucRegs+60, t.ctx.pc)
	store32(uc+ucRegs+64, t.ctx.cpsr)
	store32(uc+ucFault, addr)
	store32(uc+ucMask, uint32(t.masked))
	store32(uc+ucMask+4, uint32(t.masked>>32))
	store32(uc+ucVFP, vfpMagic)
	store32(uc+ucVFP+4, vfpSize)
	saveVFP(uintptr(uc + ucVFP + 8))

	t.masked |= a.mask
	if a.flags&saNoDefer == 0 {
		t.masked |= 1 << (sig - 1)
	}
	t.ctx.r[0], t.ctx.r[1], t.ctx.r[2] = sig, sp, uc
	t.ctx.r[13] = sp
	t.ctx.r[14] = sigreturnAddr()
	t.ctx.pc = a.handler &^ 1
	t.ctx.cpsr = modeSYS
}

// sysSigreturn continues what a signal interrupted, as its handler left it.
func sysSigreturn(t *thread) {
	uc := t.ctx.r[13] + siginfoSize
	if !accessible(uc, ucontextSize, false) {
		dieOfSignal(t, sigSEGV)
		return
	}
	for i := uint32(0); i < 15; i++ {
		t.ctx.r[i] = load32(uc + ucRegs + 4*i)
	}
	t.ctx.pc = load32(uc + ucRegs + 60)
	t.ctx.cpsr = load32(uc+ucRegs+64)&0xf80f0200 | modeSYS
	t.masked = uint64(load32(uc+ucMask)) | uint64(load32(uc+ucMask+4))<<32
	if load32(uc+ucVFP) == vfpMagic && load32(uc+ucVFP+4) == vfpSize {
		loadVFP(uintptr(uc + ucVFP + 8))
	}
}

// dieOfSignal ends the firmware: a signal nobody handles.
func dieOfSignal(t *thread, sig uint32) {
	c := newCause(CauseSignal)
	c.Code = sig
	c.fromThread(t)
	die(c)
}

// SignalFrame tells where a thread was when a signal came, given the PC and stack
// pointer with which its handler returns, or those within runtime.sigtramp, which is the
// handler: how far that has moved the stack pointer the linker does not note. Any
// context.
func SignalFrame(pc, sp uint32) (at ThreadInfo, ok bool) {
	if h := sigactions[sigURG].handler &^ 1; h != 0 && pc > h && pc < h+sigtrampSize {
		for i := uint32(0); ; i++ {
			if pc, ok = Peek(sp); !ok || i == sigtrampFrame {
				return at, false
			}
			sp += 4
			if pc == sigreturnAddr() {
				break
			}
		}
	}
	if pc != sigreturnAddr() {
		return at, false
	}
	for i := range uint32(len(at.Regs)) {
		if at.Regs[i], ok = Peek(sp + siginfoSize + ucRegs + 4*i); !ok {
			return at, false
		}
	}
	return at, true
}

// Bounds of runtime.sigtramp: its code in bytes, what it pushes in words.
const (
	sigtrampSize  = 0x48
	sigtrampFrame = 32
)

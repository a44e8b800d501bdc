//go:build linux && arm

package surface

import (
	"syscall"
	"unsafe"
)

// never reports whether a call may not be made, as it would do what it is for to
// the test itself.
func (t *tester) never(nr uint32, a [6]uintptr) bool {
	const cloneThread = 0x100 | 0x800 | 0x10000
	const sigURG = 23
	switch nr {
	case 1, 248: // exit, exit_group do not return
		return true
	case 119, 173: // sigreturn, rt_sigreturn replace all registers
		return true
	case 0x10000: // the kernel's own: runs a function
		return true
	case 120: // clone: a thread, at this place, on whatever stack
		return a[0]&cloneThread == cloneThread
	case 91, 125, 220: // munmap, mprotect, madvise of memory that is in use
		return t.inUse(a[0], a[1])
	case 192: // mmap2 in the place of memory that is in use
		return a[3]&0x10 != 0 && t.inUse(a[0], a[1])
	case 6: // close of a descriptor that is not ours
		return t.foreign(a[0])
	case 63, 358: // dup2, dup3 likewise
		return t.foreign(a[1])
	case 3, 4, 145, 146, 180, 181, 55, 221, 251, 252, 346,
		282, 283, 284, 285, 287, 289, 290, 291, 292, 293, 294, 296, 297, 366:
		// read, write, fcntl, epoll, the socket calls: on the console, the
		// runtime's eventfd and epoll, the test's sockets
		return t.foreign(a[0])
	case 174: // rt_sigaction: the runtime's handlers
		return a[0]-1 < 64 && a[1] != 0 && t.readable(a[1])
	case 186: // sigaltstack: the runtime's
		return a[0] != 0 && t.readable(a[0])
	case 37, 238: // kill, tkill: signals that end the program
		return a[1]-1 < 64 && a[1] != sigURG
	case 268: // tgkill
		return a[2]-1 < 64 && a[2] != sigURG
	case 79, 262, 404: // setting the clock
		return true
	}
	return false
}

// foreign reports whether fd is a descriptor of the runtime or the test.
func (t *tester) foreign(fd uintptr) bool { return fd < firstFD }

// inUse reports whether a range of pages reaches into memory that may be in use:
// anything but the scratch memory and what the kernel must refuse.
func (t *tester) inUse(addr, size uintptr) bool {
	if addr&4095 != 0 || size == 0 {
		return false // refused
	}
	if addr >= t.scratch+4096*4 && addr < t.scratch+scratchSize {
		return size > t.scratch+scratchSize-addr
	}
	for _, k := range t.Kernel {
		if addr&^4095 == k&^4095 {
			return false
		}
	}
	return addr >= 0x1000 && addr < 0xfffff000
}

// repair undoes what a call did.
func (t *tester) repair(nr uint32, a [6]uintptr, r uintptr, ok bool) {
	switch nr {
	case 175: // rt_sigprocmask
		raw(syscall.SYS_RT_SIGPROCMASK, 2, uintptr(unsafe.Pointer(&t.mask)), 0, 8, 0, 0)
	case 91, 125, 192, 220: // memory
		switch {
		case !ok:
		case nr == 192 && (r < t.scratch || r >= t.scratch+2*scratchSize):
			raw(syscall.SYS_MUNMAP, r, a[1], 0, 0, 0, 0)
		default:
			raw(syscall.SYS_MMAP2, t.scratch, scratchSize, 3, 0x32, ^uintptr(0), 0)
		}
	case 104: // setitimer
		if a[0] < 3 {
			var zero [4]uint32
			raw(syscall.SYS_SETITIMER, a[0], uintptr(unsafe.Pointer(&zero)), 0, 0, 0, 0)
		}
	case 257: // timer_create
		for id := range uintptr(32) {
			raw(261, id, 0, 0, 0, 0, 0)
		}
	case 5, 8, 41, 55, 221, 250, 281, 285, 322, 356, 357, 359, 366: // new descriptors
		const dupFD, dupFDCloexec = 0, 1030
		dup := nr != 55 && nr != 221 || a[1] == dupFD || a[1] == dupFDCloexec
		if ok && nr != 359 && dup && t.foreign(r) { // it got one that is not for us
			raw(syscall.SYS_CLOSE, r, 0, 0, 0, 0, 0)
		} else if ok {
			if t.opened++; t.opened%16 == 0 {
				t.reopen()
			}
		}
	case 6, 63, 358: // close, dup2, dup3
		if ok {
			t.reopen()
		}
	}
}

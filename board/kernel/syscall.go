//go:build arm

package kernel

import "unsafe"

// Errno values of linux/arm that the kernel returns.
const (
	EPERM     = 1
	ENOENT    = 2
	ESRCH     = 3
	EINTR     = 4
	EBADF     = 9
	EAGAIN    = 11
	ENOMEM    = 12
	EFAULT    = 14
	EEXIST    = 17
	ENODEV    = 19
	EINVAL    = 22
	EMFILE    = 24
	ENOSPC    = 28
	EPIPE     = 32
	ERANGE    = 34
	ENOSYS    = 38
	ETIMEDOUT = 110
)

func errno(e int32) uint32 { return uint32(-e) }

// sysRun is the kernel's own call: run a function in trap context.
const sysRun = 0x10000

// maxCPU is how many CPUs the runtime is told of: one more than there are, so
// that the network thread finds a P when another goroutine computes.
const maxCPU = 2

// nsys counts calls by number, for the report of what a program uses; unknown
// holds the numbers that were answered with ENOSYS.
var nsys [512]uint32

// syscall answers the system call that thread t makes: number in r7, arguments
// from r0, result in r0.
func syscall(t *thread) {
	nr := t.ctx.r[7]
	a0, a1, a2, a3 := t.ctx.r[0], t.ctx.r[1], t.ctx.r[2], t.ctx.r[3]
	if nr == sysRun {
		fn := *(*func(unsafe.Pointer))(unsafe.Pointer(&a0))
		fn(*(*unsafe.Pointer)(unsafe.Pointer(&a1)))
		return
	}
	if nr < uint32(len(nsys)) {
		nsys[nr]++
	}
	var r uint32
	switch nr {
	case 1: // exit
		sysExit(t)
		return
	case 3: // read
		r = sysRead(t, a0, a1, a2)
	case 4: // write
		r = sysWrite(t, a0, a1, a2)
	case 5, 322, 332, 33, 334, 327, 397: // open, openat, readlinkat, access, faccessat, fstatat64, statx
		r = errno(ENOENT)
	case 6: // close
		r = sysClose(a0)
	case 20: // getpid
		r = 1
	case 199, 200, 201, 202, 24, 47, 49, 50, 64: // getuid and friends
		r = 0
	case 37: // kill
		r = sysTgkill(t.id, a1)
	case 55, 221: // fcntl, fcntl64
		r = sysFcntl(a0, a1, a2)
	case 78: // gettimeofday
		r = sysTime(a0, 0, 1000, false)
	case 91: // munmap
		r = sysMunmap(a0, a1)
	case 120: // clone
		r = sysClone(t, a1)
	case 122: // uname
		r = sysUname(a0)
	case 125: // mprotect
		r = sysMprotect(a0, a1, a2)
	case 146: // writev
		r = sysWritev(t, a0, a1, a2)
	case 158: // sched_yield
		resched = true
	case 162: // nanosleep
		r = sysNanosleep(t, a0)
	case 173: // rt_sigreturn
		sysSigreturn(t)
		return
	case 174: // rt_sigaction
		r = sysSigaction(a0, a1, a2, a3)
	case 175: // rt_sigprocmask
		r = sysSigprocmask(t, a0, a1, a2, a3)
	case 183: // getcwd
		r = sysGetcwd(a0, a1)
	case 186: // sigaltstack
		r = sysSigaltstack(t, a0, a1)
	case 192: // mmap2
		r = sysMmap(a0, a1, a2, a3)
	case 197: // fstat64
		r = sysFstat(a0, a1)
	case 220: // madvise
		r = sysMadvise(a0, a1, a2)
	case 224: // gettid
		r = t.id
	case 240, 422: // futex, futex_time64
		timeout := int64(-1)
		if a3 != 0 && a1&0x7f == 0 {
			var ok bool
			if timeout, ok = timespec(a3, nr == 422); !ok {
				r = errno(EINVAL)
				break
			}
		}
		r = sysFutex(t, a0, a1, a2, timeout)
	case 242: // sched_getaffinity
		r = sysAffinity(a1, a2)
	case 248: // exit_group
		c := newCause(CauseExit)
		c.Code = a0 & 0xff
		c.fromThread(t)
		die(c)
	case 251: // epoll_ctl
		r = sysEpollCtl(a0, a1, a2, a3)
	case 252, 346: // epoll_wait, epoll_pwait
		r = sysEpollWait(t, a0, a1, a2, a3)
	case 263: // clock_gettime
		r = sysTime(a1, a0, 1, false)
	case 403: // clock_gettime64
		r = sysTime(a1, a0, 1, true)
	case 268: // tgkill
		r = sysTgkill(a1, a2)
	case 359: // pipe2
		r = sysPipe(a0, a1)
	case 356: // eventfd2
		r = newFile(fileEvent, 2|a1)
		if int32(r) >= 0 {
			files[r].count = uint64(a0)
		}
	case 250, 357: // epoll_create, epoll_create1
		r = newFile(fileEpoll, 2)
	case 384: // getrandom
		r = sysGetrandom(a0, a1)
	default:
		r = errno(ENOSYS)
	}
	if t.state == threadRunning {
		t.ctx.r[0] = r
	}
}

// timespec reads a struct timespec; false if it cannot be read or is not one.
func timespec(p uint32, wide bool) (ns int64, ok bool) {
	size := uint32(8)
	if wide {
		size = 16
	}
	if !accessible(p, size, false) {
		return 0, false
	}
	sec, nsec := int64(int32(load32(p))), load32(p+4)
	if wide {
		sec, nsec = int64(uint64(load32(p))|uint64(load32(p+4))<<32), load32(p+8)
	}
	if sec < 0 || nsec >= 1_000_000_000 {
		return 0, false
	}
	if sec > 1<<32 {
		sec = 1 << 32
	}
	return sec*1_000_000_000 + int64(nsec), true
}

func sysNanosleep(t *thread, req uint32) uint32 {
	ns, ok := timespec(req, false)
	if !ok {
		return errno(EINVAL)
	}
	block(t, waitSleep, 0, after(ns), 0)
	return 0
}

// sysTime stores a clock at p: seconds and nanoseconds (or, div 1000,
// microseconds).
func sysTime(p, clock, div uint32, wide bool) uint32 {
	size := uint32(8)
	if wide {
		size = 16
	}
	if !accessible(p, size, true) {
		return errno(EFAULT)
	}
	now := nanotime()
	switch clock {
	case 0, 5: // REALTIME, REALTIME_COARSE
		now += wallOffset
	case 1, 4, 6, 7: // MONOTONIC, RAW, COARSE, BOOTTIME
	case 2: // PROCESS_CPUTIME
		now -= sched.idle
	case 3: // THREAD_CPUTIME
		now = threads[cur].cpuTime + now - switchedAt
	default:
		return errno(EINVAL)
	}
	sec := now / 1_000_000_000
	sub := uint32(now-sec*1_000_000_000) / div
	store32(p, uint32(sec))
	if wide {
		store32(p+4, uint32(sec>>32))
		store32(p+8, sub)
		store32(p+12, 0)
	} else {
		store32(p+4, sub)
	}
	return 0
}

// sysAffinity claims maxCPU CPUs.
func sysAffinity(size, mask uint32) uint32 {
	if size < 4 {
		return errno(EINVAL)
	}
	if !accessible(mask, 4, true) {
		return errno(EFAULT)
	}
	store32(mask, 1<<maxCPU-1)
	return 4
}

// sysUname fills in struct new_utsname: six fields of 65 bytes.
func sysUname(p uint32) uint32 {
	if !accessible(p, 6*65, true) {
		return errno(EFAULT)
	}
	zero(p, 6*65)
	putString(p, "Linux") // what runs here was built for it
	putString(p+65, "gasp")
	putString(p+2*65, "5.10.0-gasp") // the interface that is imitated
	putString(p+3*65, "gasp")
	putString(p+4*65, "armv7l")
	return 0
}

func putString(p uint32, s string) {
	for i := 0; i < len(s); i++ {
		store8(p+uint32(i), s[i])
	}
}

func sysGetcwd(p, n uint32) uint32 {
	if n < 2 {
		return errno(ERANGE)
	}
	if !accessible(p, 2, true) {
		return errno(EFAULT)
	}
	store8(p, '/')
	store8(p+1, 0)
	return 2
}

// SyscallCount returns how often system call nr was made.
func SyscallCount(nr int) uint32 {
	if nr < 0 || nr >= len(nsys) {
		return 0
	}
	return nsys[nr]
}

//go:build arm

package kernel

import "unsafe"

// sysRun is the kernel's own call: run a function in trap context.
const sysRun = 0x10000

// maxCPU is how many CPUs the runtime is told of, and so how many Ps it has: the
// fewest with which a goroutine that the network thread makes ready runs at once
// while two others compute. Each costs some hundred instructions whenever a
// thread of the runtime looks for work.
const maxCPU = 5

// loaded: the program is not linked with this kernel (exec.go), so its functions
// do not run in trap context.
var loaded bool

// nsys counts calls by number, to tell what a program uses.
var nsys [512]uint32

// syscall answers the system call that thread t makes: number in r7, arguments
// from r0, result in r0.
func syscall(t *thread) {
	nr := t.ctx.r[7]
	a0, a1, a2, a3 := t.ctx.r[0], t.ctx.r[1], t.ctx.r[2], t.ctx.r[3]
	if nr == sysRun && !loaded {
		fn := *(*func(unsafe.Pointer))(unsafe.Pointer(&a0))
		fn(*(*unsafe.Pointer)(unsafe.Pointer(&a1)))
		return
	}
	if nr < uint32(len(nsys)) {
		nsys[nr]++
	}
	if nr == 263 && a0 == 1 { // clock_gettime, the runtime's most frequent call
		t.ctx.r[0] = sysTime(a1, a0, 1, false)
		return
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
	case 5: // open
		r = sysOpen(atFDCWD, a0, a1)
	case 322: // openat
		r = sysOpen(a0, a1, a2)
	case 6: // close
		r = sysClose(a0)
	case 8: // creat
		r = sysOpen(atFDCWD, a0, 1|oCreate|oTrunc)
	case 12: // chdir
		r = sysChdir(a0)
	case 133: // fchdir
		r = sysFchdir(a0)
	case 10, 15, 40, 92, 193: // unlink, chmod, rmdir, truncate, truncate64
		r = sysAlter(atFDCWD, a0, false)
	case 328, 333, 348: // unlinkat, fchmodat, utimensat
		r = sysAlter(a0, a1, false)
	case 38: // rename
		r = sysAlter(atFDCWD, a0, false)
	case 329, 382: // renameat, renameat2
		r = sysAlter(a0, a1, false)
	case 14, 39: // mknod, mkdir
		r = sysAlter(atFDCWD, a0, true)
	case 323, 324: // mkdirat, mknodat
		r = sysAlter(a0, a1, true)
	case 9, 83: // link, symlink
		r = sysAlter(atFDCWD, a1, true)
	case 331: // symlinkat
		r = sysAlter(a1, a2, true)
	case 330: // linkat
		r = sysAlter(a2, a3, true)
	case 19: // lseek
		r = sysLseek(a0, a1, a2)
	case 140: // _llseek
		r = sysLLseek(a0, a1, a2, a3, t.ctx.r[4])
	case 33: // access
		r = sysAccess(atFDCWD, a0, a1, 0)
	case 334: // faccessat
		r = sysAccess(a0, a1, a2, 0)
	case 439: // faccessat2
		r = sysAccess(a0, a1, a2, a3)
	case 41: // dup
		r = sysDup(a0, 0, false)
	case 63: // dup2
		r = sysDup2(a0, a1)
	case 358: // dup3
		r = sysDup3(a0, a1, a2)
	case 85: // readlink
		r = sysReadlink(atFDCWD, a0, a1, a2)
	case 332: // readlinkat
		r = sysReadlink(a0, a1, a2, a3)
	case 145: // readv
		r = sysReadv(t, a0, a1, a2)
	case 180: // pread64: the offset in an even pair of registers
		r = sysPread(a0, a1, a2, int64(uint64(t.ctx.r[5])<<32|uint64(t.ctx.r[4])))
	case 181: // pwrite64
		r = sysPwrite(a0, a1, a2, int64(uint64(t.ctx.r[5])<<32|uint64(t.ctx.r[4])))
	case 195: // stat64
		r = sysStat(atFDCWD, a0, a1, 0)
	case 196: // lstat64
		r = sysStat(atFDCWD, a0, a1, atSymlinkNoFollow)
	case 327: // fstatat64
		r = sysStat(a0, a1, a2, a3)
	case 217: // getdents64
		r = sysGetdents(a0, a1, a2)
	case 79: // settimeofday
		r = sysSettimeofday(a0, a1)
	case 262, 404: // clock_settime, clock_settime64
		r = sysClockSettime(a0, a1, nr == 404)
	case 104: // setitimer
		r = sysSetitimer(a0, a1, a2)
	case 105: // getitimer
		r = sysSetitimer(a0, 0, a1)
	case 257: // timer_create
		r = sysTimerCreate(t, a0, a1, a2)
	case 258, 409: // timer_settime, timer_settime64
		r = sysTimerSettime(a0, a1, a2, a3, nr == 409)
	case 261: // timer_delete
		r = sysTimerDelete(a0)
	case 20: // getpid
		r = 1
	case 199, 200, 201, 202, 24, 47, 49, 50, 64: // getuid and friends
		r = 0
	case 37: // kill
		r = sysTgkill(t.id, a1)
	case 55, 221: // fcntl, fcntl64
		r = sysFcntl(a0, a1, a2)
	case 77: // getrusage
		r = sysGetrusage(a0, a1)
	case 78: // gettimeofday
		r = sysTime(a0, 0, 1000, false)
	case 91: // munmap
		r = sysMunmap(a0, a1)
	case 120: // clone
		r = sysClone(t, a0, a1)
	case 122: // uname
		r = sysUname(a0)
	case 125: // mprotect
		r = sysMprotect(a0, a1, a2)
	case 146: // writev
		r = sysWritev(t, a0, a1, a2)
	case 158: // sched_yield
		if t.prio == prioNet {
			// The runtime spins for what a thread of lower priority
			// holds: let that run.
			block(t, waitSleep, 0, after(20_000), 0)
		} else {
			resched = true
			t.yielded = true
		}
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
	case 219: // mincore
		r = sysMincore(a0, a1, a2)
	case 220: // madvise
		r = sysMadvise(a0, a1, a2)
	case 224: // gettid
		r = t.id
	case 240, 422: // futex, futex_time64
		timeout := int64(-1)
		if a3 != 0 && a1&0x7f == 0 {
			var e int32
			if timeout, e = timespec(a3, nr == 422); e != 0 {
				r = errno(e)
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
	case 340: // splice
		r = errno(EINVAL) // as for descriptors that cannot: callers copy instead
	case 359: // pipe2
		r = sysPipe(a0, a1)
	case 356: // eventfd2
		r = sysEventfd(a0, a1)
	case 250: // epoll_create
		r = sysEpollCreate(0)
	case 357: // epoll_create1
		r = sysEpollCreate(a0)
	case 281: // socket
		r = sysSocket(a0, a1, a2)
	case 282: // bind
		r = sysBind(t, a0, a1, a2)
	case 283: // connect
		r = sysConnect(t, a0, a1, a2)
	case 284: // listen
		r = sysListen(t, a0, a1)
	case 285: // accept
		r = sysAccept(t, a0, a1, a2, 0)
	case 366: // accept4
		r = sysAccept(t, a0, a1, a2, a3)
	case 286: // getsockname
		r = sysGetsockname(a0, a1, a2, false)
	case 287: // getpeername
		r = sysGetsockname(a0, a1, a2, true)
	case 289: // send
		r = sysSendto(t, a0, a1, a2, a3, 0, 0)
	case 290: // sendto
		r = sysSendto(t, a0, a1, a2, a3, t.ctx.r[4], t.ctx.r[5])
	case 291: // recv
		r = sysRecvfrom(t, a0, a1, a2, a3, 0, 0)
	case 292: // recvfrom
		r = sysRecvfrom(t, a0, a1, a2, a3, t.ctx.r[4], t.ctx.r[5])
	case 293: // shutdown
		r = sysShutdown(t, a0, a1)
	case 294: // setsockopt
		r = sysSetsockopt(t, a0, a1, a2, a3, t.ctx.r[4])
	case 295: // getsockopt
		r = sysGetsockopt(t, a0, a1, a2, a3, t.ctx.r[4])
	case 296: // sendmsg
		r = sysSendmsg(t, a0, a1, a2)
	case 297: // recvmsg
		r = sysRecvmsg(t, a0, a1, a2)
	case 384: // getrandom
		r = sysGetrandom(a0, a1)
	default:
		r = unknownCall(nr)
	}
	if t.state == threadRunning {
		t.ctx.r[0] = r
	}
}

// timespec reads a struct timespec. e is EFAULT if it cannot be read, EINVAL if it is
// not one.
func timespec(p uint32, wide bool) (ns int64, e int32) {
	size := uint32(8)
	if wide {
		size = 16
	}
	if !accessible(p, size, false) {
		return 0, EFAULT
	}
	sec, nsec := int64(int32(load32(p))), load32(p+4)
	if wide {
		sec, nsec = int64(uint64(load32(p))|uint64(load32(p+4))<<32), load32(p+8)
	}
	if sec < 0 || nsec >= 1_000_000_000 {
		return 0, EINVAL
	}
	if sec > 1<<32 {
		sec = 1 << 32
	}
	return sec*1_000_000_000 + int64(nsec), 0
}

func sysNanosleep(t *thread, req uint32) uint32 {
	ns, e := timespec(req, false)
	if e != 0 {
		return errno(e)
	}
	if t.id == monitor && ns >= 20_000 {
		sleepMonitor(t, ns)
		return 0
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
	putString(p+65, hostname)
	putString(p+2*65, osRelease)
	putString(p+3*65, "gasp")
	putString(p+4*65, "armv7l")
	return 0
}

func putString(p uint32, s string) {
	for i := 0; i < len(s); i++ {
		store8(p+uint32(i), s[i])
	}
}

// SyscallCount returns how often system call nr was made.
func SyscallCount(nr int) uint32 {
	if nr < 0 || nr >= len(nsys) {
		return 0
	}
	return nsys[nr]
}

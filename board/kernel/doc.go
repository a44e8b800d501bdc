// Package kernel is the small kernel below the Go runtime. The firmware is an
// ordinary linux/arm Go program; the kernel answers, from the SVC exception,
// the part of the Linux/arm EABI that the runtime and the standard library use.
//
// # Modes and stacks
//
// Go code runs in SYS mode with interrupts on. SVC, IRQ, abort and undefined
// exceptions enter the kernel: Go code too, but on the kernel's stack, with
// interrupts masked and a g of the kernel's own in R10. That is trap context;
// package trap has its rules. All kernel state is fixed arrays and indices, so
// that the garbage collector need not know it.
//
// A trap that interrupts the kernel itself (fault.go) is either the first touch
// of a demand page, which is resolved, or a fault of the kernel, which is fatal
// and reported on a stack of its own.
//
// # The files, from the bottom up
//
//	machine.go   what a board tells the kernel; boot order
//	boot_arm.s   entry, exception vectors, context save and restore
//	cpu_arm.s    single instructions
//	mmu.go       RAM size, page tables, protection
//	page.go      who owns which page; demand paging
//	megabyte.go  how many pages of a megabyte are what
//	mmap.go      mmap, munmap, madvise
//	mprotect.go  mprotect, mincore
//	thread.go    threads: table, clone, exit, blocking and waking
//	sched.go     run queues, choice, switch, idle
//	clocksource.go  the counter as a clock
//	timer.go     the clock, the queue of deadlines, the tick
//	hrtimer.go   drivers' timers, which call in trap context
//	linger.go    a call that waits for data, or room, that comes soon
//	vdso.go      the clock without a system call
//	generictimer.go, mpcore.go  the timers of Cortex-A7 and Cortex-A9
//	futex.go     futex wait and wake
//	signal.go    signal frames, rt_sigreturn
//	fault.go     faults of threads and of the kernel
//	irq.go       interrupt controller, top halves
//	fiq.go       the interrupt that nothing masks: the watchdog's
//	lockup.go    hard and soft lockups, who keeps the watchdog content
//	event.go     waking a goroutine from trap context
//	fd.go        descriptors, their copies
//	file.go      open files: console, eventfd
//	vfs.go       the read-only tree of files, path names
//	rootfs.go    what is in it at boot
//	setfile.go   putting more into it
//	archive.go   files that the loader left in RAM
//	persist.go   memory that survives a reset
//	cwd.go       the current directory
//	open.go      open, read, seek
//	stat.go      stat, access, readlink, getdents
//	proc.go      /proc: texts made when they are read
//	proctext.go  the same for texts of the firmware
//	pipe.go      pipes
//	sock*.go     sockets: table, rings, send and receive, requests, service,
//	             and the way past it for datagrams (sockdirect.go)
//	epoll.go     waiting for descriptors
//	console.go   early console, write(2) to the log
//	prof.go      timers of CPU time, SIGPROF
//	wall.go      the wall clock: the real time clock, setting it; getrusage
//	random.go    getrandom and its entropy
//	trapstat.go  how long interrupts stay masked
//	symbol.go    names of functions
//	die.go       the end: cause and hook
//	cmdline.go   boot arguments, the first thread's stack
//	kernelmem.go what memory no system call may name
//	unknown.go   system calls that are not there
//	syscall.go   the table of system calls
//	exec.go      running another ELF image instead of this one
package kernel

//go:build linux && arm

package surface

import "syscall"

// reopen closes what the calls opened and has descriptors of all kinds again,
// from firstFD on.
func (t *tester) reopen() {
	closeFDs()
	var fds []int
	add := func(fd int, err error) {
		if err != nil {
			return // not there without a network, or not there at all
		}
		if fd < firstFD {
			high, _, e := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_DUPFD, firstFD)
			syscall.Close(fd)
			if e != 0 {
				t.Failf("dup of %d: %v", fd, e)
			}
			fd = int(high)
		}
		fds = append(fds, fd)
	}
	add(syscall.Open("/etc/hosts", 0, 0))
	add(syscall.Open("/", 0, 0))
	add(syscall.Open("/dev/null", syscall.O_RDWR, 0))
	add(syscall.Open("/proc/self/maps", 0, 0))
	var p [2]int
	if err := syscall.Pipe2(p[:], 0); err == nil {
		add(p[0], nil)
		add(p[1], nil)
	}
	add(syscall.EpollCreate1(0))
	fd, _, e := syscall.Syscall(syscall.SYS_EVENTFD2, 0, 0, 0)
	if e == 0 {
		add(int(fd), nil)
	}
	add(syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0))
	add(syscall.Socket(syscall.AF_INET6, syscall.SOCK_DGRAM, 0))
	if t.FDs != nil {
		for _, fd := range t.FDs() {
			add(fd, nil)
		}
	}
	t.fds = fds
}

// closeFDs closes all descriptors that are ours.
func closeFDs() {
	for fd := firstFD; fd < 1024; fd++ {
		syscall.RawSyscall(syscall.SYS_CLOSE, uintptr(fd), 0, 0)
	}
}

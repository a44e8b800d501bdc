package qemu

import "syscall"

// childAttr gives QEMU a process group of its own, so that a ctrl-C at the
// terminal reaches only us (QEMU would end with status 0 and look like a
// success), and has it killed when we die without a chance to do it.
func childAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

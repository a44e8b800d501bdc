package systest

import (
	"net"

	"golang.org/x/sys/unix"
)

// largeBuffer lets a socket hold what a guest sends while this process does not get to
// run, beyond the system's limit where that is allowed: what does not fit would pass
// for the guest's loss.
func largeBuffer(c *net.UDPConn) {
	if raw, err := c.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 64<<20) })
	}
}
